"""Exact tables of the `mask` and `triplet` rules, from cumulative histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskfold.compiled import compiled
from maskfold.metrics import PLANES, plane_values
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


@compiled
def _add_rows(bins: np.ndarray, gains: np.ndarray, out: np.ndarray) -> None:
    """out[bins[i]] += gains[i] for every map i; out: (bins, 255) int64."""
    for index in range(len(bins)):
        row = out[bins[index]]
        for bottom in range(gains.shape[1]):
            row[bottom] += gains[index, bottom]


@dataclass(frozen=True)
class Triplet:
    """A setting of the triplet rule and its score: thresholds 1..255 and the column of the area grid."""

    top: int
    column: int
    bottom: int
    score: float


def best_triplets(tables: Sequence[FoldTables], class_index: int, fold_sets: Sequence[Sequence[int]]) -> list[Triplet]:
    """The best (top, minimum area, bottom) of one class on each set of folds: all 255 x bins x 255 are looked at.

    One top threshold at a time, so that memory stays that of one table; of equal ones the lowest top wins.
    """
    metric, grid = tables[0].metric, tables[0].area_grid
    curves = [ClassCurves.of(table.curves.of_class(class_index), metric) for table in tables]
    whole = [table.table(class_index) for table in tables]
    sets = [_union([whole[fold] for fold in folds]) for folds in fold_sets]
    best = [Triplet(1, 0, 1, -1.0) for _ in fold_sets]
    for top in range(1, 256):
        sums = np.zeros((len(tables), len(PLANES[metric]), len(grid), 255), dtype=np.int64)
        for fold, of_fold in enumerate(curves):
            bins = np.searchsorted(grid, of_fold.predicted[:, top - 1], side="right") - 1
            for plane, gains in enumerate(of_fold.gains):
                _add_rows(bins, gains, sums[fold, plane])
        sums = sums[..., :top][:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
        for index, folds in enumerate(fold_sets):
            scores = sets[index].score_of(sums[list(folds)].sum(axis=0) + sets[index].blank[:, None, None])
            column, bottom = np.unravel_index(int(np.argmax(scores)), scores.shape)
            if scores[column, bottom] > best[index].score:
                best[index] = Triplet(top, int(column), int(bottom) + 1, float(scores[column, bottom]))
    return best


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
