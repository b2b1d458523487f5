"""Truth and prediction drawn over an image: truth in red, prediction in green, both in yellow."""

from __future__ import annotations

import cv2
import numpy as np

TRUTH = (224, 49, 49)  # RGB
PREDICTION = (47, 178, 88)
BOTH = (250, 204, 21)
MOST_SIDE_PX = 800
LEAST_SIDE_PX = 320


def overlay(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The picture of one image and class, scaled to fit a page.

    image: (H, W, 1 or 3) uint8 grey or RGB; truth, prediction: (H, W) uint8 in {0, 1}. Returns (h, w, 3) uint8 RGB with
    translucent areas and solid outlines.
    """
    factor = _factor(image.shape[0], image.shape[1])
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    picture = np.array(np.broadcast_to(picture.reshape(size[1], size[0], -1), (size[1], size[0], 3)))
    true, predicted = (cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0 for mask in (truth, prediction))
    for area, colour in ((true & ~predicted, TRUTH), (predicted & ~true, PREDICTION), (true & predicted, BOTH)):
        tinted = 0.72 * picture[area] + 0.28 * np.array(colour)
        picture[area] = np.rint(tinted).astype(np.uint8)
    for mask, colour in ((true, TRUTH), (predicted, PREDICTION)):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, colour, 1, cv2.LINE_8)
    return picture


def _factor(height: int, width: int) -> float:
    """Shrink large images to the page's width, enlarge tiny ones until they can be seen."""
    longest = max(height, width)
    if longest > MOST_SIDE_PX:
        return MOST_SIDE_PX / longest
    return min(3.0, LEAST_SIDE_PX / longest) if longest < LEAST_SIDE_PX else 1.0
