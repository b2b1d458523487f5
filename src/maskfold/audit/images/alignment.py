"""How well one image lies over another: the shift that fits best, and how alike the two are where they overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2

from maskfold.audit.images.turns import Turn, turned

MOST_SHIFT = 0.15  # of a side; what is further apart is another view
_LEAST_OVERLAP_PX = 256
_ALIKE_SHAPES = 0.02  # relative; frames that differ less are one
_LEAST_SCALE = 0.5  # between two photos of the same scale one side may be so much shorter

Size = tuple[int, int]


@dataclass(frozen=True)
class Small:
    """A thumbnail made alike in light and contrast. small: (h, w) float32; size: (height, width) px of its image."""

    small: np.ndarray
    size: Size


@dataclass(frozen=True)
class Fit:
    """The second image, turned, resized to `frame` and moved by `shift`, over the first.

    likeness: correlation of the two where they overlap, -1..1, light and contrast taken out; frame: (height, width) of
    the turned image and shift: (down, right), both in px of the first image.
    """

    likeness: float
    turn: Turn
    frame: tuple[float, float]
    shift: tuple[float, float]


def best_fit(first: Small, second: Small, flip: Turn) -> Fit:
    """The better fit of two ways to lay `second` over `first`: stretched to its size, or at the same scale of px.

    flip: one that does not transpose.
    """
    scale = first.small.shape[0] / first.size[0], first.small.shape[1] / first.size[1]
    fits = []
    for frame in _frames(first.size, second.size):
        height, width = (max(1, round(side * factor)) for side, factor in zip(frame, scale, strict=True))
        other = np.ascontiguousarray(turned(second.small, flip))
        if other.shape != (height, width):
            other = cv2.resize(other, (width, height), interpolation=cv2.INTER_LINEAR)
        likeness, down, right = correlate(first.small, other)
        fits.append(Fit(likeness, flip, frame, (down / scale[0], right / scale[1])))
    return max(fits, key=lambda fit: fit.likeness)


def _frames(first: Size, second: Size) -> Iterator[tuple[float, float]]:
    """The sizes, in px of the first image, at which the second may lie over it."""
    yield float(first[0]), float(first[1])
    ratios = [min(a, b) / max(a, b) for a, b in zip(first, second, strict=True)]
    if _LEAST_SCALE <= min(ratios) < 1 - _ALIKE_SHAPES:
        yield float(second[0]), float(second[1])


def correlate(first: np.ndarray, second: np.ndarray) -> tuple[float, int, int]:
    """The shift (down, right) of `second` at which it is most alike to `first`, and the correlation there.

    first, second: (h, w) float32, of one scale. The shift is that of the highest peak of the cross-correlation.
    """
    height, width = (
        next_fast_len(max(a, b) + round(MOST_SHIFT * max(a, b)), real=True)
        for a, b in zip(first.shape, second.shape, strict=True)
    )
    spectrum = rfft2(first, (height, width))
    spectrum *= np.conj(rfft2(second, (height, width)))
    peaks = irfft2(spectrum, (height, width))
    rows, columns = _shifts(height, first.shape[0], second.shape[0]), _shifts(width, first.shape[1], second.shape[1])
    near = peaks[rows[:, None], columns]
    row, column = divmod(int(near.argmax()), near.shape[1])
    down, right = int(rows[row]), int(columns[column])
    return likeness_at(first, second, down, right), down, right


def _shifts(padded: int, first: int, second: int) -> np.ndarray:
    """The shifts along one side that are looked at; between unlike lengths all that keep the shorter inside, too."""
    reach = round(MOST_SHIFT * min(first, second))
    low, high = min(0, first - second) - reach, max(0, first - second) + reach
    return np.arange(max(low, first - padded), min(high, padded - second) + 1)


def shared(first: Size, second: Size, down: int, right: int) -> tuple[slice, slice]:
    """The rows and columns of the first that the second covers once it is moved; sizes: (height, width)."""
    return tuple(  # type: ignore[return-value]
        slice(max(0, moved), max(0, min(one, other + moved)))
        for one, other, moved in zip(first, second, (down, right), strict=True)
    )


def likeness_at(first: np.ndarray, second: np.ndarray, down: int, right: int) -> float:
    """Pearson's correlation where they overlap; 0 where that is too little or blank."""
    one, other = overlapping(first, second, down, right)
    return 0.0 if one.size < _LEAST_OVERLAP_PX else correlation(one, other)


def overlapping(first: np.ndarray, second: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of both that lie over each other once the second is moved."""
    rows, columns = shared(first.shape, second.shape, down, right)
    own = second[rows.start - down : rows.stop - down, columns.start - right : columns.stop - right]
    return first[rows, columns], own


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation of two arrays of one shape; 0 where either is blank."""
    one, other = one - one.mean(), other - other.mean()
    power = float((one * one).sum()) * float((other * other).sum())
    return float((one * other).sum()) / power**0.5 if power > 0 else 0.0
