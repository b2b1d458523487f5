"""Small patches around the marked places of a thumbnail, by which images that share only a part are found."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

PATCH = 8  # values along a side of a patch, two px of the thumbnail apart
_MOST = 80  # places of an image
_MARGIN = 8  # px of the thumbnail: what a patch reaches
_FINE, _COARSE = 1.0, 2.5  # px: blobs of about this size are places
_APART = np.ones((5, 5), np.uint8)
_STEPS = 32


class LocalFeatures(NamedTuple):
    """places: (n, 2) uint16, row and column in the thumbnail; patches: (n, PATCH, PATCH) int8."""

    places: np.ndarray
    patches: np.ndarray


def local_features(small: np.ndarray) -> LocalFeatures:
    """The strongest light and dark blobs (differences of two Gaussian blurs) and what is around each.

    small: (h, w) float32, a thumbnail with light and contrast taken out.
    """
    smooth = cv2.GaussianBlur(small, (0, 0), _FINE)
    blobs = np.abs(smooth - cv2.GaussianBlur(small, (0, 0), _COARSE))
    peaks = (blobs == cv2.dilate(blobs, _APART)) & (blobs > 0)
    inner = np.zeros_like(peaks)
    inner[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = True
    rows, columns = np.nonzero(peaks & inner)
    strongest = np.argsort(-blobs[rows, columns], kind="stable")[:_MOST]
    rows, columns = rows[strongest], columns[strongest]
    around = np.arange(-PATCH + 1, PATCH, 2)
    patches = smooth[(rows[:, None] + around)[:, :, None], (columns[:, None] + around)[:, None, :]]
    packed = np.clip(np.rint(patches * _STEPS), -127, 127).astype(np.int8)
    return LocalFeatures(np.stack([rows, columns], axis=1).astype(np.uint16), packed)
