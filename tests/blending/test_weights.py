"""Weights of a blend: searched as brute force would, and kept only where other folds confirm them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from maskfold.blending.combining import combine_maps
from maskfold.blending.oof_subset import SampledImage
from maskfold.blending.scores import BlendScores, HonestScore, VectorScores
from maskfold.blending.weights import alone, choose_weights, equal, greedy, sampled
from maskfold.config import TuningConfig
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import ComponentRule
from maskfold.tuning.plateau import choose
from maskfold.tuning.tables.score_tables import area_grid
from maskfold.tuning.tables.table_filling import fold_tables

SIDE = 24


def near(target):
    """A score that is highest at the target."""
    return lambda weights: 1 - sum((weight - wanted) ** 2 for weight, wanted in zip(weights, target, strict=True))


@pytest.mark.parametrize("target", [(0.5, 0.5), (0.75, 0.25), (0.0, 1.0), (0.625, 0.375), (0.9, 0.1)])
def test_greedy_picks_find_what_brute_force_finds(target):
    picks = 8
    grid = [(a / n, (n - a) / n) for n in range(1, picks + 1) for a in range(n + 1)]
    best = max(near(target)(weights) for weights in grid)
    assert near(target)(greedy(near(target), 2, picks)) == best


def test_greedy_by_hand():
    # Alone member 2 is nearest to the target; one of each other then brings 1/3 each, and member 2 again 1/4, 1/4, 1/2.
    assert greedy(near((0.25, 0.25, 0.5)), 3, 1) == equal(3)  # nearer than any member alone
    assert greedy(near((0.25, 0.25, 0.5)), 3, 4) == (0.25, 0.25, 0.5)


def test_optuna_comes_near_and_repeats_itself():
    target = (0.7, 0.2, 0.1)
    found = sampled(near(target), 3, 60, seed=1)
    assert sum(found) == pytest.approx(1)
    assert near(target)(found) > 1 - 0.02 > near(target)(equal(3))
    assert sampled(near(target), 3, 60, seed=1) == found
    assert sampled(near(alone(1, 3)), 3, 1, seed=1) == alone(1, 3)
    assert sampled(lambda weights: 0.5, 3, 5, seed=1) == equal(3)


def images_of(members_of, folds=3, count=6, seed=0):
    """Images with a square each; members_of(truth, rng) -> (M, 1, H, W) uint8."""
    rng = np.random.default_rng(seed)
    images = []
    for fold, number in product(range(folds), range(count)):
        truth = np.zeros((1, SIDE, SIDE), np.uint8)
        top, left = rng.integers(0, SIDE - 10, 2)
        truth[0, top : top + 8, left : left + 8] = 1
        images.append(SampledImage(f"{fold}-{number}", fold, members_of(truth, rng), truth))
    return images


def noisy(truth, rng, noise):
    """What a member with this much noise says."""
    return np.clip(np.rint(truth * 80.0 + 80 + rng.normal(0, noise, truth.shape)), 0, 255).astype(np.uint8)


def one_is_better(truth, rng):
    return np.stack([noisy(truth, rng, 15), noisy(truth, rng, 120)])


def alike(truth, rng):
    return np.stack([noisy(truth, rng, 90) for _ in range(3)])


def blend_scores(images, metric="dice"):
    return BlendScores(images, "mean", TuningConfig(metric=metric, dense_areas=64), SIDE * SIDE)


@pytest.mark.parametrize("metric", ["dice", "pooled_dice", "miou", "pooled_f2"])
def test_scores_are_those_of_the_rules_applied(metric):
    images = images_of(one_is_better)
    scores, weights = blend_scores(images, metric), (0.75, 0.25)
    grid = area_grid(SIDE * SIDE, 64, TuningConfig().area_growth)
    areas = []
    for fold in range(3):
        rest = [k for k in range(3) if k != fold]
        others = [
            fold_tables(scores._combined(scores._by_fold[k], weights), metric, grid, 8, 1, 1).table(0) for k in rest
        ]
        choice = choose(others)
        rule = ComponentRule(threshold=choice.threshold, min_area_px=int(grid[choice.column]))
        for image in images:
            if image.fold == fold:
                prob = combine_maps(list(image.members), weights, "mean")[0]
                areas.append(mask_areas(apply_rule(prob, rule), image.truth[0]))
        assert scores.of(weights).peaks[fold + 1] >= choice.score
    honest = scores.honest([weights] * 3)
    assert honest.score == pytest.approx(class_score(metric, *np.array(areas).T), abs=1e-12)
    by_fold = [class_score(metric, *np.array(areas[6 * fold : 6 * fold + 6]).T) for fold in range(3)]
    assert honest.by_fold == pytest.approx(by_fold, abs=1e-12)


def test_weights_are_scored_without_ignored_pixels():
    rng = np.random.default_rng(1)
    images = []
    for image in images_of(one_is_better):
        ignored = (rng.random((SIDE, SIDE)) < 0.3).astype(np.uint8)
        images.append(replace(image, truth=image.truth * (1 - ignored), ignored=ignored))
    weights, grid = (0.75, 0.25), area_grid(SIDE * SIDE, 64, TuningConfig().area_growth)
    best = 0.0
    for threshold, area in product(range(60, 240, 10), grid[::8].tolist()):
        rule, areas = ComponentRule(threshold=threshold, min_area_px=area), []
        for image in images:
            mask = apply_rule(combine_maps(list(image.members), weights, "mean")[0], rule)
            areas.append(mask_areas(mask, image.truth[0], image.ignored))
        best = max(best, class_score("dice", *np.array(areas).T))
    found = blend_scores(images).of(weights)
    assert best <= found.peaks[0] <= best + 0.05
    [table] = [fold_tables(blend_scores(images)._combined(images, weights), "dice", grid, 8, 1, 1).table(0)]
    assert found.peaks[0] == table.scores().max()


@pytest.mark.parametrize("method", ["greedy", "optuna"])
def test_a_clearly_better_member_gets_the_weight(method):
    chosen = choose_weights(blend_scores(images_of(one_is_better)), 2, method, 6, seed=0)
    assert chosen.adopted and chosen.weights[0] > 0.75
    assert "honest gain +" in chosen.reason


def test_weights_that_only_fit_noise_are_refused():
    refused = 0
    for seed in range(6):
        chosen = choose_weights(blend_scores(images_of(alike, count=3, seed=seed)), 3, "greedy", 6, seed=0)
        if not chosen.adopted:
            refused += 1
            assert chosen.weights == equal(3)
            assert chosen.candidate == equal(3) or "equal weights stay" in chosen.reason
    assert refused >= 5


def test_equal_weights_need_no_search():
    chosen = choose_weights(blend_scores(images_of(one_is_better)), 2, "equal", 6, seed=0)
    assert chosen.weights == chosen.candidate == (0.5, 0.5) and not chosen.adopted


class KnownScores:
    """Scores of two members: index k of `targets` (0: all folds, k: without fold k - 1) is best at its target."""

    def __init__(self, targets, gain, differences):
        self.folds = len(targets) - 1
        self.targets, self.gain, self.differences = targets, gain, np.array(differences)
        self.asked = []

    def of(self, weights):
        return VectorScores(np.array([near(target)(weights) for target in self.targets]), np.zeros(0))

    def honest(self, of_fold):
        self.asked.append(list(of_fold))
        searched = any(weights != equal(2) for weights in of_fold)
        return HonestScore(0.5 + self.gain * searched, 0.5 + self.differences * searched)


TARGETS = [(0.75, 0.25), (1.0, 0.0), (0.25, 0.75), (0.0, 1.0)]


def test_weights_are_those_of_all_folds_and_the_honest_score_that_of_the_others():
    scores = KnownScores(TARGETS, 0.2, (0.2, 0.2, 0.2))
    chosen = choose_weights(scores, 2, "greedy", 4, seed=0)
    assert chosen.weights == chosen.candidate == (0.75, 0.25) and chosen.adopted
    assert chosen.candidate_honest == 0.7
    assert scores.asked == [[equal(2)] * 3, TARGETS[1:]]


@pytest.mark.parametrize(
    ("gain", "differences", "adopted"),
    [
        # Differences of 0.1 and 0.3 have a deviation of 0.1414 and a standard error of 0.1.
        (0.101, (0.1, 0.3), True),
        (0.099, (0.1, 0.3), False),
        (0.25, (0.0, 0.5), False),  # the error itself
        (0.0, (0.0, 0.0), False),
        (-0.1, (-0.1, -0.1), False),
        # Differences of -0.1, 0.1 and 0.3 have a deviation of 0.2 and a standard error of 0.1155.
        (0.117, (-0.1, 0.1, 0.3), True),
        (0.114, (-0.1, 0.1, 0.3), False),
    ],
)
def test_a_gain_must_be_above_its_standard_error_over_the_folds(gain, differences, adopted):
    scores = KnownScores(TARGETS[: len(differences) + 1], gain, differences)
    chosen = choose_weights(scores, 2, "greedy", 4, seed=0)
    assert chosen.adopted is adopted
    reason = "over equal weights" if adopted else "is not positive" if gain <= 0 else "is within its standard error"
    assert f"honest gain {gain:+.4f}" in chosen.reason and reason in chosen.reason
    assert chosen.weights == ((0.75, 0.25) if adopted else equal(2))
    assert chosen.candidate == (0.75, 0.25)
