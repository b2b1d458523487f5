"""Exact tables of the `mask` and `triplet` rules, from cumulative histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskfold.compiled import compiled
from maskfold.metrics import FIXED_ONE, PLANES, plane_values
from maskfold.surface import Curves, FoldTables, ScoreTable


@dataclass(frozen=True)
class ClassCurves:
    """One class's maps on one fold, ready for look-ups.

    gate_level: (n,); predicted: (n, 255) px at the thresholds 1..255; gains: (planes, n, 255) int64, what the mask at a
    threshold adds to each plane over the blank prediction.
    """

    gate_level: np.ndarray
    predicted: np.ndarray
    gains: np.ndarray

    @classmethod
    def of(cls, curves: Curves, metric: str) -> ClassCurves:
        """From the curves of one class."""
        overlap, predicted = curves.areas()
        true_area = curves.true_area[:, None]
        gains = [
            plane_values(plane, overlap, predicted, true_area) - plane_values(plane, 0, 0, true_area)
            for plane in PLANES[metric]
        ]
        return cls(curves.gate_level, predicted, np.stack(gains))


def mask_tables(tables: FoldTables, class_index: int) -> list[ScoreTable]:
    """The tables of the `mask` rule for one class on one fold, one a gate level."""
    curves = ClassCurves.of(tables.curves.of_class(class_index), tables.metric)
    levels, planes, grid = tables.differences.shape[1], len(curves.gains), tables.area_grid
    steps = np.zeros((levels, planes, 255, len(grid)), dtype=np.int64)
    bins = np.searchsorted(grid, curves.predicted, side="right") - 1
    for plane in range(planes):
        np.add.at(steps[:, plane], (curves.gate_level[:, None], np.arange(255)[None], bins), curves.gains[plane])
    sums = steps[..., ::-1].cumsum(axis=-1)[..., ::-1] + tables.blank[class_index][:, :, None, None]
    numbers = zip(sums, *(array[class_index] for array in (tables.blank, tables.images, tables.true_area)), strict=True)
    return [
        ScoreTable(tables.metric, grid, table, blank, int(images), int(true_area))
        for table, blank, images, true_area in numbers
    ]


def triplet_table(tables: FoldTables, class_index: int, bottom: int) -> ScoreTable:
    """The table of the `triplet` rule of one class on one fold for one bottom threshold: rows are top thresholds."""
    curves = ClassCurves.of(tables.curves.of_class(class_index), tables.metric)
    bins = np.searchsorted(tables.area_grid, curves.predicted, side="right") - 1
    steps = np.zeros((len(curves.gains), 255, len(tables.area_grid)), dtype=np.int64)
    for plane, gains in enumerate(curves.gains):
        np.add.at(steps[plane], (np.arange(255)[None], bins), gains[:, bottom - 1, None])
    whole = tables.table(class_index)
    sums = steps[..., ::-1].cumsum(axis=-1)[..., ::-1] + whole.blank[:, None, None]
    sums[:, : bottom - 1] = whole.blank[:, None, None]  # a top below the bottom is no triplet
    return ScoreTable(tables.metric, tables.area_grid, sums, whole.blank, whole.images, whole.true_area)


@dataclass(frozen=True)
class Triplet:
    """A setting of the triplet rule and its score: thresholds 1..255 and the column of the area grid."""

    top: int
    column: int
    bottom: int
    score: float


def best_triplets(tables: Sequence[FoldTables], class_index: int, fold_sets: Sequence[Sequence[int]]) -> list[Triplet]:
    """The best (top, minimum area, bottom) of one class on each set of folds: all 255 x bins x 255 are looked at.

    One top threshold at a time, with the maps in falling order of their area there: as the minimum area shrinks they
    join one by one, and running sums hold the scores of all bottom thresholds.
    """
    metric, grid = tables[0].metric, tables[0].area_grid
    of_folds = [ClassCurves.of(table.curves.of_class(class_index), metric) for table in tables]
    fold_of_map = np.concatenate([np.full(len(curves.gate_level), k) for k, curves in enumerate(of_folds)])
    gains = np.concatenate([curves.gains for curves in of_folds], axis=1)
    predicted = np.concatenate([curves.predicted for curves in of_folds])
    whole = [table.table(class_index) for table in tables]
    sets = [_union([whole[fold] for fold in folds]) for folds in fold_sets]
    members = np.array([[fold in folds for fold in range(len(tables))] for folds in fold_sets], dtype=np.int64)
    blank = np.stack([union.blank for union in sets])
    true_area = np.array([union.true_area for union in sets])
    best = np.zeros((len(sets), 4))  # value, top, column, bottom
    best[:, 0] = -1
    for top in range(1, 256):
        bins = np.searchsorted(grid, predicted[:, top - 1], side="right") - 1
        order = np.argsort(-bins, kind="stable")
        _best_of_top(top, order, bins, fold_of_map, gains, members, blank, true_area, len(grid) - 1, best)
    scores = [
        value if metric == "pooled_dice" else value / (union.images * FIXED_ONE)
        for value, union in zip(best[:, 0], sets, strict=True)
    ]
    rows = zip(best[:, 1:].astype(int).tolist(), scores, strict=True)
    return [Triplet(top, column, bottom, float(score)) for (top, column, bottom), score in rows]


@compiled
def _best_of_top(
    top: int,
    order: np.ndarray,
    bins: np.ndarray,
    fold_of_map: np.ndarray,
    gains: np.ndarray,
    members: np.ndarray,
    blank: np.ndarray,
    true_area: np.ndarray,
    last_column: int,
    best: np.ndarray,
) -> None:
    """Improve `best` (sets, 4: value, top, column, bottom) by the settings of one top threshold.

    order: maps by falling bin; gains: (planes, maps, 255); members: (sets, folds) 0 or 1; blank: (sets, planes).
    """
    sets, folds = members.shape
    planes = len(gains)
    running = np.zeros((folds, planes, top), dtype=np.int64)
    of_set = np.zeros((planes, top), dtype=np.int64)
    joined = 0
    column = last_column
    while True:
        for one_set in range(sets):
            for plane in range(planes):
                for bottom in range(top):
                    of_set[plane, bottom] = blank[one_set, plane]
                for fold in range(folds):
                    if members[one_set, fold]:
                        for bottom in range(top):
                            of_set[plane, bottom] += running[fold, plane, bottom]
            for bottom in range(top):
                value = float(of_set[0, bottom])
                if planes == 2:
                    total = of_set[1, bottom] + true_area[one_set]
                    value = 2.0 * of_set[0, bottom] / total if total > 0 else 1.0
                if value > best[one_set, 0]:
                    best[one_set, 0] = value
                    best[one_set, 1] = top
                    best[one_set, 2] = column
                    best[one_set, 3] = bottom + 1
        if joined == len(order):
            return
        column = bins[order[joined]]
        while joined < len(order) and bins[order[joined]] == column:
            one_map = order[joined]
            for plane in range(planes):
                for bottom in range(top):
                    running[fold_of_map[one_map], plane, bottom] += gains[plane, one_map, bottom]
            joined += 1


def _union(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Counts and blank sums of several tables, without their settings."""
    first = tables[0]
    return ScoreTable(
        first.metric,
        first.area_grid,
        np.zeros((len(first.blank), 0, 0), dtype=np.int64),
        np.sum([table.blank for table in tables], axis=0),
        sum(table.images for table in tables),
        sum(table.true_area for table in tables),
    )
