"""Score tables: the area grid, sums over shards, look-ups, and the choice of a setting."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import REPOSITORY
from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import PLANES, class_score
from maskfold.pixels.rle import decode
from maskfold.tuning.plateau import best_setting, choose
from maskfold.tuning.tables.score_tables import (
    FoldTables,
    ScoreTable,
    area_grid,
    total,
)
from maskfold.tuning.tables.table_filling import fold_tables
from support.brute_force import brute_areas
from support.oof_images import GRID, images


def test_area_grid():
    assert area_grid(300, 5, 1.5).tolist() == [0, 2, 3, 4, 5, 8, 12, 18, 27, 41, 62, 93, 140, 210, 300, 301]
    assert area_grid(3, 256, 1.05).tolist() == [0, 2, 3, 4]


@pytest.mark.parametrize("metric", list(PLANES))
def test_scores_equal_brute_force(metric):
    labelled = images(0)
    tables = fold_tables(labelled, metric, GRID, 8, 2, 2)
    rng = np.random.default_rng(5)
    for class_index in range(2):
        table = tables.table(class_index)
        for _ in range(15):
            threshold, min_area_px = int(rng.integers(1, 256)), int(rng.choice(GRID))
            areas = [
                brute_areas(image.oof.prob[class_index], image.truth[class_index], threshold, min_area_px)
                for image in labelled
            ]
            assert table.at(threshold, min_area_px) == class_score(metric, *np.array(areas).T)
        blank = [(0, 0, int(image.truth[class_index].sum())) for image in labelled]
        assert table.all_empty() == class_score(metric, *np.array(blank).T)
        assert table.at(1, int(GRID[-1])) == table.all_empty()


def test_shards_add_bit_for_bit_and_survive_the_disk(tmp_path):
    first, second = images(1), images(2)
    whole = fold_tables([*first, *second], "dice", GRID, 8, 2, 1)
    shards = fold_tables(first, "dice", GRID, 8, 2, 2)
    shards.add(fold_tables(second, "dice", GRID, 8, 2, 2))
    shards.save(tmp_path / "fold0.npz")
    loaded = FoldTables.load(tmp_path / "fold0.npz")
    for index in range(2):
        assert np.array_equal(loaded.table(index).sums, whole.table(index).sums)
        assert loaded.table(index).images == 16


@pytest.mark.parametrize("metric", list(PLANES))
def test_tables_of_unequal_folds_add_up_to_the_table_of_all_images(metric):
    folds = [images(seed, count) for seed, count in ((21, 1), (22, 9), (23, 4))]
    labelled = [image for fold in folds for image in fold]
    parts = [fold_tables(fold, metric, GRID, 8, 2, 1) for fold in folds]
    joined = FoldTables.empty(metric, GRID, 2, 1)
    for part in parts:
        joined.add(part)
    rng = np.random.default_rng(6)
    for class_index in range(2):
        true_areas = [int(image.truth[class_index].sum()) for image in labelled]
        blank = class_score(metric, *np.array([(0, 0, area) for area in true_areas]).T)
        settings = [(int(rng.integers(1, 256)), int(rng.choice(GRID))) for _ in range(8)]
        for table in (total([part.table(class_index) for part in parts]), joined.table(class_index)):
            assert (table.images, table.true_area) == (14, sum(true_areas))
            assert table.all_empty() == blank
            for threshold, area in settings:
                areas = [brute_areas(i.oof.prob[class_index], i.truth[class_index], threshold, area) for i in labelled]
                assert table.at(threshold, area) == class_score(metric, *np.array(areas).T)


def test_sums_of_two_tables_by_hand():
    first = ScoreTable("pooled_dice", np.array([0, 2]), np.full((2, 255, 2), 3), np.array([5, 7]), 2, 11)
    second = ScoreTable("pooled_dice", np.array([0, 2]), np.full((2, 255, 2), 4), np.array([1, 2]), 3, 20)
    both = first + second
    assert (both.images, both.true_area, both.blank.tolist()) == (5, 31, [6, 9])
    assert (both.sums == 7).all()
    assert both.scores()[0, 0] == 2 * 7 / (7 + 31)


@pytest.mark.parametrize(
    "other",
    [
        ScoreTable("iou", np.array([0, 2]), np.zeros((1, 255, 2), np.int64), np.zeros(1, np.int64), 1, 0),
        ScoreTable("dice", np.array([0, 3]), np.zeros((1, 255, 2), np.int64), np.zeros(1, np.int64), 1, 0),
    ],
    ids=["metric", "grid"],
)
def test_tables_that_differ_do_not_add(other):
    own = ScoreTable("dice", np.array([0, 2]), np.zeros((1, 255, 2), np.int64), np.zeros(1, np.int64), 1, 0)
    with pytest.raises(ValueError, match="do not add"):
        own + other
    own_fold, other_fold = (FoldTables.empty(each.metric, each.area_grid, 1, 1) for each in (own, other))
    with pytest.raises(ValueError, match="do not add"):
        own_fold.add(other_fold)


def test_gate_levels_add_up_to_the_whole():
    labelled = images(3, class_prob=True)
    tables = fold_tables(labelled, "dice", GRID, 8, 2, 1)
    levels = tables.gate_tables(0)
    assert len(levels) == 33
    assert np.array_equal(total(levels).sums, tables.table(0).sums)
    assert tables.images[0].sum() == len(labelled)


def test_areas_off_the_grid_are_refused():
    table = fold_tables(images(0), "dice", GRID, 8, 2, 1).table(0)
    assert table.at(128, 1) == table.at(128, 0)
    with pytest.raises(ValueError, match="not on the grid"):
        table.at(128, 33)


def made_table(scores, images_count=10):
    sums = np.rint(np.asarray(scores) * images_count * 2**40).astype(np.int64)[None]
    grid = np.array([0, *range(2, scores.shape[1] + 1)])
    return ScoreTable("dice", grid, sums, np.zeros(1, np.int64), images_count, 5)


def test_the_middle_of_a_plateau_is_chosen():
    scores = np.full((255, 60), 0.5)
    scores[99:150, 10:41] = 0.9  # a broad plateau
    scores[200, 50] = 0.8999  # a lone peak beside it, lower
    choice = choose([made_table(scores)])
    assert (choice.row, choice.column) in {(row, column) for row in range(114, 135) for column in (25,)}
    assert choice.score == pytest.approx(0.9)
    assert choice.plateau.sum() == 51 * 31
    assert best_setting(made_table(scores)) == (99, 10)


def test_a_lone_lucky_peak_loses_no_more_than_noise():
    rng = np.random.default_rng(0)
    base = np.full((255, 60), 0.5)
    base[90:160, 10:50] = 0.8
    folds = []
    for fold in range(4):
        scores = base + rng.normal(0, 0.003, base.shape) * (base > 0.6)
        scores[92, 12] = 0.8 + (0.02 if fold == 0 else 0.0)  # lucky in one fold only
        folds.append(made_table(scores))
    choice = choose(folds, noise_errors=1.5)
    assert choice.best_score - choice.score < 0.01
    assert choice.plateau.sum() > 100


SEVERSTAL = REPOSITORY.parent / "shared" / "data" / "severstal_labels" / "train.csv"


@pytest.mark.skipif(not SEVERSTAL.is_file(), reason="needs ../shared/data/severstal_labels, which is not here")
def test_real_severstal_masks_equal_brute_force():
    rng = np.random.default_rng(0)
    labelled = []
    for runs in pd.read_csv(SEVERSTAL, nrows=8)["EncodedPixels"]:
        truth = decode(runs, 256, 1600)
        blurred = cv2.GaussianBlur(truth * np.uint8(230), (0, 0), 4)
        prob = cv2.max(blurred, rng.integers(0, 40, truth.shape, dtype=np.uint8))
        labelled.append(LabelledOof(OofImage(str(len(labelled)), 0, prob[None], None), truth[None]))
    grid = area_grid(256 * 1600, 256, 1.05)
    table = fold_tables(labelled, "dice", grid, 8, 1, 2).table(0)
    for _ in range(25):
        threshold, area = int(rng.integers(1, 256)), int(rng.choice(grid))
        areas = [brute_areas(image.oof.prob[0], image.truth[0], threshold, area) for image in labelled]
        assert table.at(threshold, area) == class_score("dice", *np.array(areas).T)
