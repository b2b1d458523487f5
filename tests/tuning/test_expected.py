"""The search for expected rules against the rules applied image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.config import TuningConfig
from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import class_score, fixed_scores, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.expected import LOG_ODDS_ONE, presence_signs
from maskfold.rules.rules import (
    DEFAULT_RULE,
    EMPTY_RULE,
    PRESENCE_SIGNS,
    SCORE_STEPS,
    ExpectedRule,
    HardGate,
    gate_level,
)
from maskfold.tuning.calibration import isotonic, level_counts
from maskfold.tuning.choice import choose_rule
from maskfold.tuning.expected import ExpectedSearch
from maskfold.tuning.gates import gated
from maskfold.tuning.limit_tables import WEIGHTS, limit_tables
from maskfold.tuning.presence import fit_presence
from maskfold.tuning.search import ClassSearch
from maskfold.tuning.study import memory_study
from maskfold.tuning.tables.table_filling import fold_tables
from support.oof_images import GRID, images

FOLDS = [images(seed, count=count, class_prob=True) for seed, count in ((51, 4), (52, 7), (53, 6))]


def areas_of(labelled, rule, gated=True):
    probs = [float(image.oof.class_prob[0]) if gated else None for image in labelled]
    return [
        mask_areas(apply_rule(image.oof.prob[0], rule, prob), image.truth[0])
        for image, prob in zip(labelled, probs, strict=True)
    ]


def tables_of(metric):
    return [fold_tables(labelled, metric, GRID, 8, 2, 1) for labelled in FOLDS]


@pytest.mark.parametrize("with_head", [False, True])
@pytest.mark.parametrize("metric", ["dice", "iou", "tgs_precision"])
def test_every_cell_is_what_its_rule_scores(metric, with_head):
    rng = np.random.default_rng(1)
    [table, *_] = tables_of(metric)
    calibration = (0, *np.sort(rng.integers(0, 2**16, 255)).tolist())
    weights = LOG_ODDS_ONE // 640 * rng.integers(-3, 4, PRESENCE_SIGNS + with_head)
    presence = (LOG_ODDS_ONE // 3, *weights.tolist())
    found = limit_tables(table, 0, calibration, presence)
    score = "dice" if metric == "dice" else "iou"
    for _ in range(40):
        row, gate = int(rng.integers(len(WEIGHTS))), int(rng.integers(0, 33))
        column, step = int(rng.integers(len(GRID))), int(rng.integers(SCORE_STEPS + 1))
        base = {"score": score, "calibration": calibration, "total_weight": WEIGHTS[row], "min_area_px": 0}
        base["gate"] = HardGate(min_class_prob=gate / 32)
        for levels, place, limits in (
            (found.area, column, {"min_expected_px": int(GRID[column])}),
            (found.score, step, {"min_expected_score": step}),
            (found.presence, step, {"min_presence": step, "presence": presence}),
        ):
            value = gated(levels, gate).scores()[row, place]
            assert value == class_score(metric, *np.array(areas_of(FOLDS[0], ExpectedRule(**base, **limits))).T)


@pytest.mark.parametrize("with_head", [False, True])
def test_presence_is_fitted_without_the_fold_it_is_applied_to(with_head):
    made = [images(seed, count=24, class_prob=with_head) for seed in (54, 55, 56)]
    folds = [[without_truth(one) if k % 3 == 0 else one for k, one in enumerate(fold)] for fold in made]
    tables = [fold_tables(labelled, "dice", GRID, 8, 2, 1) for labelled in folds]
    rule, score = ExpectedSearch(tables, 0, gated=with_head).best([0, 1, 2])[-1 - with_head]
    assert rule.gate is None and rule.presence is not None
    assert (
        len(rule.presence) == 1 + PRESENCE_SIGNS + with_head
        and not rule.min_expected_px
        and not rule.min_expected_score
    )
    counts = [level_counts(table, 0) for table in tables]
    areas = []
    for fold in range(3):
        others = [other for other in range(3) if other != fold]
        calibration = isotonic([counts[other] for other in others])
        neutral = ExpectedRule(score="dice", calibration=calibration, min_area_px=0)
        signs, gains = [], []
        for image in folds[others[0]] + folds[others[1]]:
            prob, truth = image.oof.prob[0], image.truth[0]
            if prob.any():  # blank maps have no histogram
                in_levels = np.bincount(prob.ravel(), minlength=256)[None]
                levels = np.array([gate_level(float(image.oof.class_prob[0]))]) if with_head else None
                signs.append(presence_signs(in_levels, np.array(calibration), "dice", levels)[0])
                found = mask_areas(apply_rule(prob, neutral), truth)
                gains.append(int(fixed_scores("dice", *found) - fixed_scores("dice", 0, 0, found[2])))
        changes = {"calibration": calibration, "presence": fit_presence(np.array(signs), np.array(gains))}
        areas += areas_of(folds[fold], rule.model_copy(update=changes), gated=with_head)
    assert score == class_score("dice", *np.array(areas).T)


def test_expected_scores_above_one_count_as_one():
    # All pixels are surely true: with half the weight of E[T] the expected Dice is 2 / 1.5.
    truth = np.ones((1, 4, 5), np.uint8)
    table = fold_tables([LabelledOof(OofImage("a", 0, 255 * truth, None), truth)], "dice", GRID, 8, 1, 1)
    found = limit_tables(table, 0, (0,) + (2**16,) * 255).score[0].scores()
    assert found.shape == (len(WEIGHTS), SCORE_STEPS + 1)
    assert (found[WEIGHTS.index(8)] == 1).all() and (found[WEIGHTS.index(16)] == 1).all()
    assert found[WEIGHTS.index(32)].tolist() == [1] * 683 + [0] * 342  # 2 / 3 is 682.7 of 1024


@pytest.mark.parametrize("folds", [[0, 1, 2], [0, 2], [1]])
def test_the_score_of_a_rule_has_each_fold_calibrated_by_the_others(folds):
    tables = tables_of("dice")
    counts = [level_counts(table, 0) for table in tables]
    for rule, score in ExpectedSearch(tables, 0, gated=True).best(folds):
        assert rule.calibration == isotonic([counts[fold] for fold in folds])
        areas = []
        for fold in folds:
            others = [counts[other] for other in folds if other != fold] or [counts[fold]]
            areas += areas_of(FOLDS[fold], rule.model_copy(update={"calibration": isotonic(others)}))
        assert score == class_score("dice", *np.array(areas).T)


def test_the_best_is_the_best_of_all_settings():
    tables = tables_of("iou")
    search = ExpectedSearch(tables, 0, gated=False)
    (area_rule, area_score), (score_rule, score_score) = search.best([1])
    own = isotonic([level_counts(tables[1], 0)])
    for limit, values, best, rule in (
        ("min_expected_px", GRID.tolist(), area_score, area_rule),
        ("min_expected_score", range(0, SCORE_STEPS + 1, 16), score_score, score_rule),
    ):
        scores = [
            class_score("iou", *np.array(areas_of(FOLDS[1], rule.model_copy(update={limit: value}))).T)
            for value in values
        ]
        assert max(scores) <= best and rule.calibration == own


def test_the_choice_is_the_best_of_the_exact_ones():
    tables = tables_of("dice")
    tuning = TuningConfig(rule="expected", trials=3)
    exact = ClassSearch(tables, 0, tuning).exact()
    assert [len(candidates) for candidates in exact] == [4] * 4  # two limits, each with a gate and without
    choice = choose_rule(tables, tuning, 0, memory_study())
    best = [max(candidates, key=lambda one: one.score).rule for candidates in exact]
    assert [choice.rule, *choice.without_fold] == best
    assert choice.plateau is None


@pytest.mark.parametrize("metric", ["pooled_dice", "f2"])
def test_metrics_without_a_cut_for_each_image_are_refused(metric):
    with pytest.raises(ValidationError, match=f"dice, iou, tgs_precision, not for {metric}; take rule auto"):
        TuningConfig(rule="expected", metric=metric)


def test_a_class_that_is_never_true_is_left_empty():
    for found, rule in ((FOLDS[0], EMPTY_RULE), ([faint(image) for image in FOLDS[0]], DEFAULT_RULE)):
        blank = [without_truth(image) for image in found]
        tables = [fold_tables(blank, "dice", GRID, 8, 2, 1)] * 2
        choice = choose_rule(tables, TuningConfig(rule="expected"), 0, memory_study())
        assert choice.rule == rule and choice.without_fold == (rule,) * 2


def without_truth(image):
    return replace(image, truth=0 * image.truth)


def faint(image):
    """Below the default's threshold, which then leaves all masks empty too."""
    return replace(image, oof=replace(image.oof, prob=image.oof.prob // 3))
