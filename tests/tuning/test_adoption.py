"""The tuned rule, the default, or nothing: by hand, and honestly."""

import numpy as np
import pytest

from maskfold.pixels.metrics import class_score
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import EMPTY_RULE
from maskfold.rules.text import rule_text
from maskfold.tuning.adoption import adopt


def areas_of(rows):
    return np.array(rows, dtype=np.int64)


HALF = (5, 10, 10)  # Dice 0.5
FALSE = (0, 10, 0)  # a false alarm: 0
RIGHT = (0, 0, 0)  # rightly empty: 1
MISSED = (0, 0, 10)  # 0


def test_always_empty_is_adopted_where_it_scores_best():
    folds = np.repeat([0, 1], 25)
    honest = areas_of([HALF, FALSE, FALSE, RIGHT, RIGHT] * 10)  # 0.5
    default = areas_of([(10, 10, 10), FALSE, FALSE, FALSE, FALSE] * 10)  # 0.2
    adoption = adopt("dice", default, honest, honest, folds)  # nothing: 0.8
    assert adoption.used == "empty"
    assert "always empty scores 0.8000, more than the 0.5000" in adoption.reason
    assert class_score("dice", *adoption.honest.T) == class_score("dice", *adoption.areas.T) == 0.8
    shown = areas_of([HALF] * 50)  # every image shows the class, as in people tasks
    assert adopt("dice", areas_of([MISSED] * 50), shown, shown, folds).used == "tuned"


def test_always_empty_is_not_adopted_for_a_gain_within_noise():
    # Nothing gains -0.5, 1, 1, 0 and 0: 0.3 in the mean, with a deviation of 0.6; 2 standard errors are 0.38 of ten
    # images, and 0.17 of fifty.
    rows = [HALF, FALSE, FALSE, RIGHT, RIGHT]
    for times, used in ((2, "tuned"), (10, "empty")):
        honest, default = areas_of(rows * times), areas_of([MISSED, FALSE, FALSE, FALSE, FALSE] * times)
        assert adopt("dice", default, honest, honest, np.arange(len(honest)) % 2).used == used


def test_the_honest_score_adopts_for_each_fold_on_the_others():
    folds = np.repeat([0, 1], 20)
    default = areas_of([MISSED, *[FALSE] * 19] * 2)
    # Fold 0: 0.5 + 9 of 20 for the rule, 19 of 20 for nothing. Fold 1: 20 times 0.5, and nothing.
    honest = areas_of([HALF, *[FALSE] * 10, *[RIGHT] * 9, *[HALF] * 20])
    default[20:] = MISSED
    tuned = areas_of([HALF, *[RIGHT] * 19, *[HALF] * 20])
    adoption = adopt("dice", default, tuned, honest, folds)
    # All folds: 19.5 of 40 for the rule and 19 for nothing; honestly fold 0 takes the rule and fold 1 nothing.
    assert adoption.used == "tuned"
    assert class_score("dice", *adoption.areas.T) == pytest.approx(29.5 / 40)
    assert class_score("dice", *adoption.honest.T) == pytest.approx(9.5 / 40)
    assert adoption.honest[20:].tolist() == [list(MISSED)] * 20


def test_a_rule_that_loses_where_it_was_tuned_is_not_used():
    # The rules of the folds are right about nine images of ten, that of all folds sees false alarms in five of them:
    # always empty gains 1 in five images and loses 0.5 in one, 0.45 in the mean, with a noise of 0.36.
    folds, honest = np.repeat([0, 1], 5), areas_of([RIGHT] * 9 + [HALF])  # 0.95
    tuned = areas_of([FALSE] * 5 + [RIGHT] * 4 + [HALF])
    adoption = adopt("dice", areas_of([FALSE] * 9 + [MISSED]), tuned, honest, folds)
    assert adoption.used == "empty"
    assert "scores 0.4500 on the images it was tuned on, less than the 0.9000 of always empty" in adoption.reason
    assert class_score("dice", *adoption.areas.T) == 0.9
    full = (10, 10, 10)
    shown = adopt("dice", areas_of([HALF] * 10), areas_of([MISSED] * 10), areas_of([full] * 10), folds)
    assert shown.used == "default" and "less than the 0.5000 of the default" in shown.reason


def test_the_default_stays_where_nothing_is_better():
    folds = np.array([0, 1])
    rows = areas_of([HALF, HALF])
    assert adopt("dice", rows, rows, rows, folds).used == "default"


def test_masks_are_empty_where_no_image_shows_the_class_and_the_default_would_see_it():
    folds, right = np.array([0, 1]), areas_of([RIGHT, RIGHT])
    adoption = adopt("dice", areas_of([FALSE, FALSE]), right, right, folds)
    assert adoption.used == "empty" and "no image shows this class" in adoption.reason
    assert class_score("dice", *adoption.areas.T) == class_score("dice", *adoption.honest.T) == 1
    adoption = adopt("dice", right, right, right, folds)
    assert adoption.used == "default" and "as good" in adoption.reason


def test_the_empty_rule_is_always_empty():
    assert not apply_rule(np.full((64, 64), 255, np.uint8), EMPTY_RULE).any()
    assert rule_text(EMPTY_RULE) == "always empty"
