"""One pass over a probability map that scores every threshold and every minimum area, exactly.

Pixels join from the highest level down; at every level the live components, their areas and their overlaps with the
truth are known. Four sweeps do it:

1. A byte a pixel says which of its eight neighbours join before it (higher, or as high and earlier in row-major order).
2. In row-major order every pixel takes the label of an earlier neighbour that joins before it, or a new one. At any
   level the live pixels of a label are connected, so union-find works on labels, of which there are few, not pixels.
3. A counting sort by level keeps, of a pixel, only its label and whether it is true. Where a pixel's neighbours fall
   into several groups that do not touch each other, it also leaves a link between their labels. In a ring of eight,
   which groups there are is a look-up in 256 patterns, and most pixels have a single one.
4. Level by level, links unite labels and pixels add to their component's area and overlap. A histogram over area bins
   follows the components that changed; its sums from the right are what every minimum area leaves.

The score of a level is a step function of the minimum area with a step only at occupied bins, and it changes only at
levels where pixels join. So only these steps are added, to a table of differences in both directions whose cumulative
sum is the score table. Blank maps touch nothing.

Ignored pixels join like all others, as nobody knows them in a test image: they connect components and count for the
minimum area. Only the areas that scores are computed from leave them out.

The tree of level components: Salembier et al., "Antiextensive connected operators" (1998); union-find by level:
Najman and Couprie, "Building the component tree in quasi-linear time" (2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np

from maskfold.pixels.metrics import INTERSECTION, PREDICTED_AREA
from maskfold.tuning.tables.component_kernels import add_map
from maskfold.tuning.tables.component_labels import LEVELS, NEW_LABEL

# Neighbours in ring order, clockwise from the west as (row, column) steps: four earlier in row-major order, four later.
RING = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1))
_EARLIER = 4


@cache
def link_tables(connectivity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a pixel does, by the pattern of ring neighbours that joined before it.

    connectivity: 4 or 8. Returns lead (256,) uint8: the ring index of the earlier neighbour whose label the pixel
    takes, or 8 for a new label; link_count (256,) uint8: how many other groups it touches; links (256, 4) uint8: the
    ring index of one neighbour in each.
    """
    lead = np.full(256, NEW_LABEL, dtype=np.uint8)
    link_count = np.zeros(256, dtype=np.uint8)
    links = np.zeros((256, 4), dtype=np.uint8)
    for pattern in range(256):
        groups = _ring_groups([index for index in range(8) if pattern >> index & 1], connectivity)
        earlier = [index for group in groups for index in group if index < _EARLIER]
        if earlier:
            lead[pattern] = earlier[0]
        others = [group[0] for group in groups if not earlier or earlier[0] not in group]
        link_count[pattern] = len(others)
        links[pattern, : len(others)] = others
    return lead, link_count, links


