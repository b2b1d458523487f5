"""The tables of the mask and triplet rules equal the rules applied one setting at a time."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.pixels.metrics import PLANES, class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import MaskRule, TripletRule
from maskfold.tuning.mask_and_triplet import (
    _top_blocks,
    best_triplets,
    mask_tables,
    triplet_table,
)
from maskfold.tuning.tables import map_histograms
from maskfold.tuning.tables.score_tables import total
from maskfold.tuning.tables.table_filling import fold_tables
from support.oof_images import GRID, images


def score(labelled, rule, metric):
    areas = [mask_areas(apply_rule(image.oof.prob[0], rule), image.truth[0]) for image in labelled]
    return class_score(metric, *np.array(areas).T)


@pytest.mark.parametrize("metric", list(PLANES))
def test_mask_table(metric):
    labelled = images(11)
    table = total(mask_tables(fold_tables(labelled, metric, GRID, 8, 2, 1), 0))
    rng = np.random.default_rng(0)
    for _ in range(20):
        threshold, area = int(rng.integers(1, 256)), int(rng.choice(GRID))
        assert table.at(threshold, area) == score(labelled, MaskRule(threshold=threshold, min_area_px=area), metric)


@pytest.mark.parametrize("metric", ["dice", "f0.5", "f2", "pooled_dice", "miou", "pooled_f0.5"])
def test_triplets(metric):
    folds = [images(12), images(13)]
    tables = [fold_tables(labelled, metric, GRID, 8, 2, 1) for labelled in folds]
    rng = np.random.default_rng(0)
    for _ in range(10):
        bottom, top = sorted(rng.integers(1, 256, 2).tolist())
        area = int(rng.choice(GRID))
        rule = TripletRule(top_threshold=top, min_area_px=area, bottom_threshold=bottom)
        assert triplet_table(tables[0], 0, bottom).at(top, area) == score(folds[0], rule, metric)
    both, alone = best_triplets(tables, 0, [[0, 1], [1]])
    for best, labelled in ((both, folds[0] + folds[1]), (alone, folds[1])):
        rule = TripletRule(top_threshold=best.top, min_area_px=int(GRID[best.column]), bottom_threshold=best.bottom)
        assert best.score == score(labelled, rule, metric)
    for bottom in range(1, 256, 9):
        scores = total([triplet_table(table, 0, bottom) for table in tables]).scores()
        assert scores.max() <= both.score


@pytest.mark.parametrize("metric", ["dice", "f0.5", "f2", "pooled_dice", "miou", "pooled_f0.5"])
def test_best_triplets_are_the_first_best_of_all_settings(metric):
    tables = [fold_tables(images(seed), metric, GRID, 8, 2, 1) for seed in (14, 15, 16)]
    fold_sets = [[0, 1, 2], [1, 2]]
    of_bottom = [[triplet_table(table, 1, bottom) for table in tables] for bottom in range(1, 256)]
    for folds, best in zip(fold_sets, best_triplets(tables, 1, fold_sets), strict=True):
        scores = np.stack([total([by_fold[fold] for fold in folds]).scores() for by_fold in of_bottom])
        assert best.score == scores.max()
        # Of equal ones that of the lowest top, then of the largest area, then of the lowest bottom.
        bottoms, tops, columns = np.nonzero(scores == scores.max())
        assert min(zip(tops + 1, -columns, bottoms + 1, strict=True)) == (best.top, -best.column, best.bottom)


def test_neither_blocks_nor_chunks_change_anything(monkeypatch):
    found = []
    for chunk_maps, block_bytes in ((256, 2**27), (256, 2**24), (5, 2**27), (3, 1)):
        monkeypatch.setattr(map_histograms, "CHUNK_MAPS", chunk_maps)
        tables = [fold_tables(images(seed, count=20), "dice", GRID, 8, 2, 1) for seed in (17, 18)]
        triplets = best_triplets(tables, 0, [[0, 1], [0], [1]], block_bytes)
        found.append((triplets, mask_tables(tables[0], 0)[0].sums.tobytes()))
    assert len(set(map(str, found))) == 1


@pytest.mark.parametrize("pairs", [0, 1, 255, 8224, 255 * 255])
def test_blocks_of_tops_cover_all_within_the_memory(pairs):
    blocks = list(_top_blocks(pairs))
    assert [top for first, last in blocks for top in range(first, last + 1)] == list(range(1, 256))
    assert all(first == last or (last + 1 - first) * last <= pairs for first, last in blocks)
    assert len(blocks) == {0: 255, 8224: 5, 255 * 255: 1}.get(pairs, len(blocks))
