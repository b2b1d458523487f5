"""The objects that masks show: how wide, how large, how thin, how near the border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from maskfold.planning.constants import SPECK


class Objects(NamedTuple):
    """The connected components of some masks of one class; one number an object.

    width_px: of the largest circle inside; area_px; thinness: longer side of the bounding box by the width; at_border.
    """

    width_px: np.ndarray
    area_px: np.ndarray
    thinness: np.ndarray
    at_border: np.ndarray


NO_OBJECTS = Objects(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))


def objects_of(mask: np.ndarray) -> Objects:
    """The 8-connected objects of a mask, (H, W) uint8 in {0, 1}, without specks: less than SPECK of the largest one."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count == 1:
        return NO_OBJECTS
    # Pixels outside the image are no background: an object that is cut by the border is not narrower for it.
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    area = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(area >= SPECK * area.max())
    left, top, wide, high, area = stats[kept].T
    radius = []
    for label, x, y, w, h in zip(kept, left, top, wide, high, strict=True):
        place = slice(y, y + h), slice(x, x + w)
        radius.append(distance[place][labels[place] == label].max())
    width = 2 * np.array(radius, dtype=np.float64) - 1
    border = (left == 0) | (top == 0) | (left + wide == mask.shape[1]) | (top + high == mask.shape[0])
    longest = np.maximum(wide, high)
    width = np.minimum(width, longest)  # a mask that covers the image has no border to measure from
    return Objects(width, area.astype(np.float64), longest / np.maximum(width, 1), border)


def joined(parts: Sequence[Objects]) -> Objects:
    """The objects of several masks."""
    return Objects(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else NO_OBJECTS
