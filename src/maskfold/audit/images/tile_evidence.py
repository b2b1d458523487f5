"""Whether two images that fit like tiles of one photo are parts of one: chance fits smooth, small and sparse ones.

The fit is that of values whose light and contrast were taken out, of which a smooth image has few that are independent.
In parts of one photo the grey values themselves agree, and in every block that shows something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from maskfold.audit.images.alignment import Fit, correlation, overlapping
from maskfold.audit.images.turns import turned

_BLOCK_PX = 10  # of a thumbnail, a side of a block: few things in smooth images are smaller
_CONTRAST = 3.0  # grey values; standard deviation of a block that shows something
_LEAST_BLOCKS = 8  # that show something
_WORST = 10  # per cent of them may be less alike
_ALIKE_BLOCK, _ALIKE = 0.65, 0.9  # correlation within a block, and in all that both show


def show_one_photo(first: np.ndarray, second: np.ndarray, size: tuple[int, int], fit: Fit) -> bool:
    """Whether the grey values agree where the second thumbnail lies over the first.

    first, second: (h, w) uint8, of one scale; size: (height, width) px of the first's image.
    """
    one, other = _where_both_show(first, second, size, fit)
    if correlation(one, other) < _ALIKE:
        return False
    blocks = [pair for pair in _blocks(one, other) if max(part.std() for part in pair) >= _CONTRAST]
    if len(blocks) < _LEAST_BLOCKS:
        return False
    return bool(np.percentile([correlation(*pair) for pair in blocks], _WORST) >= _ALIKE_BLOCK)


def _where_both_show(
    first: np.ndarray, second: np.ndarray, size: tuple[int, int], fit: Fit
) -> tuple[np.ndarray, np.ndarray]:
    """The parts (h, w) float32 of both thumbnails that show the same at this fit."""
    scale = first.shape[0] / size[0], first.shape[1] / size[1]
    height, width = (max(1, round(side * factor)) for side, factor in zip(fit.frame, scale, strict=True))
    laid: np.ndarray[Any, Any] = np.ascontiguousarray(turned(second, fit.turn)).astype(np.float32)
    if laid.shape != (height, width):
        laid = cv2.resize(laid, (width, height), interpolation=cv2.INTER_LINEAR)
    moved = [shift * factor for shift, factor in zip(fit.shift, scale, strict=True)]
    down, right = round(moved[0]), round(moved[1])
    part = np.array([[1, 0, moved[1] - right], [0, 1, moved[0] - down]])
    laid = cv2.warpAffine(laid, part, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return overlapping(first.astype(np.float32), laid, down, right)


def _blocks(one: np.ndarray, other: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Both cut into the same blocks of about _BLOCK_PX a side."""
    edges = [np.linspace(0, side, max(1, side // _BLOCK_PX) + 1).astype(int) for side in one.shape]
    for top, bottom in zip(edges[0][:-1], edges[0][1:], strict=True):
        for left, right in zip(edges[1][:-1], edges[1][1:], strict=True):
            yield one[top:bottom, left:right], other[top:bottom, left:right]
