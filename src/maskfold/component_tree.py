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

The tree of level components: Salembier et al., "Antiextensive connected operators" (1998); union-find by level:
Najman and Couprie, "Building the component tree in quasi-linear time" (2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from maskfold.compiled import compiled
from maskfold.metrics import plane_value

LEVELS = 256

# Neighbours in ring order, clockwise from the west as (row, column) steps: four earlier in row-major order, four later.
RING = ((0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1))
_EARLIER = 4
_NEW_LABEL = 8
_SMALL_AREAS = 4096  # areas whose bin is looked up; larger ones are searched for

# Columns of a label's record; side by side so that one cache line holds them.
_PARENT, _AREA, _OVERLAP, _STAMP = range(4)


@cache
def link_tables(connectivity: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a pixel does, by the pattern of ring neighbours that joined before it.

    connectivity: 4 or 8. Returns lead (256,) uint8: the ring index of the earlier neighbour whose label the pixel
    takes, or 8 for a new label; link_count (256,) uint8: how many other groups it touches; links (256, 4) uint8: the
    ring index of one neighbour in each.
    """
    lead = np.full(256, _NEW_LABEL, dtype=np.uint8)
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
    """Buffers of one thread, reused between maps and grown when a larger one comes."""

    def __init__(self, bins: int, planes: int) -> None:
        self._bins = np.zeros((3, bins), dtype=np.int64)  # of the current map: area, overlap, list of occupied bins
        self._steps = np.zeros((planes, bins), dtype=np.int64)
        self._pixels = 0
        self.buffers: tuple[np.ndarray, ...] = ()

    def grow(self, height: int, width: int) -> None:
        """Make room for a map of this size."""
        pixels = (height + 2) * (width + 2)
        if pixels <= self._pixels:
            return
        if pixels >= 2**30:
            raise ValueError(f"a map of {height} x {width} px is too large")
        self._pixels = pixels
        maps = [np.zeros(pixels, dtype=np.uint8) for _ in ("prob", "truth", "pattern")]
        # label, active, entries, pairs, records, touched: empty memory that only active pixels ever fill
        lists = [
            np.empty(shape, dtype=np.int32) for shape in (pixels, pixels, pixels, (pixels, 2), (pixels, 4), pixels)
        ]
        self.buffers = (*maps, *lists, self._bins, self._steps)


@compiled
def _pad(source: np.ndarray, out: np.ndarray) -> None:
    """Copy (H, W) into the flat (H + 2) * (W + 2) buffer `out` with a zero border."""
    height, width = source.shape
    stride = width + 2
    out[:stride] = 0
    for row in range(height):
        start = (row + 1) * stride
        out[start] = 0
        out[start + 1 : start + 1 + width] = source[row]
        out[start + 1 + width] = 0
    out[(height + 1) * stride : (height + 2) * stride] = 0


@compiled
def _row_patterns(prob: np.ndarray, start: int, width: int, stride: int, out: np.ndarray) -> None:
    """The ring pattern of every pixel of a row; a plain loop over bytes that the compiler turns into vectors."""
    up = prob[start - stride - 1 : start - stride + width + 1]
    here = prob[start - 1 : start + width + 1]
    down = prob[start + stride - 1 : start + stride + width + 1]
    row = out[start : start + width]
    for x in range(width):
        q = here[x + 1]
        row[x] = (
            np.uint8(here[x] >= q)
            | np.uint8(np.uint8(up[x] >= q) << np.uint8(1))
            | np.uint8(np.uint8(up[x + 1] >= q) << np.uint8(2))
            | np.uint8(np.uint8(up[x + 2] >= q) << np.uint8(3))
            | np.uint8(np.uint8(here[x + 2] > q) << np.uint8(4))
            | np.uint8(np.uint8(down[x + 2] > q) << np.uint8(5))
            | np.uint8(np.uint8(down[x + 1] > q) << np.uint8(6))
            | np.uint8(np.uint8(down[x] > q) << np.uint8(7))
        )


@compiled
def _active_pixels(prob: np.ndarray, height: int, width: int, pattern: np.ndarray, active: np.ndarray) -> int:
    """Indices of the pixels above zero, row-major, and the ring patterns of their rows. Returns how many there are."""
    stride = width + 2
    count = 0
    for row in range(height):
        start = (row + 1) * stride + 1
        highest = np.uint8(0)
        for x in range(start, start + width):
            highest |= prob[x]
        if highest == 0:
            continue
        _row_patterns(prob, start, width, stride, pattern)
        for x in range(start, start + width):
            active[count] = x
            count += prob[x] != 0
    return count


@compiled
def _label(
    prob: np.ndarray,
    pattern: np.ndarray,
    active: np.ndarray,
    offsets: np.ndarray,
    lead: np.ndarray,
    link_count: np.ndarray,
    label: np.ndarray,
    level_starts: np.ndarray,
) -> int:
    """Give every active pixel a label and count pixels and links a level. Returns the number of labels.

    offsets: (9,) flat steps to the ring neighbours, the ninth 0; level_starts: (2, 256) int64, counts on return.
    """
    level_starts[:] = 0
    labels = 0
    for k in range(len(active)):
        pixel = active[k]
        ring = pattern[pixel]
        level_starts[0, prob[pixel]] += 1
        level_starts[1, prob[pixel]] += link_count[ring]
        direction = lead[ring]
        known = label[pixel + offsets[direction]]
        is_new = direction == _NEW_LABEL
        label[pixel] = labels if is_new else known
        labels += is_new
    return labels


@compiled
def _sort_by_level(
    prob: np.ndarray,
    truth: np.ndarray,
    pattern: np.ndarray,
    active: np.ndarray,
    offsets: np.ndarray,
    link_count: np.ndarray,
    links: np.ndarray,
    label: np.ndarray,
    level_starts: np.ndarray,
    entries: np.ndarray,
    pairs: np.ndarray,
) -> None:
    """Counting sort, highest level first: entries (2 * label + truth) and pairs of labels to unite.

    level_starts: counts on entry; on return where each level's entries and pairs end.
    """
    pixel_position, pair_position = 0, 0
    for level in range(LEVELS - 1, -1, -1):
        pixels, linked = level_starts[0, level], level_starts[1, level]
        level_starts[0, level], level_starts[1, level] = pixel_position, pair_position
        pixel_position += pixels
        pair_position += linked
    for k in range(len(active)):
        pixel = active[k]
        level = prob[pixel]
        own = label[pixel]
        entries[level_starts[0, level]] = 2 * own + truth[pixel]
        level_starts[0, level] += 1
        ring = pattern[pixel]
        for link in range(link_count[ring]):
            at = level_starts[1, level]
            pairs[at, 0] = own
            pairs[at, 1] = label[pixel + offsets[links[ring, link]]]
            level_starts[1, level] = at + 1


@compiled
def _root(records: np.ndarray, label: int) -> int:
    """The root of a label, halving the path to it."""
    parent = records[label, _PARENT]
    while parent != label:
        grand = records[parent, _PARENT]
        records[label, _PARENT] = grand
        label = grand
        parent = records[label, _PARENT]
    return label


@compiled
def _bin_of(area: int, area_grid: np.ndarray, small_bins: np.ndarray) -> int:
    """The last grid index whose minimum area a component of `area` px reaches."""
    if area < len(small_bins):
        return int(small_bins[area])
    return int(np.searchsorted(area_grid, area, side="right")) - 1


@compiled
def _touch(
    records: np.ndarray,
    root: int,
    level: int,
    bins: np.ndarray,
    area_grid: np.ndarray,
    small_bins: np.ndarray,
    touched: np.ndarray,
    count: int,
) -> int:
    """Take a component that is about to change out of the area bins. Returns the new length of `touched`."""
    if records[root, _STAMP] == level:
        return count
    records[root, _STAMP] = level
    area = records[root, _AREA]
    if area:
        at = _bin_of(area, area_grid, small_bins)
        bins[0, at] -= area
        bins[1, at] -= records[root, _OVERLAP]
    touched[count] = root
    return count + 1


@compiled
def _sweep(
    level_ends: np.ndarray,
    entries: np.ndarray,
    pairs: np.ndarray,
    labels: int,
    true_area: int,
    area_grid: np.ndarray,
    small_bins: np.ndarray,
    planes: np.ndarray,
    records: np.ndarray,
    touched: np.ndarray,
    bins: np.ndarray,
    steps: np.ndarray,
    table: np.ndarray,
) -> None:
    """Add the levels from the highest down and the steps of their scores to `table` (planes, 256, bins) int64."""
    for label in range(labels):
        records[label, _PARENT] = label
        records[label, _AREA] = 0
        records[label, _OVERLAP] = 0
        records[label, _STAMP] = 0
    bins[:2] = 0
    occupied = 0
    top_bin = 0
    entry, pair = 0, 0
    for level in range(LEVELS - 1, 0, -1):
        if entry == level_ends[0, level]:
            continue
        changed = 0
        while pair < level_ends[1, level]:
            first = _root(records, pairs[pair, 0])
            second = _root(records, pairs[pair, 1])
            pair += 1
            if first == second:
                continue
            changed = _touch(records, first, level, bins, area_grid, small_bins, touched, changed)
            changed = _touch(records, second, level, bins, area_grid, small_bins, touched, changed)
            if records[first, _AREA] < records[second, _AREA]:
                first, second = second, first
            records[second, _PARENT] = first
            records[first, _AREA] += records[second, _AREA]
            records[first, _OVERLAP] += records[second, _OVERLAP]
        while entry < level_ends[0, level]:
            value = entries[entry]
            entry += 1
            root = _root(records, value >> 1)
            changed = _touch(records, root, level, bins, area_grid, small_bins, touched, changed)
            records[root, _AREA] += 1
            records[root, _OVERLAP] += value & 1
        for k in range(changed):
            root = touched[k]
            if records[root, _PARENT] == root:
                at = _bin_of(records[root, _AREA], area_grid, small_bins)
                bins[0, at] += records[root, _AREA]
                bins[1, at] += records[root, _OVERLAP]
                top_bin = max(top_bin, at)
        occupied = _add_steps(level, top_bin, occupied, true_area, planes, bins, steps, table)


@compiled
def _add_steps(
    level: int,
    top_bin: int,
    occupied: int,
    true_area: int,
    planes: np.ndarray,
    bins: np.ndarray,
    steps: np.ndarray,
    table: np.ndarray,
) -> int:
    """Add what this level's step function has more than the last level's. Returns the number of its steps."""
    for plane in range(len(planes)):
        for k in range(occupied):
            at = bins[2, k]
            table[plane, level, at] -= steps[plane, k]
        area, overlap, found = 0, 0, 0
        previous = plane_value(planes[plane], 0, 0, true_area)
        for at in range(top_bin, -1, -1):
            if bins[0, at]:
                area += bins[0, at]
                overlap += bins[1, at]
                value = plane_value(planes[plane], overlap, area, true_area)
                table[plane, level, at] += value - previous
                steps[plane, found] = value - previous
                if plane == len(planes) - 1:
                    bins[2, found] = at
                previous = value
                found += 1
    return found


@compiled
def _add_map(
    prob: np.ndarray,
    truth: np.ndarray,
    true_area: int,
    area_grid: np.ndarray,
    small_bins: np.ndarray,
    planes: np.ndarray,
    lead: np.ndarray,
    link_count: np.ndarray,
    links: np.ndarray,
    buffers: tuple[np.ndarray, ...],
    table: np.ndarray,
) -> None:
    """`ComponentPass.add`, compiled."""
    height, width = prob.shape
    padded, padded_truth, pattern, label, active, entries, pairs, records, touched, bins, steps = buffers
    stride = width + 2
    _pad(prob, padded)
    _pad(truth, padded_truth)
    count = _active_pixels(padded, height, width, pattern, active)
    offsets = np.array([-1, -stride - 1, -stride, -stride + 1, 1, stride + 1, stride, stride - 1, 0])
    level_starts = np.empty((2, LEVELS), dtype=np.int64)
    labels = _label(padded, pattern, active[:count], offsets, lead, link_count, label, level_starts)
    _sort_by_level(
        padded,
        padded_truth,
        pattern,
        active[:count],
        offsets,
        link_count,
        links,
        label,
        level_starts,
        entries,
        pairs,
    )
    _sweep(
        level_starts,
        entries,
        pairs,
        labels,
        true_area,
        area_grid,
        small_bins,
        planes,
        records,
        touched,
        bins,
        steps,
        table,
    )


class ComponentPass:
    """The component pass of one thread for one area grid, connectivity and set of planes."""

    def __init__(self, area_grid: np.ndarray, connectivity: int, planes: Sequence[int]) -> None:
        """area_grid: (bins,) int64, ascending from 0; planes: what to sum, see metrics.PLANES."""
        self.area_grid = area_grid
        self.planes = np.array(planes, dtype=np.int64)
        self._small_bins = (np.searchsorted(area_grid, np.arange(_SMALL_AREAS), side="right") - 1).astype(np.int32)
        self._links = link_tables(connectivity)
        self._scratch = Scratch(len(area_grid), len(planes))

    def add(self, prob: np.ndarray, truth: np.ndarray, differences: np.ndarray) -> None:
        """Add one map to a table of differences.

        prob: (H, W) uint8; truth: (H, W) uint8 in {0, 1}; differences: (planes, 256, bins) int64, changed in place.
        Its cumulative sum from the last level and the last bin down, plus what the blank prediction scores, is the
        table: [plane, t, a] for threshold t and minimum area area_grid[a].
        """
        self._scratch.grow(*prob.shape)
        _add_map(
            np.ascontiguousarray(prob),
            np.ascontiguousarray(truth),
            int(np.count_nonzero(truth)),
            self.area_grid,
            self._small_bins,
            self.planes,
            *self._links,
            self._scratch.buffers,
            differences,
        )
