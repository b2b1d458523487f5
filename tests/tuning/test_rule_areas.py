"""The areas of many rules at once equal each rule applied alone, whatever passes and threads share."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.pixels.metrics import mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import ComponentRule, MaskRule, TripletRule
from maskfold.tuning.rule_areas import rule_areas
from support.oof_images import images

RULES = [
    [
        ComponentRule(threshold=100, min_area_px=5, connectivity=8),
        ComponentRule(threshold=30, min_area_px=40, connectivity=4),
        TripletRule(top_threshold=200, min_area_px=3, bottom_threshold=60),
    ],
    [
        ComponentRule(threshold=1, min_area_px=2, connectivity=4),
        MaskRule(threshold=128, min_area_px=30),
        ComponentRule(threshold=90, min_area_px=9, connectivity=8, largest_k=1),
    ],
]


@pytest.mark.parametrize("threads", [1, 3])
def test_many_rules_equal_each_alone(threads):
    labelled = images(31, count=40)
    found = list(rule_areas(labelled, RULES, 30 * 40, threads))
    assert [image_id for image_id, _ in found] == [image.oof.image_id for image in labelled]
    for image, (_, areas) in zip(labelled, found, strict=True):
        expected = [
            [mask_areas(apply_rule(prob, rule), truth) for rule in rules]
            for prob, truth, rules in zip(image.oof.prob, image.truth, RULES, strict=True)
        ]
        assert np.array_equal(areas, expected)