def _ring_groups(present: list[int], connectivity: int) -> list[list[int]]:
    """The neighbours of a pixel, grouped by how `present` ring members touch each other without it."""
    reach = 1 if connectivity == 4 else 2  # squared distance
    groups: list[list[int]] = []
    for index in present:
        touching = [group for group in groups if any(_distance2(index, other) <= reach for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([index, *(other for group in touching for other in group)]))
    if connectivity == 8:
        return groups
    # The corners connect their neighbours but do not touch the pixel itself.
    sides = [[index for index in group if index % 2 == 0] for group in groups]
    return [group for group in sides if group]


def _distance2(first: int, second: int) -> int:
    (row, column), (other_row, other_column) = RING[first], RING[second]
    return (row - other_row) ** 2 + (column - other_column) ** 2


class Scratch:
    """Buffers of one thread, reused between maps and passes and grown when a larger map comes."""

    def __init__(self) -> None:
        self._pixels = 0
        self.buffers: tuple[Any, ...] = ()

    def grow(self, height: int, width: int, bits: int) -> None:
        """Make room for a map of this size; bits: that the truth of a pixel takes."""
        pixels = (height + 2) * (width + 2)
        if pixels >= 2 ** (31 - bits):
            raise ValueError(f"a map of {height} x {width} px is too large")
        if pixels <= self._pixels:
            return
        # In few large steps: the memory of many small ones stays with the process in pieces that fit nothing else.
        pixels = self._pixels = max(pixels, min(2 * self._pixels, 2**24))
        prob, truth, pattern = (np.zeros((pixels // 8 + 2) * 8, dtype=np.uint8) for _ in range(3))
        # Memory that stays untouched, and so costs nothing, until active pixels fill it.
        label, active, entries = (np.empty(pixels, dtype=np.int32) for _ in range(3))
        pairs = np.empty((pixels, 2), dtype=np.int32)
        # Apart, not as the columns of one array: the compiler then writes two of them at once and stalls reading one
        # of them back; measured, five times slower.
        names = ("parents", "areas", "overlaps", "stamps", "touched", "binned areas", "binned overlaps")
        components = tuple(np.empty(pixels, np.int64 if "overlaps" in name else np.int32) for name in names)
        self.buffers = (prob, prob.view(np.uint64), truth, pattern, label, active, entries, pairs), components


class ComponentPass:
    """The component pass of one thread for one area grid, connectivity and set of planes."""

    def __init__(
        self, area_grid: np.ndarray, connectivity: int, planes: Sequence[int], scratch: Scratch | None = None
    ) -> None:
        """area_grid: (bins,) int64, ascending from 0; planes: what to sum, see metrics.PLANES.

        scratch: buffers that other passes of the same thread use too; None: its own.
        """
        self.planes = np.array(planes, dtype=np.int64)
        # A look-up for every area: two bytes a pixel of the largest map; searching costs a third more time.
        areas = np.arange(area_grid[-1] + 1)
        self._bin_of_area = (np.searchsorted(area_grid, areas, side="right") - 1).astype(np.int16)
        self._links = link_tables(connectivity)
        self._scratch = scratch or Scratch()
        self._bins = np.zeros((3, len(area_grid)), dtype=np.int64)  # of the current map: area, overlap, occupied bins
        self._steps = np.zeros((len(planes), len(area_grid)), dtype=np.int64)

    def add(
        self, prob: np.ndarray, truth: np.ndarray, differences: np.ndarray, ignored: np.ndarray | None = None
    ) -> np.ndarray:
        """Add one map to a table of differences.

        prob: (H, W) uint8; truth, ignored: (H, W) uint8 in {0, 1}, the truth 0 where a pixel is ignored; differences:
        (planes, 256, bins) int64, changed in place. Its cumulative sum from the last level and the last bin down, plus
        what the blank prediction scores, is the table: [plane, t, a] for threshold t and minimum area area_grid[a].
        Returns (2, 256) int32: how many pixels, and how many true ones, have each level above 0; where `ignored` is
        given (3, 256), with how many ignored ones.
        """
        if prob.size >= len(self._bin_of_area):
            raise ValueError(f"a map of {prob.shape} has more pixels than the area grid reaches")
        bits = 1 if ignored is None else 2
        self._scratch.grow(prob.shape[0], prob.shape[1], bits)
        histogram = np.zeros((1 + bits, LEVELS), dtype=np.int32)
        add_map(
            np.ascontiguousarray(prob),
            np.ascontiguousarray(truth if ignored is None else truth | ignored << np.uint8(1)),
            int(np.count_nonzero(truth)),
            self._bin_of_area,
            self.planes,
            self._links,
            (*self._scratch.buffers, (self._bins, self._steps)),
            differences,
            histogram,
        )
        return histogram


class ComponentAreas:
    """The areas that several component settings leave on one map, all from one pass."""

    def __init__(
        self,
        settings: Sequence[tuple[int, int]],
        connectivity: int,
        largest_map_px: int,
        scratch: Scratch | None = None,
    ) -> None:
        """settings: (threshold, min_area_px) pairs; largest_map_px: no map may have more pixels; scratch: as above."""
        thresholds = np.unique([threshold for threshold, _ in settings])
        grid = np.unique([0, largest_map_px + 1, *(min(area, largest_map_px + 1) for _, area in settings)])
        # Levels between two thresholds are one level, so the pass sees few of them.
        self._level_of = np.searchsorted(thresholds, np.arange(LEVELS), side="right").astype(np.uint8)
        self._places = [
            (int(self._level_of[threshold]), int(np.searchsorted(grid, min(area, largest_map_px + 1))))
            for threshold, area in settings
        ]
        self._differences = np.zeros((2, LEVELS, len(grid)), dtype=np.int64)
        self._pass = ComponentPass(grid, connectivity, (INTERSECTION, PREDICTED_AREA), scratch)

    def areas(self, prob: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> list[tuple[int, int]]:
        """(intersection, predicted area) in px of each setting, without ignored pixels; (H, W) uint8 each."""
        self._differences[:] = 0
        self._pass.add(cv2.LUT(prob, self._level_of), truth, self._differences, ignored)
        sums = [self._differences[:, level:, column:].sum(axis=(1, 2)) for level, column in self._places]
        return [(int(overlap), int(area)) for overlap, area in sums]
