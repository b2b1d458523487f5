"""Run-length encoding of masks as Kaggle writes it: one-based "start length" pairs, column- or row-major.

Severstal, airbus and most Kaggle competitions number the pixels down the columns ("column"); PicsArt's and some
others along the rows ("row"). The empty text is the empty mask.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

Order = Literal["column", "row"]

# int64 holds every number of 18 digits; longer ones are out of any image's range anyway.
_MAX_DIGITS = 18
_PLAIN = "0123456789 "


class RleError(ValueError):
    """A text that is no run-length encoding of a mask of the given size; the message says why."""


def encode(mask: np.ndarray, order: Order = "column") -> str:
    """The runs of a mask, sorted, never touching.

    mask: (H, W) bool or integer; non-zero pixels are on. Returns one-based "start length start length …", "" for a
    blank mask.
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask to encode has shape (H, W); found {mask.shape}")
    if not mask.any():
        return ""
    pixels = np.ascontiguousarray(mask != 0).view(np.uint8)
    # OpenCV transposes bytes ten times as fast as NumPy.
    flat = (cv2.transpose(pixels) if order == "column" else pixels).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = [np.zeros(flat[0], np.int64), changes, np.full(flat[-1], flat.size)]
    edges = np.concatenate(ends).reshape(-1, 2)  # start and end of each run
    edges[:, 1] -= edges[:, 0]
    edges[:, 0] += 1
    return runs_text(edges)


def runs_text(runs: np.ndarray) -> str:
    """Runs, (n, 2) integers of start and length, as a text; "" for none."""
    return " ".join(map(str, runs.ravel().tolist()))


def parse_runs(text: str, pixels: int | None = None) -> np.ndarray:
    """The runs of an RLE text, checked.

    pixels: H * W of the mask the runs must fit in; None leaves the upper bound unchecked. Returns (runs, 2) int64:
    one-based start and length, sorted, not overlapping (runs may touch). Raises RleError.
    """
    if text.strip(_PLAIN):  # there is something other than digits and spaces, which NumPy would stop at
        words = text.split()
        _check_words(words)
        text = " ".join(words)
    # Of blanks alone NumPy makes a 0; numbers beyond int64 become its largest.
    numbers = np.fromstring(text, dtype=np.int64, sep=" ") if text.strip() else np.empty(0, dtype=np.int64)
    if len(numbers) % 2 or (numbers >= 10**_MAX_DIGITS).any():
        _check_words(text.split())
    runs = numbers.reshape(-1, 2)
    _check_runs(runs, pixels)
    return runs


def absolute_runs(text: str) -> str:
    """Relative run lengths as absolute ones.

    Each start counts the pixels from the end of the run before it, the first from the first pixel, which is 0: the form
    of SIIM-ACR (https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation/data). Raises RleError where the text is no
    list of pairs of whole numbers from 0; whether the runs are in range is for parse_runs to say.
    """
    words = text.split()
    if not words:
        return ""
    _check_words(words)
    if sum(map(int, words)) >= 2**63 - 1:
        raise RleError("the runs reach out of any image's range")
    pairs = np.array(list(map(int, words)), dtype=np.int64).reshape(-1, 2)
    ends = pairs.sum(axis=1).cumsum()
    pairs[:, 0] = ends - pairs[:, 1] + 1
    return runs_text(pairs)


def relative_runs(text: str) -> str:
    """Absolute run lengths as relative ones, see absolute_runs. Raises RleError."""
    runs = parse_runs(text)
    if not len(runs):
        return ""
    ends = np.r_[1, runs.sum(axis=1)[:-1]]
    runs = np.stack([runs[:, 0] - ends, runs[:, 1]], axis=1)
    return runs_text(runs)


def decode(text: str, height: int, width: int, order: Order = "column") -> np.ndarray:
    """The mask an RLE text stands for.

    Returns (height, width) uint8 in {0, 1}, C-contiguous. Raises RleError when the text has an odd count of numbers,
    something that is no number, runs that are unsorted, overlap, are empty or leave the image.
    """
    if not text:
        return np.zeros((height, width), dtype=np.uint8)
    runs = parse_runs(text, height * width)
    edges = np.zeros(2 * len(runs) + 2, dtype=np.int64)  # where pixels turn on and off: 0, start, end, …, last
    edges[1:-1:2], edges[2:-1:2], edges[-1] = runs[:, 0] - 1, runs.sum(axis=1) - 1, height * width
    values = np.zeros(len(edges) - 1, dtype=np.uint8)
    values[1::2] = 1
    flat = np.repeat(values, np.diff(edges))
    return cv2.transpose(flat.reshape(width, height)) if order == "column" else flat.reshape(height, width)


def area(text: str) -> int:
    """How many pixels an RLE text switches on. Raises RleError."""
    return int(parse_runs(text)[:, 1].sum())


def _check_words(words: list[str]) -> None:
    """Refuse what are no pairs of whole numbers."""
    joined = "".join(words)
    if words and not (joined.isascii() and joined.isdigit()):
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
    """Refuse runs that are not sorted, overlap, are empty or leave the image."""
    if not len(runs):
        return
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
