"""The expected rule: against brute force over all cuts, and against full enumeration of the truths of small masks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.pixels.metrics import dice, iou
from maskfold.rules.applying import apply_rule, mask_threshold
from maskfold.rules.expected import LOG_ODDS_ONE
from maskfold.rules.rules import CALIBRATED_ONE, PRESENCE_SIGNS, ExpectedRule
from maskfold.rules.text import rule_text
from support.brute_force import KINDS, random_map

IDENTITY = tuple(round(level * CALIBRATED_ONE / 255) for level in range(256))


def random_calibration(rng):
    return (0, *np.sort(rng.integers(0, CALIBRATED_ONE + 1, 255)).tolist())


def brute_cut(prob, rule):
    """The best of all cuts, from the pixels of each; None for an empty mask."""
    chance = np.array(rule.calibration)[prob] / CALIBRATED_ONE
    expected = chance.sum()
    scores = {}
    for threshold in range(255, 0, -1):
        on = prob >= threshold
        overlap, weighted = chance[on].sum(), expected * rule.total_weight / 16
        both = on.sum() + weighted
        if both:
            scores[threshold] = 2 * overlap / both if rule.score == "dice" else overlap / (both - overlap)
    if expected == 0 or expected < rule.min_expected_px:
        return None, scores
    best = max(scores, key=scores.__getitem__)
    return (None if scores[best] * 1024 < rule.min_expected_score else best), scores


@pytest.mark.parametrize("score", ["dice", "iou"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_cut_is_the_best_of_all(kind, score):
    rng = np.random.default_rng(5)
    for _ in range(20):
        prob = random_map(kind, rng, int(rng.integers(1, 25)), int(rng.integers(1, 25)))
        rule = ExpectedRule(
            score=score,
            calibration=random_calibration(rng),
            total_weight=int(rng.choice([8, 16, 20])),
            min_expected_px=int(rng.integers(0, 60)),
            min_expected_score=int(rng.integers(0, 700)),
            min_area_px=0,
        )
        best, scores = brute_cut(prob, rule)
        mask = apply_rule(prob, rule)
        if best is None:
            assert not mask.any()
            continue
        # The same mask, or one of a score that floats cannot tell from it.
        threshold = min((int(prob[mask > 0].min()), 255))
        assert np.array_equal(mask, prob >= threshold)
        assert scores[threshold] == pytest.approx(scores[best], abs=1e-12)


def test_a_cut_by_hand():
    # Calibrated 1, 1/2, 1/4 for levels 200, 100, 50: E[T] = 1 + 1 + 1. Dice of the cuts: 2 * 1 / (1 + 3) = 0.5,
    # 2 * 2 / (3 + 3) = 0.667, 2 * 3 / (7 + 3) = 0.6. IoU: 1 / 3, 2 / 4, 3 / 7.
    prob = np.array([[200, 100, 100, 50, 50, 50, 50, 0]], np.uint8)
    calibration = np.zeros(256, int)
    calibration[50:], calibration[100:], calibration[200:] = 2**14, 2**15, 2**16
    rule = ExpectedRule(score="dice", calibration=tuple(calibration.tolist()), min_area_px=0)
    assert apply_rule(prob, rule).tolist() == [[1, 1, 1, 0, 0, 0, 0, 0]]
    # With half the weight of E[T]: 2 / 2.5, 4 / 4.5, 6 / 8.5. With four times: 2 / 13, 4 / 15, 6 / 19.
    for weight, area in ((8, 3), (64, 7)):
        assert apply_rule(prob, rule.model_copy(update={"total_weight": weight})).sum() == area
    for changes, area in (
        ({"min_expected_px": 3}, 3),
        ({"min_expected_px": 4}, 0),
        ({"min_expected_score": 682}, 3),  # 2 / 3 is 682.7 of 1024
        ({"min_expected_score": 683}, 0),
        ({"min_area_px": 3}, 3),
        ({"min_area_px": 4}, 0),
    ):
        assert apply_rule(prob, rule.model_copy(update=changes)).sum() == area, changes


def test_maps_of_one_level_and_calibrations_of_nothing():
    never = ExpectedRule(score="dice", calibration=(0,) * 256, min_area_px=0)
    rule = ExpectedRule(score="iou", calibration=IDENTITY, min_area_px=0)
    full = np.full((3, 4), 255, np.uint8)
    assert not apply_rule(full, never).any()
    assert apply_rule(full, rule).all() and not apply_rule(0 * full, rule).any()
    assert mask_threshold(full, rule) == 255 and mask_threshold(full // 100, rule) <= 2
    assert mask_threshold(0 * full, rule) == 255
    weights = (-LOG_ODDS_ONE, *(0,) * (1 + PRESENCE_SIGNS))
    unlikely = rule.model_copy(update={"presence": weights, "min_presence": 1024})
    assert not apply_rule(full, unlikely, 0.9).any() and mask_threshold(full, unlikely) == 255
    assert apply_rule(full // 100, rule).all()  # one level: all or nothing, and nothing scores 0


def test_impossible_calibrations_are_refused():
    for calibration in ((1,) * 256, (0, 5, 4, *[5] * 253), (0,) * 255, (0,) * 255 + (2**16 + 1,)):
        with pytest.raises(ValidationError):
            ExpectedRule(score="dice", calibration=calibration, min_area_px=0)


def test_in_words():
    rule = ExpectedRule(score="dice", calibration=IDENTITY, total_weight=20, min_expected_px=7, min_area_px=0)
    assert rule_text(rule) == "expected dice, ≥ 7 px expected, weight 1.25"


@pytest.mark.parametrize(
    ("name", "metric", "worst", "mean"), [("dice", dice, 0.02, 0.0005), ("iou", iou, 0.065, 0.002)]
)
def test_the_loss_of_the_approximation_on_masks_of_nine_pixels(name, metric, worst, mean):
    """Expectation of the score over all 512 truths of independent pixels, for the chosen cut and for the best one."""
    rng = np.random.default_rng(0)
    truths = np.array(list(product((0, 1), repeat=9)))
    rule = ExpectedRule(score=name, calibration=IDENTITY, min_area_px=0)
    losses = []
    for power in np.linspace(0.2, 4, 200):
        prob = np.rint(255 * rng.random(9) ** power).astype(np.uint8)
        chance = prob / 255
        weights = np.where(truths, chance, 1 - chance).prod(axis=1)

        def expected(mask, weights=weights):
            return float(weights @ metric(truths @ mask, mask.sum(), truths.sum(axis=1)))

        cuts = [expected((prob >= threshold).astype(int)) for threshold in np.unique(prob[prob > 0])]
        losses.append(max(cuts) - expected(apply_rule(prob.reshape(3, 3), rule).ravel().astype(int)))
    assert min(losses) >= -1e-12
    assert max(losses) < worst and np.mean(losses) < mean
