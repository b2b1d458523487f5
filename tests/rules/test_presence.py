"""The signs of presence by hand, and the limit on it."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.rules.applying import apply_rule
from maskfold.rules.expected import LOG_ODDS_ONE, presence_signs, presence_steps
from maskfold.rules.rules import CALIBRATED_ONE, PRESENCE_SIGNS, ExpectedRule
from maskfold.rules.text import rule_text

# Levels 50, 100, 200 are true in 1/4, 1/2 and 3/4 of the pixels.
CALIBRATION = np.zeros(256, np.int64)
CALIBRATION[50:], CALIBRATION[100:], CALIBRATION[200:] = 2**14, 2**15, 3 * 2**14
PROB = np.array([[200, 200, 200, 200, 100, 100, 50, 50, 0, 0]], np.uint8)


def signs_of(prob, score="dice"):
    return presence_signs(np.bincount(prob.ravel(), minlength=256)[None], CALIBRATION, score)[0]


def log_odds(prob):
    return np.log(prob / (1 - prob))


@pytest.mark.parametrize(("score", "best"), [("dice", 2 * 4 / (6 + 4.5)), ("iou", 4 / (6 + 4.5 - 4))])
def test_signs_by_hand(score, best):
    # 4 * 3/4 + 2 * 1/2 + 2 * 1/4 = 4.5 px expected. The best cut is at 100: 6 px, 4 of them expected to be true.
    expected, worth = np.log2(5.5), log_odds(best)
    areas = [np.log2(1 + area) for area in (8, 6, 4, 4)]  # above 32, 64, 128, 192
    hand = [expected, 200 / 64, log_odds(0.75), *areas, worth, expected**2, worth**2]
    assert signs_of(PROB, score).tolist() == np.rint(64 * np.array(hand)).astype(int).tolist()


def test_the_lowest_level_counts_as_expected_area_too():
    # Of 3 px at level 1 and 1 px at level 2, both true in 1/4, one is expected; the best cut is at 1: 2 / (4 + 1).
    calibration = np.r_[0, np.full(255, 2**14)]
    prob = np.array([[1, 1, 1, 2, 0, 0]], np.uint8)
    found = presence_signs(np.bincount(prob.ravel(), minlength=256)[None], calibration, "dice")[0]
    worth = log_odds(0.4)
    hand = [1, 2 / 64, log_odds(0.25), 0, 0, 0, 0, worth, 1, worth**2]
    assert found.tolist() == np.rint(64 * np.array(hand)).astype(int).tolist()
    for limit, area in ((1, 4), (2, 0)):
        rule = ExpectedRule(score="dice", calibration=tuple(calibration), min_expected_px=limit, min_area_px=0)
        assert apply_rule(prob, rule).sum() == area


def test_the_classification_head_is_one_sign_more():
    counts = np.bincount(PROB.ravel(), minlength=256)[None]
    for level, odds in ((0, 0.5 / 32.5), (16, 1), (32, 32.5 / 0.5)):
        found = presence_signs(counts, CALIBRATION, "dice", np.array([level]))[0]
        assert found.tolist() == [*signs_of(PROB), round(64 * np.log(odds))]


def test_a_rule_that_knows_the_head_needs_its_probability():
    weights = (0, *(0,) * PRESENCE_SIGNS, LOG_ODDS_ONE // 64)  # the head alone
    rule = ExpectedRule(
        score="dice", calibration=tuple(CALIBRATION.tolist()), presence=weights, min_presence=512, min_area_px=0
    )
    assert apply_rule(PROB, rule, 0.5).sum() == 6 and apply_rule(PROB, rule, 0.4).sum() == 0
    for wrong in (None, float("nan"), 1.5):
        with pytest.raises(ValueError, match="classification probability"):
            apply_rule(PROB, rule, wrong)


def test_a_step_is_reached_at_its_probability():
    signs = np.zeros((1, PRESENCE_SIGNS), np.int64)
    for step in (1, 2, 300, 512, 1023):
        constant = LOG_ODDS_ONE * log_odds(step / 1024)
        for shift, found in ((1, step), (-1, step - 1)):
            weights = (round(constant + shift), *(0,) * PRESENCE_SIGNS)
            assert presence_steps(signs, weights).tolist() == [found]


def test_a_mask_below_the_limit_is_empty():
    weights = [0] * (1 + PRESENCE_SIGNS)
    weights[2] = LOG_ODDS_ONE // 64  # the highest level alone: 200 / 64 is odds of exp(3.125)
    step = int(1024 / (1 + np.exp(-3.125)))
    base = {"score": "dice", "calibration": tuple(CALIBRATION.tolist()), "presence": tuple(weights), "min_area_px": 0}
    for limit, area in ((0, 6), (step, 6), (step + 1, 0), (1024, 0)):
        rule = ExpectedRule(**base, min_presence=limit)
        assert apply_rule(PROB, rule).sum() == area
    assert rule_text(ExpectedRule(**base, min_presence=512)) == "expected dice, presence ≥ 0.50"


def test_many_maps_have_the_signs_of_each():
    rng = np.random.default_rng(0)
    calibration = np.sort(rng.integers(0, CALIBRATED_ONE, 256))
    counts = rng.integers(0, 3, (37, 256)) * (rng.random((37, 256)) < 0.1)
    together = presence_signs(counts, calibration, "iou")
    assert together.tolist() == [presence_signs(one[None], calibration, "iou")[0].tolist() for one in counts]


def test_a_limit_needs_weights():
    base = {"score": "dice", "calibration": tuple(CALIBRATION.tolist()), "min_area_px": 0}
    for wrong in ({"min_presence": 5}, {"presence": (0,) * PRESENCE_SIGNS}, {"presence": (2**43,) + (0,) * 10}):
        with pytest.raises(ValidationError, match="presence"):
            ExpectedRule(**base, **wrong)


def test_weights_have_room_up_to_a_limit_on_either_side():
    base = {"score": "dice", "calibration": tuple(CALIBRATION.tolist()), "min_area_px": 0}
    for edge in (2**42, -(2**42)):
        assert ExpectedRule(**base, presence=(edge,) * 11).presence == (edge,) * 11
        with pytest.raises(ValidationError, match="presence"):
            ExpectedRule(**base, presence=(0,) * 10 + (edge + (1 if edge > 0 else -1),))


@pytest.mark.parametrize(("sign", "level"), [(3, 32), (4, 64), (5, 128), (6, 192)])
def test_a_level_counts_as_above_from_itself_on(sign, level):
    three = np.full((1, 3), level, np.uint8)
    assert signs_of(three)[sign] == 64 * 2  # log2(1 + 3)
    assert signs_of(three - 1)[sign] == 0
