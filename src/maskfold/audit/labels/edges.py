"""Where a label's edge lies against the prediction's: farther out or in all around, or shifted to one side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_COARSE_SIDE = 120  # px of the shorter side that shifts are looked for at
_SHIFT_SHARE = 0.1  # of the shorter side: the farthest shift that is looked for
_EDGE_SHARE = 0.05  # of the shorter side: the farthest displacement of an edge


@dataclass(frozen=True)
class EdgeShift:
    """One move of a whole label that makes it agree better with the probabilities.

    gain_px: how many sure pixels' worth of agreement is won by undoing it; one of probability p counts |2p - 1|^3.
    """

    gain_px: float = 0.0


@dataclass(frozen=True)
class Displacement(EdgeShift):
    """The label's edge against the prediction's, in px; positive where the label is swollen, negative if shrunken.

    px: the level of distance to the label's edge that agrees best; median_px: the signed distance from the prediction's
    edge, the median over the label's edge, so that a missing part or a blob does not move it.
    """

    px: int = 0
    median_px: float = 0.0

    @property
    def agreed_px(self) -> float:
        """The smaller of the two measures where both point the same way, else 0."""
        if self.px * self.median_px <= 0:
            return 0.0
        return min(abs(self.px), abs(self.median_px))


@dataclass(frozen=True)
class Translation(EdgeShift):
    """How far the label lies off, in px: down and to the right are positive."""

    down_px: int = 0
    right_px: int = 0


def reach_px(shape: tuple[int, ...]) -> int:
    """How far around a label its surroundings are looked at, in px of an image of this (height, width)."""
    return max(2, round(_SHIFT_SHARE * min(shape[:2])))


def displacement(signed: np.ndarray, truth: np.ndarray, predicted: np.ndarray, short_side: int) -> Displacement:
    """How much a label is swollen or shrunken, up to just below 5 % of the shorter side; else nothing.

    signed: (H, W) float32 in -1..1, (2p - 1)^3; truth, predicted: (H, W) uint8 in {0, 1}, neither blank; short_side: of
    the whole image, in px.
    """
    reach = max(2, round(_EDGE_SHARE * short_side))
    depth = np.clip(np.floor(_depth(truth)), -reach - 1, reach).astype(np.int64)
    # gains[i]: agreement of the pixels at depth i - reach - 1 or deeper.
    at_depth = np.bincount((depth + reach + 1).ravel(), weights=signed.ravel(), minlength=2 * reach + 2)
    gains = at_depth[::-1].cumsum()[::-1][1:]
    levels = np.arange(-reach, reach + 1)
    levels = levels[levels <= depth.max()]  # beyond, nothing of a thin label is left
    gains = gains[: len(levels)]
    order = np.argsort(np.abs(levels), kind="stable")
    best = order[gains[order].argmax()]
    if abs(levels[best]) == reach:  # no edge moved so far: a part that one side lacks
        return Displacement()
    distance = -_depth(predicted)[_inner_edge(truth)]
    median = float(np.median(np.clip(distance, -reach, reach))) if len(distance) else 0.0
    return Displacement(float(gains[best] - gains[reach]), int(levels[best]), median)


def translation(signed: np.ndarray, truth: np.ndarray, short_side: int) -> Translation:
    """How far a label is shifted: the best agreement of the moved label with the probabilities, by cross-correlation.

    Arguments as in `displacement`. Looked for at a shorter side of about 120 px; what enters the frame when a label is
    moved back continues its border.
    """
    factor = max(1, round(short_side / _COARSE_SIDE))
    coarse_truth, coarse_signed = _coarse(truth.astype(np.float32), factor), _coarse(signed, factor)
    reach = max(2, round(_SHIFT_SHARE * short_side / factor))
    padded = cv2.copyMakeBorder(coarse_truth, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    agreement = cv2.matchTemplate(padded, coarse_signed, cv2.TM_CCORR)
    row, column = np.unravel_index(int(agreement.argmax()), agreement.shape)
    down, right = int(row) - reach, int(column) - reach
    if reach in (abs(down), abs(right)):  # the best may be farther still: that is no shift, but another object
        return Translation()
    gain = max(0.0, float(agreement[row, column] - agreement[reach, reach])) * factor**2
    return Translation(gain, down * factor, right * factor)


def _coarse(plane: np.ndarray, factor: int) -> np.ndarray:
    """(ceil(H / factor), ceil(W / factor)) float32: means of squares, blank beyond the last row and column."""
    bottom, right = (-plane.shape[0]) % factor, (-plane.shape[1]) % factor
    padded = cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // factor, padded.shape[0] // factor)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA))


def _depth(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32: px from a pixel's centre to the mask's edge, positive inside; neither blank nor full."""
    inside = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where(mask > 0, inside - 0.5, 0.5 - outside)


def _inner_edge(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the mask's pixels next to background; the image's border is no edge."""
    eroded = cv2.erode(mask, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    edge = (mask > 0) & (eroded == 0)
    edge[[0, -1]] = edge[:, [0, -1]] = False
    return edge
