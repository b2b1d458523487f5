"""Run-length encoding of masks as Kaggle writes it: one-based "start length" pairs, column- or row-major.

Severstal, airbus and most Kaggle competitions number the pixels down the columns ("column"); PicsArt's and some
others along the rows ("row"). The empty text is the empty mask.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Order = Literal["column", "row"]

# int64 holds every number of 18 digits; longer ones are out of any image's range anyway.
_MAX_DIGITS = 18


class RleError(ValueError):
    """A text that is no run-length encoding of a mask of the given size; the message says why."""


def encode(mask: np.ndarray, order: Order = "column") -> str:
    """The runs of a mask, sorted, never touching.

    mask: (H, W) bool or integer; non-zero pixels are on. Returns one-based "start length start length …", "" for a
    blank mask.
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask to encode has shape (H, W); found {mask.shape}")
    flat = np.zeros(mask.size + 2, dtype=np.int8)
    flat[1:-1] = (mask.T if order == "column" else mask).ravel() != 0
    edges = np.flatnonzero(np.diff(flat))  # on at 0, 2, …; off at 1, 3, …
    edges[1::2] -= edges[::2]
    edges[::2] += 1
    return " ".join(map(str, edges.tolist()))


def parse_runs(text: str, pixels: int | None = None) -> np.ndarray:
    """The runs of an RLE text, checked.

    pixels: H * W of the mask the runs must fit in; None leaves the upper bound unchecked. Returns (runs, 2) int64:
    one-based start and length, sorted, not overlapping (runs may touch). Raises RleError.
    """
    words = text.split()
    if not words:
        return np.empty((0, 2), dtype=np.int64)
    _check_words(words)
    runs = np.array(words, dtype=np.int64).reshape(-1, 2)
    _check_runs(runs, pixels)
    return runs


def decode(text: str, height: int, width: int, order: Order = "column") -> np.ndarray:
    """The mask an RLE text stands for.

    Returns (height, width) uint8 in {0, 1}, C-contiguous. Raises RleError when the text has an odd count of numbers,
    something that is no number, runs that are unsorted, overlap, are empty or leave the image.
    """
    runs = parse_runs(text, height * width)
    counts = np.empty(2 * len(runs) + 1, dtype=np.int64)  # off, on, off, …, off
    starts, ends = runs[:, 0] - 1, runs[:, 0] - 1 + runs[:, 1]
    counts[1::2] = runs[:, 1]
    counts[0:-1:2] = starts
    counts[2:-1:2] -= ends[:-1]
    counts[-1] = height * width - (ends[-1] if len(runs) else 0)
    values = np.zeros(len(counts), dtype=np.uint8)
    values[1::2] = 1
    flat = np.repeat(values, counts)
    if order == "row":
        return flat.reshape(height, width)
    return np.ascontiguousarray(flat.reshape(width, height).T)


def area(text: str) -> int:
    """How many pixels an RLE text switches on. Raises RleError."""
    return int(parse_runs(text)[:, 1].sum())


def _check_words(words: list[str]) -> None:
    joined = "".join(words)
    if not (joined.isascii() and joined.isdigit()):
        position, word = next((i, w) for i, w in enumerate(words, 1) if not (w.isascii() and w.isdigit()))
        try:
            below_zero = int(word) < 0
        except ValueError:
            below_zero = False
        raise RleError(f"number {position} is {word!r}, {'below zero' if below_zero else 'not a whole number'}")
    if len(words) % 2:
        raise RleError(f"{len(words)} numbers, but starts and lengths come in pairs")
    if len(joined) > _MAX_DIGITS and max(map(len, words)) > _MAX_DIGITS:
        raise RleError(f"a number of {max(map(len, words))} digits, out of any image's range")


def _check_runs(runs: np.ndarray, pixels: int | None) -> None:
    starts, lengths = runs[:, 0], runs[:, 1]
    if (bad := np.flatnonzero(starts < 1)).size:
        raise RleError(f"run {bad[0] + 1} starts at pixel {starts[bad[0]]}, but pixels count from 1")
    if (bad := np.flatnonzero(lengths < 1)).size:
        raise RleError(f"run {bad[0] + 1} has length {lengths[bad[0]]}, but a run has at least one pixel")
    if (bad := np.flatnonzero(np.diff(starts) < 0)).size:
        k = int(bad[0])
        raise RleError(f"run {k + 2} starts at {starts[k + 1]}, before run {k + 1} at {starts[k]}: not sorted")
    lasts = starts + lengths - 1
    if (bad := np.flatnonzero(starts[1:] <= lasts[:-1])).size:
        k = int(bad[0])
        raise RleError(f"run {k + 2} starts at {starts[k + 1]}, but run {k + 1} reaches to {lasts[k]}: they overlap")
    if pixels is not None and lasts[-1] > pixels:
        raise RleError(f"run {len(runs)} reaches to pixel {lasts[-1]}, but the image has {pixels} pixels")
