"""How well two tiles of one photo fit: at the same scale, any shift at which both show a quarter of the smaller."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2

from maskfold.audit.images.alignment import Fit, Small, likeness_at
from maskfold.audit.images.turns import Turn, turned

LEAST_OVERLAP = 0.25  # of the smaller tile's area; of less, too little is seen to tell
_PEAKS = 4  # shifts that are looked at: what repeats, as windows do, has several
_NEAR_PX = 3  # of a thumbnail; shifts that differ less are one
_PARTS = 0.5  # likeness; of less, nobody takes two images for parts of one photo
_RIVAL = 0.9  # of the best likeness; what fits elsewhere as well as that repeats, and no shift is the right one


def tile_fit(first: Small, second: Small, turn: Turn) -> Fit:
    """The best fit of `second`, turned, over `first`; of likeness 0 where another shift fits as well."""
    scale = first.small.shape[0] / first.size[0], first.small.shape[1] / first.size[1]
    frame = second.size[::-1] if turn.transposed else second.size
    height, width = (max(1, round(side * factor)) for side, factor in zip(frame, scale, strict=True))
    other = np.ascontiguousarray(turned(second.small, turn))
    if other.shape != (height, width):
        other = cv2.resize(other, (width, height), interpolation=cv2.INTER_LINEAR)
    likeness, down, right = _best_shift(first.small, other)
    return Fit(likeness, turn, (float(frame[0]), float(frame[1])), (down / scale[0], right / scale[1]))


def _best_shift(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """The likeness and (down, right) of the shift at which the two are most alike, to parts of a px.

    A sum over few px reaches less by chance than one over many, so the sums are divided by the root of their number.
    """
    height, width = (next_fast_len(a + b, real=True) for a, b in zip(first.shape, second.shape, strict=True))
    spectrum = rfft2(first, (height, width))
    spectrum *= np.conj(rfft2(second, (height, width)))
    sums = irfft2(spectrum, (height, width))
    down, right = (np.arange(1 - b, a) for a, b in zip(first.shape, second.shape, strict=True))
    covered = np.outer(
        *(_covered(moved, *sides) for moved, *sides in zip((down, right), first.shape, second.shape, strict=True))
    )
    enough = covered >= LEAST_OVERLAP * min(first.size, second.size)
    heights = np.where(enough, sums[down[:, None], right] / np.sqrt(np.maximum(covered, 1)), -np.inf)
    peaks = _peaks(heights)
    likeness = [likeness_at(first, second, int(down[row]), int(right[column])) for row, column in peaks]
    best = int(np.argmax(likeness))
    row, column = peaks[best]
    tops = _other_tops(heights, row, column) if likeness[best] >= _PARTS else []
    others = [(int(down[row]), int(right[column])) for row, column in tops]
    if any(likeness_at(first, second, *other) >= _RIVAL * likeness[best] for other in others):
        return 0.0, float(down[row]), float(right[column])
    moved = int(down[row]), int(right[column])
    part = _part(heights, row, column)
    matrix = np.array([[1, 0, part[1]], [0, 1, part[0]]])
    between = cv2.warpAffine(second, matrix, second.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    finer = likeness_at(first, between, *moved)
    if finer > likeness[best]:
        return finer, moved[0] + part[0], moved[1] + part[1]
    return likeness[best], float(moved[0]), float(moved[1])


def _peaks(heights: np.ndarray) -> list[tuple[int, int]]:
    """(row, column) of the highest values that lie more than _NEAR_PX apart."""
    found, left = [], heights.copy()
    for _ in range(_PEAKS):
        row, column = divmod(int(left.argmax()), left.shape[1])
        found.append((row, column))
        left[max(0, row - _NEAR_PX) : row + _NEAR_PX + 1, max(0, column - _NEAR_PX) : column + _NEAR_PX + 1] = -np.inf
    return found


def _other_tops(heights: np.ndarray, row: int, column: int) -> list[tuple[int, int]]:
    """(row, column) of the highest values that no neighbour exceeds, more than _NEAR_PX from the given one."""
    tops = (heights == cv2.dilate(heights, np.ones((3, 3), np.uint8))) & np.isfinite(heights)
    tops[max(0, row - _NEAR_PX) : row + _NEAR_PX + 1, max(0, column - _NEAR_PX) : column + _NEAR_PX + 1] = False
    rows, columns = np.nonzero(tops)
    strongest = np.argsort(-heights[rows, columns], kind="stable")[:_PEAKS]
    return list(zip(rows[strongest].tolist(), columns[strongest].tolist(), strict=True))


def _part(heights: np.ndarray, row: int, column: int) -> tuple[float, float]:
    """By which parts of a px (down, right) parabolas through a peak and its neighbours peak next to it."""
    down = _top_of_parabola(heights[max(0, row - 1) : row + 2, column])
    return down, _top_of_parabola(heights[row, max(0, column - 1) : column + 2])


def _covered(moved: np.ndarray, first: int, second: int) -> np.ndarray:
    """How many px of a side of length `first` a side of length `second` covers at each move."""
    return np.minimum(first, second + moved) - np.maximum(0, moved)


def _top_of_parabola(values: np.ndarray) -> float:
    """Where the parabola through three values at -1, 0 and 1 peaks, -0.5..0.5; 0 where there is none."""
    if len(values) < 3 or not np.isfinite(values).all():
        return 0.0
    bend = float(values[0] - 2 * values[1] + values[2])
    return 0.0 if bend >= 0 else max(-0.5, min(0.5, 0.5 * float(values[0] - values[2]) / bend))
