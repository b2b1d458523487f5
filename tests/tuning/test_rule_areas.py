"""The areas of many rules at once equal each rule applied alone, whatever passes and threads share."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.pixels.metrics import mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import EMPTY_RULE, ComponentRule, ExpectedRule, HardGate, MaskRule, TripletRule
from maskfold.tuning.rule_areas import rule_areas
from support.oof_images import images

CALIBRATION = (0, *(256 * level for level in range(1, 256)))
RULES = [
    [
        ComponentRule(threshold=100, min_area_px=5, connectivity=8),
        ComponentRule(threshold=30, min_area_px=40, connectivity=4),
        TripletRule(top_threshold=200, min_area_px=3, bottom_threshold=60),
        EMPTY_RULE,
        ExpectedRule(score="dice", calibration=CALIBRATION, min_area_px=20, total_weight=24),
        ExpectedRule(
            score="dice", calibration=CALIBRATION, min_area_px=20, total_weight=24, largest_k=2, fill_holes=True
        ),
    ],
    [
        ComponentRule(threshold=1, min_area_px=2, connectivity=4),
        MaskRule(threshold=128, min_area_px=30),
        ComponentRule(threshold=90, min_area_px=9, connectivity=8, largest_k=1),
        ComponentRule(threshold=90, min_area_px=9, connectivity=8, largest_k=1, fill_holes=True),
        ComponentRule(threshold=60, min_area_px=9, gate=HardGate(min_class_prob=0.5)),
        MaskRule(threshold=60, min_area_px=9, gate=HardGate(min_class_prob=0.25)),
    ],
]


@pytest.mark.parametrize(("threads", "with_ignored"), [(1, False), (3, False), (1, True)])
def test_many_rules_equal_each_alone(threads, with_ignored):
    labelled = images(31, count=40, class_prob=True, with_ignored=with_ignored)
    found = list(rule_areas(labelled, RULES, 30 * 40, threads))
    assert [image_id for image_id, _ in found] == [image.oof.image_id for image in labelled]
    for image, (_, areas) in zip(labelled, found, strict=True):
        expected = [
            [mask_areas(apply_rule(prob, rule, float(present)), truth, image.ignored) for rule in rules]
            for prob, truth, present, rules in zip(
                image.oof.prob, image.truth, image.oof.class_prob, RULES, strict=True
            )
        ]
        assert np.array_equal(areas, expected)


def test_rules_that_see_levels_alone_leave_something_and_nothing():
    # A check of the test above: every rule but the always empty one leaves pixels of some images and none of others.
    labelled = images(31, count=40, class_prob=True)
    areas = np.stack([of_image for _, of_image in rule_areas(labelled, RULES, 30 * 40, 1)])
    some, none = (areas[..., 1] > 0).any(axis=0), (areas[..., 1] == 0).any(axis=0)
    assert none.all()
    assert some.tolist() == [[rule is not EMPTY_RULE for rule in rules] for rules in RULES]
