"""Small copies of images, made alike in light and contrast, and the short vectors by which look-alikes are found.

The fingerprint is the perceptual hash known as pHash (low frequencies of a cosine transform) before it is cut down to
bits: a product of two such vectors tells more than a count of differing bits and costs less.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy.fft import dctn

from maskfold.audit.images.turns import Turn

THUMB_PX = 12_288  # px of a thumbnail, 111 x 111 of a square: below, the detail that tells shots apart is gone
_SQUARE_PX = 64
_FREQUENCIES = 12
_SQUARE_SIGMA, _THUMB_SIGMA = 8.0, 4.0  # px; structure much larger than this counts as light
_STEPS = 32
_FLOOR = 2.0  # grey values; weaker contrast is noise and not to be blown up

FINGERPRINT = _FREQUENCIES**2


def thumbnail(grey: np.ndarray) -> np.ndarray:
    """(h, w) uint8: an image of (H, W) uint8 shrunk to at most THUMB_PX px with its sides' ratio kept."""
    factor = math.sqrt(THUMB_PX / grey.size)
    if factor >= 1:
        return grey.copy()
    size = max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA)


def normalised(grey: np.ndarray, sigma: float = _THUMB_SIGMA) -> np.ndarray:
    """(h, w) float32: what is left of (h, w) uint8 grey values when local light and contrast are taken out."""
    values = grey.astype(np.float32)
    values -= cv2.GaussianBlur(values, (0, 0), sigma)
    spread = cv2.sqrt(cv2.GaussianBlur(values * values, (0, 0), sigma))
    return np.asarray(values / (spread + _FLOOR), dtype=np.float32)


def packed(thumb: np.ndarray) -> np.ndarray:
    """(h, w) int8: `normalised` of a thumbnail in steps of 1/_STEPS, a quarter of the memory; see `unpacked`."""
    return np.clip(np.rint(normalised(thumb) * _STEPS), -127, 127).astype(np.int8)


def unpacked(small: np.ndarray) -> np.ndarray:
    """(h, w) float32 from `packed`."""
    return small.astype(np.float32) / _STEPS


def fingerprint(thumb: np.ndarray) -> np.ndarray:
    """(FINGERPRINT,) float32 of length 1, or 0 for an image without structure; thumb: (h, w) uint8."""
    square = cv2.resize(thumb, (_SQUARE_PX, _SQUARE_PX), interpolation=cv2.INTER_AREA)
    low = dctn(normalised(square, _SQUARE_SIGMA), norm="ortho")[:_FREQUENCIES, :_FREQUENCIES].astype(np.float32)
    low[0, 0] = 0
    length = float(np.linalg.norm(low))
    return low.ravel() / length if length > 1e-3 else np.zeros(FINGERPRINT, np.float32)


def flip_signs(flip: Turn) -> np.ndarray:
    """(FINGERPRINT,) float32 of -1 and 1: what turns a fingerprint into that of the flipped image; not transposed."""
    odd = np.where(np.arange(_FREQUENCIES) % 2 == 1, -1, 1).astype(np.float32)
    one = np.ones(_FREQUENCIES, np.float32)
    return np.outer(odd if flip.top_bottom else one, odd if flip.left_right else one).ravel()
