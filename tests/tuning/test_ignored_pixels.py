"""Ignored pixels in everything tuning computes: rules see the whole map, scores leave these pixels out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import PLANES, class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import ComponentRule, ExpectedRule, MaskRule, TripletRule
from maskfold.tuning.calibration import level_counts
from maskfold.tuning.limit_tables import WEIGHTS, limit_tables
from maskfold.tuning.mask_and_triplet import best_triplets, mask_tables, triplet_table
from maskfold.tuning.rule_areas import rule_areas
from maskfold.tuning.tables.score_tables import area_grid, total
from maskfold.tuning.tables.table_filling import fold_tables
from support.brute_force import brute_areas, random_map
from support.oof_images import GRID, images

METRICS = list(PLANES)


def labelled_images(seed, count=8):
    return images(seed, count, with_ignored=True)


def score(labelled, rule, metric):
    """The rule applied to whole maps, and only then the ignored pixels removed from mask and truth, by indexing."""
    areas = []
    for image in labelled:
        counted = image.ignored == 0
        mask, truth = apply_rule(image.oof.prob[0], rule)[counted], image.truth[0][counted]
        areas.append((int((mask & truth).sum()), int(mask.sum()), int(truth.sum())))
    return class_score(metric, *np.array(areas).T)


def test_the_random_images_have_ignored_pixels_of_every_kind():
    made = labelled_images(1) + labelled_images(2)
    predicted = sum(int((image.oof.prob[0][image.ignored > 0] > 0).sum()) for image in made)
    assert predicted > 100 and any(not image.ignored.any() for image in made)


def test_a_hand_counted_map():
    # One component of six pixels at level 50, two of them ignored; one of two at level 90, one of them ignored.
    prob = np.array([[50, 50, 50, 0, 90], [50, 50, 50, 0, 90]], np.uint8)
    truth = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], np.uint8)
    ignored = np.array([[0, 0, 1, 0, 0], [0, 0, 1, 0, 1]], np.uint8)
    image = LabelledOof(OofImage("a", 0, prob[None], None), truth[None], ignored)
    grid = area_grid(prob.size, 10, 1.5)
    table = fold_tables([image], "pooled_dice", grid, 8, 1, 1).table(0)
    assert table.true_area == 3
    found = {
        (level, area): table.sums[:, level - 1, list(grid).index(area)].tolist()
        for level in (50, 90)
        for area in (0, 2, 3, 6, 7)
    }
    # (intersection, predicted): the minimum area goes by six and two pixels, the score by four and one.
    assert found[50, 0] == found[50, 2] == [3, 5]
    assert found[50, 3] == found[50, 6] == [2, 4]
    assert found[50, 7] == [0, 0]
    assert found[90, 0] == found[90, 2] == [1, 1]
    assert found[90, 3] == [0, 0]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_every_setting_of_the_component_rule_equals_brute_force(connectivity):
    rng = np.random.default_rng(connectivity)
    grid = area_grid(9 * 10, 90, 1.5)
    made = []
    for number, kind in enumerate(("noise", "blobs", "few levels", "full")):
        prob, ignored = random_map(kind, rng, 9, 10), (rng.random((9, 10)) < 0.4).astype(np.uint8)
        truth = (random_map("blobs", rng, 9, 10) > 60).astype(np.uint8) * (1 - ignored)
        made.append(LabelledOof(OofImage(str(number), 0, prob[None], None), truth[None], ignored))
    table = fold_tables(made, "dice", grid, connectivity, 1, 1).table(0)
    for threshold in range(1, 256):
        for area in grid.tolist():
            areas = [brute_areas(i.oof.prob[0], i.truth[0], threshold, area, connectivity, i.ignored) for i in made]
            assert table.at(threshold, area) == class_score("dice", *np.array(areas).T)


@pytest.mark.parametrize("metric", METRICS)
def test_tables_of_all_rules_equal_the_rules_applied_alone(metric):
    labelled = labelled_images(61)
    tables = fold_tables(labelled, metric, GRID, 8, 2, 2)
    masks, rng = total(mask_tables(tables, 0)), np.random.default_rng(1)
    for _ in range(12):
        threshold, area = int(rng.integers(1, 256)), int(rng.choice(GRID))
        settings = {"threshold": threshold, "min_area_px": area}
        assert tables.table(0).at(threshold, area) == score(labelled, ComponentRule(**settings), metric)
        assert masks.at(threshold, area) == score(labelled, MaskRule(**settings), metric)
        bottom = int(rng.integers(1, threshold + 1))
        rule = TripletRule(top_threshold=threshold, min_area_px=area, bottom_threshold=bottom)
        assert triplet_table(tables, 0, bottom).at(threshold, area) == score(labelled, rule, metric)
    [best] = best_triplets([tables], 0, [[0]])
    rule = TripletRule(top_threshold=best.top, min_area_px=int(GRID[best.column]), bottom_threshold=best.bottom)
    assert best.score == score(labelled, rule, metric)


@pytest.mark.parametrize("metric", ["dice", "iou"])
def test_expected_cuts_see_the_whole_map(metric):
    labelled, rng = labelled_images(62), np.random.default_rng(2)
    calibration = (0, *np.sort(rng.integers(0, 2**16, 255)).tolist())
    found = total(limit_tables(fold_tables(labelled, metric, GRID, 8, 2, 1), 0, calibration).area).scores()
    for _ in range(30):
        row, column = int(rng.integers(len(WEIGHTS))), int(rng.integers(len(GRID)))
        limit = int(GRID[column])
        rule = ExpectedRule(
            score=metric, calibration=calibration, total_weight=WEIGHTS[row], min_expected_px=limit, min_area_px=0
        )
        assert found[row, column] == score(labelled, rule, metric)


def test_calibration_counts_labelled_pixels_alone():
    labelled = labelled_images(63)
    counts = level_counts(fold_tables(labelled, "dice", GRID, 8, 2, 1), 1)
    prob = np.concatenate([image.oof.prob[1][image.ignored == 0] for image in labelled])
    truth = np.concatenate([image.truth[1][image.ignored == 0] for image in labelled])
    assert counts[0, 1:].tolist() == np.bincount(prob, minlength=256)[1:].tolist()
    assert counts[1, 1:].tolist() == np.bincount(prob[truth > 0], minlength=256)[1:].tolist()


def test_areas_of_many_rules_equal_each_alone():
    rules = [
        ComponentRule(threshold=60, min_area_px=9),
        MaskRule(threshold=60, min_area_px=30),
        ComponentRule(threshold=60, min_area_px=3, largest_k=1, fill_holes=True),
    ]
    labelled = labelled_images(64, count=20)
    for image, (_, areas) in zip(labelled, rule_areas(labelled, [rules, rules], 30 * 40, 2), strict=True):
        for index, (prob, truth) in enumerate(zip(image.oof.prob, image.truth, strict=True)):
            expected = [mask_areas(apply_rule(prob, rule), truth, image.ignored) for rule in rules]
            assert areas[index].tolist() == [list(row) for row in expected]


def test_ignoring_no_pixel_changes_nothing():
    plain = images(65)
    nothing = [dataclasses.replace(image, ignored=np.zeros_like(image.truth[0])) for image in plain]
    first, second = (fold_tables(labelled, "dice", GRID, 8, 2, 1) for labelled in (plain, nothing))
    for index in range(2):
        assert np.array_equal(first.table(index).sums, second.table(index).sums)
        chunks = zip(first.histograms.chunks(index), second.histograms.chunks(index), strict=True)
        for one, other in chunks:
            assert np.array_equal(one["histograms"], other["histograms"][:, :2])
            assert not other["histograms"][:, 2].any()
