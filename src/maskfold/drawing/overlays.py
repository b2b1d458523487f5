"""Truth and prediction drawn over an image: truth in red, prediction in green, both in yellow."""

from __future__ import annotations

import cv2
import numpy as np

from maskfold.drawing.painting import outline, shade_ignored, tint

TRUTH = (224, 49, 49)  # RGB
PREDICTION = (47, 178, 88)
BOTH = (250, 204, 21)
_TINT = 0.28
_MOST_SIDE_PX, _LEAST_SIDE_PX = 800, 320


def overlay(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, ignored: np.ndarray | None = None
) -> np.ndarray:
    """The picture of one image and class, scaled to fit a page.

    image: (H, W, 1 or 3) uint8 grey or RGB; truth, prediction, ignored: (H, W) uint8 in {0, 1}. Returns (h, w, 3) uint8
    RGB with translucent areas and solid outlines, over grey where pixels are ignored.
    """
    factor = _factor(image.shape[0], image.shape[1])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    picture = np.array(np.broadcast_to(picture.reshape(size[1], size[0], -1), (size[1], size[0], 3)))
    shade_ignored(picture, ignored)
    true, predicted = (cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0 for mask in (truth, prediction))
    for area, colour in ((true & ~predicted, TRUTH), (predicted & ~true, PREDICTION), (true & predicted, BOTH)):
        tint(picture, area, colour, _TINT)
    for mask, colour in ((true, TRUTH), (predicted, PREDICTION)):
        outline(picture, mask.astype(np.uint8), colour)
    return picture


def _factor(height: int, width: int) -> float:
    """Shrink large images to the page's width, enlarge tiny ones until they can be seen."""
    longest = max(height, width)
    if longest > _MOST_SIDE_PX:
        return _MOST_SIDE_PX / longest
    return min(3.0, _LEAST_SIDE_PX / longest) if longest < _LEAST_SIDE_PX else 1.0
