"""The compiled loops that label the pixels of a map and sort them by level; `component_pass` says what for."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskfold.execution.compiled import compiled

LEVELS = 256
NEW_LABEL = 8  # in place of a ring index: no neighbour to take a label from


@compiled
def sorted_by_level(
    prob: np.ndarray,
    truth: np.ndarray,
    bits: int,
    links: tuple[np.ndarray, np.ndarray, np.ndarray],
    buffers: tuple[Any, ...],
    level_ends: np.ndarray,
) -> int:
    """Fill the buffers' entries (label << bits | truth) and pairs of labels to unite, highest level first.

    prob, truth: (H, W) uint8; bits: that a pixel's truth takes; links: as `component_pass.link_tables` makes them;
    buffers: those of a `Scratch`; level_ends: (2, 256) int64, on return where the entries and pairs of each level end.
    Returns the number of labels.
    """
    height, width = prob.shape
    padded, words, padded_truth, pattern, label, active, entries, pairs = buffers
    lead, link_count, others = links
    stride = width + 2
    _pad(prob, padded)
    _pad(truth, padded_truth)
    for row in range(1, height + 1):
        _row_patterns(padded, row * stride + 1, width, stride, pattern)
    count = _active_pixels(padded, words[: (height + 2) * stride // 8 + 1], active)
    offsets = np.array([-1, -stride - 1, -stride, -stride + 1, 1, stride + 1, stride, stride - 1, 0])
    used = active[:count]
    labels = _label(padded, pattern, used, offsets, lead, link_count, label, level_ends)
    _sort(padded, padded_truth, bits, pattern, used, offsets, link_count, others, label, level_ends, entries, pairs)
    return labels


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
    out[(height + 1) * stride : (height + 2) * stride + 8] = 0  # and what fills the last word of eight pixels


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
def _active_pixels(prob: np.ndarray, words: np.ndarray, active: np.ndarray) -> int:
    """Indices of the pixels above zero in row-major order; returns how many there are.

    words: the pixels of `prob` eight by eight, so that blank stretches are passed over quickly.
    """
    count = 0
    for word in range(len(words)):
        if words[word]:
            for pixel in range(8 * word, 8 * word + 8):
                active[count] = pixel
                count += prob[pixel] != 0  # no branch, which random pixels would mispredict
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
    counts = np.zeros(LEVELS, dtype=np.int64)  # pixels in the lower half, links in the upper: one addition for both
    labels = 0
    for k in range(len(active)):
        pixel = active[k]
        ring = pattern[pixel]
        counts[prob[pixel]] += 1 + (np.int64(link_count[ring]) << 32)
        direction = lead[ring]
        known = label[pixel + offsets[direction]]
        is_new = direction == NEW_LABEL
        label[pixel] = labels if is_new else known
        labels += is_new
    level_starts[0] = counts & 0xFFFFFFFF
    level_starts[1] = counts >> 32
    return labels


@compiled
def _sort(
    prob: np.ndarray,
    truth: np.ndarray,
    bits: int,
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
    """Counting sort, highest level first: entries (label << bits | truth) and pairs of labels to unite.

    level_starts: counts on entry; on return where each level's entries and pairs end.
    """
    pixel_position, pair_position = 0, 0
    for level in range(LEVELS - 1, -1, -1):
        pixels, linked = level_starts[0, level], level_starts[1, level]
        level_starts[0, level], level_starts[1, level] = pixel_position, pair_position
        pixel_position += pixels
        pair_position += linked
    entry_ends, pair_ends = level_starts
    for k in range(len(active)):
        pixel = active[k]
        level = prob[pixel]
        own = label[pixel]
        at = entry_ends[level]
        entries[at] = (own << bits) | truth[pixel]
        entry_ends[level] = at + 1
        ring = pattern[pixel]
        for link in range(link_count[ring]):
            at = pair_ends[level]
            pairs[at, 0] = own
            pairs[at, 1] = label[pixel + offsets[links[ring, link]]]
            pair_ends[level] = at + 1
