"""Exact tables of the `mask` and `triplet` rules, from cumulative histograms that stream from disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from maskfold.execution.compiled import compiled
from maskfold.pixels.metrics import FIXED_ONE, PLANES, POOLED, plane_sum, pooled_form
from maskfold.tuning.tables.score_tables import FoldTables, ScoreTable

# Adding up triplets takes five passes over the maps of Severstal's folds with this much memory; more gains nothing.
_BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class MapGains:
    """Some maps of one class on one fold, ready for look-ups.

    gate_level: (n,) int64; column: (n, 255) int64, the largest minimum area of the grid that a map's area at the
    thresholds 1..255 reaches; gains: (planes, n, 255) int64, what the mask at a threshold adds to each plane over the
    blank prediction.
    """

    gate_level: np.ndarray
    column: np.ndarray
    gains: np.ndarray


def map_gains(tables: FoldTables, class_index: int) -> Iterator[MapGains]:
    """The maps of one class on one fold, a chunk at a time."""
    planes = np.array(PLANES[tables.metric])
    for records in tables.histograms.chunks(class_index):
        column = np.empty((len(records), 255), dtype=np.int64)
        gains = np.empty((len(planes), len(records), 255), dtype=np.int64)
        histograms = np.ascontiguousarray(records["histograms"])
        true_area = records["true_area"].astype(np.int64)
        _look_up(histograms, true_area, planes, tables.area_grid, column, gains)
        yield MapGains(records["gate_level"].astype(np.int64), column, gains)


@compiled
def _look_up(
    histograms: np.ndarray,
    true_area: np.ndarray,
    planes: np.ndarray,
    grid: np.ndarray,
    column: np.ndarray,
    gains: np.ndarray,
) -> None:
    """Fill `column` and `gains` of `MapGains`; histograms: (n, 2 or 3, 256) int32.

    Ignored pixels count for the minimum area, but not for the score.
    """
    for one_map in range(len(histograms)):
        predicted = 0
        overlap = 0
        ignored = 0
        reached = 0
        for level in range(255, 0, -1):
            predicted += histograms[one_map, 0, level]
            overlap += histograms[one_map, 1, level]
            if histograms.shape[1] == 3:
                ignored += histograms[one_map, 2, level]
            while reached + 1 < len(grid) and grid[reached + 1] <= predicted:
                reached += 1
            column[one_map, level - 1] = reached
            for index, plane in enumerate(planes):
                value = plane_sum(plane, overlap, predicted - ignored, true_area[one_map])
                gains[index, one_map, level - 1] = value - plane_sum(plane, 0, 0, true_area[one_map])


def mask_tables(tables: FoldTables, class_index: int) -> list[ScoreTable]:
    """The tables of the `mask` rule for one class on one fold, one a gate level."""
    _, levels, planes, _, columns = tables.differences.shape
    steps = np.zeros((levels, planes, 255, columns), dtype=np.int64)
    for maps in map_gains(tables, class_index):
        _add_steps(maps.gate_level, maps.column, maps.gains, steps)
    sums = _sums_from_right(steps) + tables.blank[class_index][:, :, None, None]
    numbers = zip(sums, *(array[class_index] for array in (tables.blank, tables.images, tables.true_area)), strict=True)
    return [
        ScoreTable(tables.metric, tables.area_grid, table, blank, int(images), int(true_area))
        for table, blank, images, true_area in numbers
    ]


def triplet_table(tables: FoldTables, class_index: int, bottom: int) -> ScoreTable:
    """The table of the `triplet` rule of one class on one fold for one bottom threshold: rows are top thresholds."""
    _, _, planes, _, columns = tables.differences.shape
    steps = np.zeros((1, planes, 255, columns), dtype=np.int64)
    for maps in map_gains(tables, class_index):
        gains = np.repeat(maps.gains[:, :, bottom - 1, None], 255, axis=2)
        _add_steps(np.zeros_like(maps.gate_level), maps.column, gains, steps)
    whole = tables.table(class_index)
    sums = _sums_from_right(steps[0]) + whole.blank[:, None, None]
    sums[:, : bottom - 1] = whole.blank[:, None, None]  # a top below the bottom is no triplet
    return ScoreTable(tables.metric, tables.area_grid, sums, whole.blank, whole.images, whole.true_area)


@compiled
def _add_steps(gate_level: np.ndarray, column: np.ndarray, gains: np.ndarray, steps: np.ndarray) -> None:
    """Add the maps of a `MapGains` to (gate levels, planes, 255, columns) int64, each in the column of its area."""
    for one_map, level in enumerate(gate_level):
        for plane in range(len(gains)):
            for row in range(255):
                steps[level, plane, row, column[one_map, row]] += gains[plane, one_map, row]


def _sums_from_right(steps: np.ndarray) -> np.ndarray:
    """What a minimum area keeps: the maps in its column and in those of all larger areas."""
    return steps[..., ::-1].cumsum(axis=-1)[..., ::-1]


@dataclass(frozen=True)
class Triplet:
    """A setting of the triplet rule and its score: thresholds 1..255 and the column of the area grid."""

    top: int
    column: int
    bottom: int
    score: float


def best_triplets(
    tables: Sequence[FoldTables],
    class_index: int,
    fold_sets: Sequence[Sequence[int]],
    block_bytes: int = _BLOCK_BYTES,
) -> list[Triplet]:
    """The best (top, minimum area, bottom) of one class on each set of folds: all 255 x bins x 255 are looked at.

    A block of top thresholds at a time: gains of all maps add up by fold, top, column of their area there, and bottom;
    running sums from the last column down then hold the scores of all settings. block_bytes: memory for these sums,
    exceeded where a single top needs more; the maps are read once a block.
    """
    metric = tables[0].metric
    whole = [table.table(class_index) for table in tables]
    sets = [_union([whole[fold] for fold in folds]) for folds in fold_sets]
    members = np.array([[fold in folds for fold in range(len(tables))] for folds in fold_sets])
    blank = np.stack([union.blank for union in sets])
    true_area = np.array([union.true_area for union in sets])
    form = pooled_form(metric) if metric in POOLED else (0, 0, 0, 0)
    best = np.zeros((len(sets), 4))  # value, top, column, bottom
    best[:, 0] = -1
    pair_bytes = 8 * len(tables) * len(PLANES[metric]) * len(tables[0].area_grid)
    for first, last in _top_blocks(block_bytes // pair_bytes):
        # No name for the sums here, or those of the block before would stay until these are whole.
        _best_of_block(first, *_block_sums(tables, class_index, first, last), members, blank, true_area, form, best)
    scores = [
        value if metric in POOLED else value / (union.images * FIXED_ONE)
        for value, union in zip(best[:, 0], sets, strict=True)
    ]
    rows = zip(best[:, 1:].astype(int).tolist(), scores, strict=True)
    return [Triplet(top, column, bottom, float(score)) for (top, column, bottom), score in rows]


def _top_blocks(pairs: int) -> Iterator[tuple[int, int]]:
    """First and last top threshold of blocks that hold at most `pairs` (top, bottom) pairs, or a single top each.

    The bottoms of a block are those up to its last top.
    """
    first = 1
    while first <= 255:
        last = first
        while last < 255 and (last + 2 - first) * (last + 1) <= pairs:
            last += 1
        yield first, last
        first = last + 1


def _block_sums(tables: Sequence[FoldTables], class_index: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """The gains of all maps at the top thresholds first..last, and where there are any.

    Returns (folds, planes, tops, columns, bottoms) int64 and (folds, tops, columns) bool.
    """
    folds, tops, columns = len(tables), last + 1 - first, len(tables[0].area_grid)
    sums = np.zeros((folds, len(PLANES[tables[0].metric]), tops, columns, last), dtype=np.int64)
    occupied = np.zeros((folds, tops, columns), dtype=np.bool_)
    for fold, table in enumerate(tables):
        for maps in map_gains(table, class_index):
            _add_block(first, maps.column, maps.gains, sums[fold], occupied[fold])
    return sums, occupied


@compiled
def _add_block(first: int, column: np.ndarray, gains: np.ndarray, sums: np.ndarray, occupied: np.ndarray) -> None:
    """Add the maps of a `MapGains` to the sums of one fold; see `_block_sums`."""
    planes, tops = sums.shape[:2]
    for index in range(tops):
        top = first + index
        for one_map in range(len(column)):
            place = column[one_map, top - 1]
            occupied[index, place] = True
            for plane in range(planes):
                for bottom in range(top):
                    sums[plane, index, place, bottom] += gains[plane, one_map, bottom]


@compiled
def _best_of_block(
    first: int,
    sums: np.ndarray,
    occupied: np.ndarray,
    members: np.ndarray,
    blank: np.ndarray,
    true_area: np.ndarray,
    form: tuple[int, int, int, int],
    best: np.ndarray,
) -> None:
    """Improve `best` (sets, 4: value, top, column, bottom) by the settings of a block of top thresholds.

    sums, occupied: as `_block_sums` gives them; members: (sets, folds) bool; blank: (sets, planes), two planes of a
    pooled metric; form: of that, as `pooled_form` gives it.
    """
    sets, planes = blank.shape
    folds, _, tops, columns, bottoms = sums.shape
    running = np.empty((planes, bottoms), dtype=np.int64)
    for one_set in range(sets):
        for index in range(tops):
            top = first + index
            for plane in range(planes):
                running[plane] = blank[one_set, plane]
            _improve(top, columns - 1, running, true_area[one_set], form, best[one_set])
            for column in range(columns - 1, -1, -1):
                changed = False
                for fold in range(folds):
                    if members[one_set, fold] and occupied[fold, index, column]:
                        changed = True
                        for plane in range(planes):
                            for bottom in range(top):
                                running[plane, bottom] += sums[fold, plane, index, column, bottom]
                if changed:
                    _improve(top, column, running, true_area[one_set], form, best[one_set])


@compiled
def _improve(
    top: int,
    column: int,
    running: np.ndarray,
    true_area: int,
    form: tuple[int, int, int, int],
    best: np.ndarray,
) -> None:
    """Improve `best` (value, top, column, bottom) by all bottoms up to `top`; running: (planes, bottoms) int64."""
    for bottom in range(top):
        value = float(running[0, bottom])
        if len(running) == 2:
            below = form[1] * running[1, bottom] + form[2] * true_area - form[3] * running[0, bottom]
            value = form[0] * running[0, bottom] / below if below > 0 else 1.0
        if value > best[0]:
            best[0] = value
            best[1] = top
            best[2] = column
            best[3] = bottom + 1


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
