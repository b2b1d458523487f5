"""The compiled sweep over levels of the component pass; `component_pass` says what it does and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskfold.execution.compiled import compiled, inlined
from maskfold.pixels.metrics import plane_sum
from maskfold.tuning.tables.component_labels import LEVELS, sorted_by_level

_LOWER = 2**32 - 1


@compiled
def add_map(
    prob: np.ndarray,
    truth: np.ndarray,
    true_area: int,
    bin_of_area: np.ndarray,
    planes: np.ndarray,
    links: tuple[np.ndarray, np.ndarray, np.ndarray],
    buffers: tuple[tuple[Any, ...], ...],
    table: np.ndarray,
    histogram: np.ndarray,
) -> None:
    """`ComponentPass.add`, compiled; buffers: for labels, for components, and of the pass.

    truth: 1 where a pixel is true and, with a histogram of three rows, 2 where it is ignored.
    """
    for_labels, components, of_pass = buffers
    level_ends = np.empty((2, LEVELS), dtype=np.int64)
    labels = sorted_by_level(prob, truth, len(histogram) - 1, links, for_labels, level_ends)
    entries, pairs = for_labels[6], for_labels[7]
    _sweep(level_ends, entries, pairs, labels, true_area, bin_of_area, planes, components, of_pass, table, histogram)


@compiled
def _sweep(
    level_ends: np.ndarray,
    entries: np.ndarray,
    pairs: np.ndarray,
    labels: int,
    true_area: int,
    bin_of_area: np.ndarray,
    planes: np.ndarray,
    components: tuple[np.ndarray, ...],
    of_pass: tuple[np.ndarray, np.ndarray],
    table: np.ndarray,
    histogram: np.ndarray,
) -> None:
    """Add the levels from the highest down and the steps of their scores to `table` (planes, 256, bins) int64.

    Of a component `areas` has all pixels, which the minimum area is about, and `overlaps` what its score needs: the
    true pixels in the lower half of 64 bits, the ignored ones in the upper.
    """
    parents, areas, overlaps, stamps, touched, binned_areas, _ = components
    bins, steps = of_pass
    bits = len(histogram) - 1
    codes = (1 << bits) - 1
    for label in range(labels):
        parents[label] = label
        areas[label] = overlaps[label] = stamps[label] = binned_areas[label] = 0
    bins[:2] = 0
    occupied, top_bin, entry, pair = 0, 0, 0, 0
    for level in range(LEVELS - 1, 0, -1):
        last_entry, last_pair = level_ends[0, level], level_ends[1, level]
        if entry == last_entry:
            continue
        histogram[0, level] = last_entry - entry
        changed = _unite(level, pairs[pair:last_pair], components)
        pair = last_pair
        found = np.int64(0)
        while entry < last_entry:
            value = np.int64(entries[entry])
            entry += 1
            root = _root(parents, value >> bits)
            if stamps[root] != level:
                stamps[root] = level
                touched[changed] = root
                changed += 1
            areas[root] += 1
            counted = (value & 1) | ((value & codes) >> 1 << 32)
            overlaps[root] += counted
            found += counted
        histogram[1, level] = found & _LOWER
        if bits == 2:
            histogram[2, level] = found >> 32
        top_bin = max(top_bin, _bin_again(touched[:changed], components, bin_of_area, bins))
        occupied = _add_steps(level, top_bin, occupied, true_area, planes, bins, steps, table)


@compiled
def _unite(level: int, pairs: np.ndarray, components: tuple[np.ndarray, ...]) -> int:
    """Unite the components of pairs of labels (n, 2). Returns how many components changed; `touched` lists them."""
    parents, areas, overlaps, stamps, touched, _, _ = components
    changed = 0
    for pair in range(len(pairs)):
        first, second = _root(parents, pairs[pair, 0]), _root(parents, pairs[pair, 1])
        if first == second:
            continue
        if areas[first] < areas[second]:
            first, second = second, first
        for root in (first, second):
            if stamps[root] != level:
                stamps[root] = level
                touched[changed] = root
                changed += 1
        parents[second] = first
        areas[first] += areas[second]
        overlaps[first] += overlaps[second]
    return changed


@compiled
def _bin_again(
    touched: np.ndarray, components: tuple[np.ndarray, ...], bin_of_area: np.ndarray, bins: np.ndarray
) -> int:
    """Move the components that changed on a level to the bins of their new areas. Returns the highest of these bins.

    Bins are by whole areas; bins[0] sums the areas without ignored pixels, bins[1] the overlaps with the truth.
    """
    parents, areas, overlaps, _, _, binned_areas, binned_overlaps = components
    top_bin = 0
    for root in touched:
        area = binned_areas[root]
        if area:
            at = bin_of_area[area]
            bins[0, at] -= area - (binned_overlaps[root] >> 32)
            bins[1, at] -= binned_overlaps[root] & _LOWER
        if parents[root] == root:
            area = areas[root]
            at = bin_of_area[area]
            bins[0, at] += area - (overlaps[root] >> 32)
            bins[1, at] += overlaps[root] & _LOWER
            binned_areas[root] = area
            binned_overlaps[root] = overlaps[root]
            top_bin = max(top_bin, at)
    return top_bin


@inlined
def _root(parents: np.ndarray, label: int) -> int:
    """The root of a label, halving the path to it."""
    while parents[label] != label:
        grand = parents[parents[label]]
        parents[label] = grand
        label = grand
    return label


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
        previous = plane_sum(planes[plane], 0, 0, true_area)
        for at in range(top_bin, -1, -1):
            if bins[0, at]:
                area += bins[0, at]
                overlap += bins[1, at]
                value = plane_sum(planes[plane], overlap, area, true_area)
                table[plane, level, at] += value - previous
                steps[plane, found] = value - previous
                if plane == len(planes) - 1:
                    bins[2, found] = at
                previous = value
                found += 1
    return found
