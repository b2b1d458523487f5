"""The tables of the mask and triplet rules equal the rules applied one setting at a time."""

from __future__ import annotations

import numpy as np
import pytest
from test_surface import GRID, images

from maskfold.metrics import PLANES, class_score, mask_areas
from maskfold.postprocess import MaskRule, TripletRule, apply_rule
from maskfold.rule_tables import best_triplets, mask_tables, triplet_table
from maskfold.surface import total
from maskfold.tables import fold_tables


def score(judged, rule, metric):
    areas = [mask_areas(apply_rule(image.oof.prob[0], rule), image.truth[0]) for image in judged]
    return class_score(metric, *np.array(areas).T)


@pytest.mark.parametrize("metric", list(PLANES))
def test_mask_table(metric):
    judged = images(11)
    table = total(mask_tables(fold_tables(judged, metric, GRID, 8, 2, 1), 0))
    rng = np.random.default_rng(0)
    for _ in range(20):
        threshold, area = int(rng.integers(1, 256)), int(rng.choice(GRID))
        assert table.at(threshold, area) == score(judged, MaskRule(threshold=threshold, min_area_px=area), metric)


@pytest.mark.parametrize("metric", ["dice", "pooled_dice"])
def test_triplets(metric):
    folds = [images(12), images(13)]
    tables = [fold_tables(judged, metric, GRID, 8, 2, 1) for judged in folds]
    rng = np.random.default_rng(0)
    for _ in range(10):
        bottom, top = sorted(rng.integers(1, 256, 2).tolist())
        area = int(rng.choice(GRID))
        rule = TripletRule(top_threshold=top, min_area_px=area, bottom_threshold=bottom)
        assert triplet_table(tables[0], 0, bottom).at(top, area) == score(folds[0], rule, metric)
    both, alone = best_triplets(tables, 0, [[0, 1], [1]])
    for best, judged in ((both, folds[0] + folds[1]), (alone, folds[1])):
        rule = TripletRule(top_threshold=best.top, min_area_px=int(GRID[best.column]), bottom_threshold=best.bottom)
        assert best.score == score(judged, rule, metric)
    for bottom in range(1, 256, 9):
        scores = total([triplet_table(table, 0, bottom) for table in tables]).scores()
        assert scores.max() <= both.score
