"""The default with a gate that follows from two means: the values by hand and by counting, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.config import TuningConfig
from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import scores
from maskfold.rules.rules import DEFAULT_RULE, ComponentRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.derived_gate import derived_gate, gated_default, gated_defaults
from maskfold.tuning.tables.score_tables import area_grid
from maskfold.tuning.tables.table_filling import fold_tables

GRID = area_grid(64, 8, 2.0)
FOUND = ClassChoice(ComponentRule(threshold=90, min_area_px=3), (DEFAULT_RULE, DEFAULT_RULE), None)


@pytest.mark.parametrize(("mean", "steps"), [(1.0, 16), (0.7, 19), (0.6, 20), (0.5, 21), (0.0, 32)])
def test_the_gate_is_where_a_mask_is_worth_as_much_as_none(mean, steps):
    # 32 / 1.7 = 18.8, 32 / 1.6 = 20 exactly, 32 / 1.5 = 21.3
    assert derived_gate(mean).min_class_prob == steps / 32


def image(rng, shown, ignored=None, class_prob=True):
    """8x8 px: noise on both sides of the default threshold, and a truth if the class is shown."""
    prob = rng.integers(0, 256, (1, 8, 8)).astype(np.uint8)
    if rng.random() < 0.5:
        prob[prob >= DEFAULT_RULE.threshold] = 0
    truth = (rng.random((1, 8, 8)) < 0.5).astype(np.uint8) * shown
    if ignored is not None:
        truth[:, ignored > 0] = 0
    given = np.array([rng.random()], np.float32) if class_prob else None
    return LabelledOof(OofImage("x", 0, prob, given), truth, ignored)


def tables(images, metric="dice"):
    return fold_tables(images, metric, GRID, 8, 1, 1)


def counted(images, metric):
    """The mean score of the default on the images that show the class."""
    found = []
    for each in images:
        inside = np.ones((8, 8), bool) if each.ignored is None else each.ignored == 0
        mask, truth = (each.oof.prob[0] >= DEFAULT_RULE.threshold) & inside, each.truth[0] > 0
        if truth.any():
            found.append(
                float(scores(metric, *(np.array([n]) for n in ((mask & truth).sum(), mask.sum(), truth.sum())))[0])
            )
    return np.mean(found)


@pytest.mark.parametrize("metric", ["dice", "tgs_precision", "f2"])
@pytest.mark.parametrize("ignoring", [False, True])
def test_it_is_that_of_the_images_counted_one_by_one(metric, ignoring):
    rng = np.random.default_rng(3)
    ignored = np.zeros((8, 8), np.uint8)
    ignored[:3] = 1
    parts = [[image(rng, k % 3 > 0, ignored if ignoring else None) for k in range(size)] for size in (9, 14, 20)]
    found = gated_default([tables(part, metric) for part in parts])
    sets = [[*parts[0], *parts[1], *parts[2]], [*parts[1], *parts[2]], [*parts[0], *parts[2]], [*parts[0], *parts[1]]]
    expected = [derived_gate(counted(images, metric)) for images in sets]
    assert [rule.gate for rule in (found.rule, *found.without_fold)] == expected
    assert found.rule == DEFAULT_RULE.model_copy(update={"gate": expected[0]})


def test_a_class_that_only_one_fold_shows_has_no_gate_without_it():
    rng = np.random.default_rng(0)
    parts = [tables([image(rng, True) for _ in range(6)]), tables([image(rng, False) for _ in range(6)])]
    found = gated_default(parts)
    assert found.without_fold[0] == DEFAULT_RULE and found.without_fold[1] == found.rule != DEFAULT_RULE
    assert gated_default(parts[1:]) is None
    assert gated_defaults(lambda index: parts[index:], [FOUND, FOUND], TuningConfig()) == [found, FOUND]


def test_without_a_head_or_where_gates_are_off_there_is_none():
    rng = np.random.default_rng(0)
    with_head, without = (tables([image(rng, True, class_prob=given) for _ in range(4)]) for given in (True, False))
    assert gated_defaults(lambda index: [with_head], [FOUND], TuningConfig()) is not None
    assert gated_defaults(lambda index: [without], [FOUND], TuningConfig()) is None
    for settings in ({"gates": False}, {"rule": "mask"}, {"rule": "expected"}, {"metric": "pooled_dice"}):
        assert gated_defaults(lambda index: [with_head], [FOUND], TuningConfig(**settings)) is None
