"""Soft edges: from a mask and its probabilities to how opaque each pixel is."""

from __future__ import annotations

import cv2
import numpy as np

_RAMP_LEVELS = 96  # of 255, from clear to opaque, centred on the threshold


def opacity(mask: np.ndarray, prob: np.ndarray, threshold: int, soft_edge_px: float) -> np.ndarray:
    """How opaque a mask is: (H, W) uint8, 0 clear to 255 opaque.

    Within `soft_edge_px` of the mask's edge opacity follows the probability around the threshold, so that it is soft
    where the networks doubt, and then blurs over the same distance; beyond, and everywhere at 0 px, it is the mask.
    mask: (H, W) uint8 in {0, 1}; prob: (H, W) uint8; threshold: 1..255, where the mask begins.
    """
    hard = mask * np.uint8(255)
    if soft_edge_px <= 0 or not mask.any():
        return hard
    reach = max(1, round(soft_edge_px))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ramp = cv2.LUT(prob, _ramp(threshold))
    soft = np.minimum(ramp, cv2.dilate(hard, element))
    soft = np.maximum(soft, cv2.erode(hard, element, borderType=cv2.BORDER_REPLICATE))
    return cv2.GaussianBlur(soft, (0, 0), soft_edge_px / 2)


def _ramp(threshold: int) -> np.ndarray:
    """(256,) uint8: opacity by probability, 128 at the threshold."""
    levels = np.arange(256, dtype=np.float64)
    return np.clip(np.rint(127.5 + (levels - threshold + 0.5) * 255 / _RAMP_LEVELS), 0, 255).astype(np.uint8)
