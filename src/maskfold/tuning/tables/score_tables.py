"""Exact score tables: the metric at every threshold and every minimum area of a grid, per class and fold.

A table holds whole numbers (sums over images), so tables of shards and folds add bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from maskfold.artefacts.files import whole_file
from maskfold.pixels.metrics import FIXED_ONE, PLANES, POOLED, pooled_scores
from maskfold.tuning.tables.map_histograms import MapHistograms, write_member

THRESHOLDS = np.arange(1, 256)
LAYOUT = 2  # of the file; a file of another one is stale even where changes of the code are accepted
_STORED = ("area_grid", "blank", "images", "true_area")


def area_grid(largest_map_px: int, dense_areas: int, growth: float) -> np.ndarray:
    """The minimum areas a table knows, ascending: (bins,) int64.

    0 (keep everything; 1 is the same and left out), every integer from 2 to `dense_areas`, then steps by the factor
    `growth` up to the largest map, and last one pixel more than that, which leaves every mask empty.
    """
    areas = list(range(0, min(dense_areas, largest_map_px) + 1))
    while areas[-1] < largest_map_px:
        areas.append(min(max(areas[-1] + 1, int(np.ceil(areas[-1] * growth))), largest_map_px))
    areas.append(largest_map_px + 1)
    return np.array([area for area in areas if area != 1], dtype=np.int64)


@dataclass(frozen=True)
class ScoreTable:
    """The score of one class on some images at every setting.

    sums: (planes, 255, bins) int64, [plane, t - 1, a] for threshold t and minimum area area_grid[a]; what the planes
    hold is metrics.PLANES[metric]. blank: (planes,) int64, the sums when every prediction is empty. images: how many
    images were summed; true_area: their true pixels.
    """

    metric: str
    area_grid: np.ndarray
    sums: np.ndarray
    blank: np.ndarray
    images: int
    true_area: int

    def __add__(self, other: ScoreTable) -> ScoreTable:
        if self.metric != other.metric or not np.array_equal(self.area_grid, other.area_grid):
            raise ValueError("tables of different metrics or area grids do not add")
        return ScoreTable(
            self.metric,
            self.area_grid,
            self.sums + other.sums,
            self.blank + other.blank,
            self.images + other.images,
            self.true_area + other.true_area,
        )

    def score_of(self, sums: np.ndarray) -> np.ndarray:
        """Scores of these images for sums (planes, …) int64: float64 of the remaining shape."""
        if self.metric in POOLED:
            return pooled_scores(self.metric, sums[0], sums[1], self.true_area)
        return np.asarray(sums[0] / (self.images * FIXED_ONE))

    def scores(self) -> np.ndarray:
        """(255, bins) float64: the class score at threshold t = row + 1 and minimum area area_grid[column]."""
        return self.score_of(self.sums)

    def all_empty(self) -> float:
        """The score when every prediction is empty."""
        return float(self.score_of(self.blank))

    def at(self, threshold: int, min_area_px: int) -> float:
        """The score at one setting. Raises ValueError when the minimum area is not on the grid."""
        index = int(np.searchsorted(self.area_grid, 0 if min_area_px == 1 else min_area_px))
        if index == len(self.area_grid) or (min_area_px > 1 and self.area_grid[index] != min_area_px):
            raise ValueError(f"minimum area {min_area_px} px is not on the grid")
        return float(self.score_of(self.sums[:, threshold - 1, index]))


@dataclass
class FoldTables:
    """The tables of all classes on one fold, as the pass fills them.

    differences: (classes, gate levels, planes, 256, bins) int64; their cumulative sum from the last level and bin down
    plus `blank` is the table. blank: (classes, gate levels, planes) int64; images, true_area: (classes, gate levels)
    int64. There is one gate level without classification probabilities, and 33 (0, 1/32, …, 1) with them. histograms:
    those of single maps, on disk.
    """

    metric: str
    area_grid: np.ndarray
    differences: np.ndarray
    blank: np.ndarray
    images: np.ndarray
    true_area: np.ndarray
    histograms: MapHistograms

    @classmethod
    def empty(cls, metric: str, grid: np.ndarray, classes: int, gate_levels: int) -> FoldTables:
        """Tables of no images."""
        planes = len(PLANES[metric])
        return cls(
            metric,
            grid,
            np.zeros((classes, gate_levels, planes, 256, len(grid)), dtype=np.int64),
            np.zeros((classes, gate_levels, planes), dtype=np.int64),
            np.zeros((classes, gate_levels), dtype=np.int64),
            np.zeros((classes, gate_levels), dtype=np.int64),
            MapHistograms(),
        )

    def add(self, other: FoldTables) -> None:
        """Add the tables of other images, in place."""
        if self.metric != other.metric or not np.array_equal(self.area_grid, other.area_grid):
            raise ValueError("tables of different metrics or area grids do not add")
        for own, more in zip(self._sums(), other._sums(), strict=True):
            own += more
        self.histograms += other.histograms

    def _sums(self) -> tuple[np.ndarray, ...]:
        return self.differences, self.blank, self.images, self.true_area

    def table(self, class_index: int) -> ScoreTable:
        """The table of one class over all gate levels."""
        return self._table(
            self.differences[class_index].sum(axis=0),
            self.blank[class_index].sum(axis=0),
            self.images[class_index].sum(),
            self.true_area[class_index].sum(),
        )

    def gate_tables(self, class_index: int) -> list[ScoreTable]:
        """The tables of one class, one a gate level."""
        rows = zip(*(array[class_index] for array in self._sums()), strict=True)
        return [self._table(*row) for row in rows]

    def gate_counts(self, class_index: int) -> list[ScoreTable]:
        """Counts and blank sums of one class, one table a gate level, without any setting."""
        sums = np.zeros((len(PLANES[self.metric]), 0, 0), dtype=np.int64)
        rows = zip(*(array[class_index] for array in self._sums()[1:]), strict=True)
        return [
            ScoreTable(self.metric, self.area_grid, sums, blank, int(images), int(true_area))
            for blank, images, true_area in rows
        ]

    def _table(self, differences: np.ndarray, blank: np.ndarray, images: int, true_area: int) -> ScoreTable:
        sums = differences[:, :0:-1, ::-1].cumsum(axis=1).cumsum(axis=2)[:, ::-1, ::-1] + blank[:, None, None]
        return ScoreTable(self.metric, self.area_grid, sums, blank, int(images), int(true_area))

    def save(self, path: Path) -> None:
        """Write to an npz file, whole or not at all; differences are mostly zero and compress well."""
        with whole_file(path) as temporary, ZipFile(temporary, "w") as archive:
            write_member(archive, "metric", np.array(self.metric), compress=False)
            for name in _STORED:
                write_member(archive, name, getattr(self, name), compress=True)
            for index, differences in enumerate(self.differences):
                write_member(archive, f"differences_{index}", differences, compress=True)
                self.histograms.write(archive, index)

    @classmethod
    def load(cls, path: Path, classes: Sequence[int] | None = None) -> FoldTables:
        """Read what `save` wrote: all classes, or some, numbered 0, 1, … then; the histograms stay in the file."""
        with np.load(path) as stored:
            grid, *sums = (stored[name] for name in _STORED)
            chosen = list(range(len(sums[0])) if classes is None else classes)
            differences = np.stack([stored[f"differences_{index}"] for index in chosen])
            blank, images, true_area = (array[chosen] for array in sums)
            histograms = MapHistograms(((path, tuple(chosen)),))
            return cls(str(stored["metric"]), grid, differences, blank, images, true_area, histograms)


def total(tables: Sequence[ScoreTable]) -> ScoreTable:
    """The sum of tables of different images."""
    result = tables[0]
    for table in tables[1:]:
        result = result + table
    return result
