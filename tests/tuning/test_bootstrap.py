"""The interval of a gain: by hand where nothing is left to chance, and against every resample of few groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from maskfold.pixels.metrics import class_score
from maskfold.tuning.bootstrap import gain_interval


def interval(metric, default, tuned, groups, samples=4000, seed=0):
    found = gain_interval(
        metric, np.array(default), np.array(tuned), np.array(groups), samples, np.random.default_rng(seed)
    )
    return found.low, found.high


def test_groups_that_gain_alike_leave_nothing_to_chance():
    # Every image gains 0.25: Dice 0.5 to 0.75.
    default, tuned = [(2, 4, 4)] * 6, [(3, 4, 4)] * 6
    for groups in (list("abcdef"), list("aabbbc"), list("aaaaaa")):
        assert interval("dice", default, tuned, groups, 50) == pytest.approx((0.25, 0.25))
    assert interval("pooled_dice", default, tuned, list("aabbbc"), 50) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize("metric", ["dice", "iou", "f0.5", "pooled_dice", "miou", "pooled_f0.5"])
def test_whole_groups_of_unequal_size_are_drawn(metric):
    """Three groups of 1, 2 and 4 images have 27 resamples; the interval's ends are quantiles of their gains."""
    rng = np.random.default_rng(1)
    groups = np.array([7, 3, 3, 5, 5, 5, 5])
    areas = rng.integers(1, 50, (2, 7, 3))
    areas[:, :, 0] = areas.min(axis=2)
    areas[1, :, 2] = areas[0, :, 2]
    areas[1, :, 0] = np.minimum(areas[1, :, 0], areas[1, :, 2])
    gains = []
    for drawn in itertools.product((3, 5, 7), repeat=3):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in drawn])
        gains.append(class_score(metric, *areas[1, rows].T) - class_score(metric, *areas[0, rows].T))
    low, high = interval(metric, areas[0], areas[1], groups)
    assert (low, high) == pytest.approx((min(gains), max(gains)), abs=1e-9)  # each has a chance of 1 in 27


def test_an_interval_holds_95_percent():
    # 101 of 200 images gain 1 and the others nothing: the mean of 200 draws has a deviation of 0.0354.
    default = [(0, 0, 4)] * 200
    tuned = [(4, 4, 4)] * 101 + [(0, 0, 4)] * 99
    low, high = interval("dice", default, tuned, np.arange(200), 8000)
    assert (0.505 - low, high - 0.505) == pytest.approx((1.96 * 0.0354,) * 2, rel=0.05)


def test_pooled_areas_that_are_all_empty_score_one():
    # Group x is empty and stays so but for one false alarm; alone it loses 1, and with group y a little.
    default, tuned = [(0, 0, 0), (4, 4, 4)], [(0, 8, 0), (4, 4, 4)]
    low, high = interval("pooled_dice", default, tuned, ["x", "y"])
    assert (low, high) == (-1.0, 0.0)
    default, tuned = tuned, default
    assert interval("pooled_dice", default, tuned, ["x", "y"]) == (0.0, 1.0)
