"""Where units go: the best of all assignments of a few units, found by trying every one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from maskfold.folds.assignment import assign_units


def costs(features, weights, shares, assignments):
    """The cost of each assignment, (n,): weighted squares of the distance from the wanted share of an even count."""
    even = features.sum(axis=0) / len(shares)
    inside = assignments[:, None, :] == np.arange(len(shares))[None, :, None]  # (n, folds, units)
    off = inside @ features - features.sum(axis=0) * np.asarray(shares)[:, None]
    return (weights * (off / even) ** 2).sum(axis=(1, 2))


def every_assignment(units, folds, fixed):
    options = [range(folds) if place < 0 else [place] for place in fixed]
    return np.array(list(itertools.product(*options)))


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.75, 0.25), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.3, 0.2)])
@pytest.mark.parametrize("placed", [0, 2])
def test_the_best_of_all_assignments_of_groups_is_found_or_one_near_it(shares, placed):
    """A local search from several starts: the very best for at least half of the inputs, and nearly it for all."""
    better = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        features = rng.integers(0, 5, (8, 3)).astype(float)
        features[:, 2] += 1  # every unit counts
        features[0] += 2  # groups, not single images
        weights = np.array([1.0, 0.5, 0.3])
        fixed = np.full(8, -1)
        fixed[3 : 3 + placed] = rng.integers(0, len(shares), placed)
        found = assign_units(features, weights, fixed, np.array(shares), np.random.default_rng(seed))
        assert (found[fixed >= 0] == fixed[fixed >= 0]).all()
        every = costs(features, weights, shares, every_assignment(8, len(shares), fixed))
        better.append((every < costs(features, weights, shares, found[None])[0] - 1e-9).mean())
    assert max(better) <= 1 / 64
    assert sum(share == 0 for share in better) >= 4


@pytest.mark.parametrize("seed", range(6))
def test_single_images_come_within_one_of_even_wherever_that_is_possible(seed):
    rng = np.random.default_rng(seed)
    features = (rng.random((9, 4)) < 0.45).astype(float)
    features[0] = 1  # every count has an image
    shares = np.full(3, 1 / 3)
    fixed = np.full(9, -1)
    found = assign_units(features, np.ones(4), fixed, shares, np.random.default_rng(seed))
    tried = every_assignment(9, 3, fixed)
    counts = (tried[:, None, :] == np.arange(3)[None, :, None]) @ features
    worst = np.abs(counts - features.sum(axis=0) / 3).max(axis=(1, 2))
    own = np.abs((found[None, :] == np.arange(3)[:, None]) @ features - features.sum(axis=0) / 3).max()
    assert own <= max(1.0, worst.min()) + 1e-9


def test_nothing_left_to_place_changes_nothing():
    fixed = np.array([1, 0, 1])
    found = assign_units(np.ones((3, 2)), np.ones(2), fixed, np.array([0.5, 0.5]), np.random.default_rng(0))
    assert found.tolist() == [1, 0, 1]
    assert found is not fixed
