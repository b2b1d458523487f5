"""Whether two copies of one photo show different things at a place, e.g. because an object was pasted into one."""

from __future__ import annotations

import cv2
import numpy as np

CHANGED = 0.2  # of the px in question; from here on the images differ there, not only their labels
_MOST_PX = 2**18  # larger images are compared at this size
_BLUR = 1.0  # px: noise of compression is no change
_QUANTILE = 0.99  # of the differences elsewhere: what a change must exceed
_FLOOR = 6.0  # grey values; a smaller difference is none
_LEAST_PX = 256  # to tell how much copies differ elsewhere


def changed_share(
    first: np.ndarray, second: np.ndarray, seen: np.ndarray, labelled: np.ndarray, disputed: np.ndarray, slack: int
) -> float:
    """The share of the disputed px at which the two images differ more than they do elsewhere, 0..1.

    first, second: (H, W) uint8 grey values, the second laid over the first; seen: (H, W) uint8 in {0, 1}, what both
    show; labelled: what either is labelled to show; disputed: where only one is; slack: px by which they may be moved.
    Light and contrast of the whole image do not count.
    """
    factor = min(1.0, (_MOST_PX / first.size) ** 0.5)
    size = max(1, round(first.shape[1] * factor)), max(1, round(first.shape[0] * factor))
    smaller = (cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) for image in (first, second))
    grey = [cv2.GaussianBlur(image, (0, 0), _BLUR) for image in smaller]
    both, known, asked = (
        cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0 for mask in (seen, labelled, disputed)
    )
    elsewhere = both & ~known
    if np.count_nonzero(elsewhere) < _LEAST_PX:
        elsewhere = both
    asked &= both
    if not asked.any():
        return 0.0
    one, other = (_levelled(image, elsewhere) for image in grey)
    radius = max(1, round(slack * factor))
    difference = np.maximum(_beyond(one, other, radius), _beyond(other, one, radius))
    limit = max(_FLOOR, float(np.quantile(difference[elsewhere], _QUANTILE)))
    return float((difference[asked] > limit).mean())


def _levelled(image: np.ndarray, elsewhere: np.ndarray) -> np.ndarray:
    """With the mean 128 and the standard deviation 40 where the images are known to show the same."""
    values = image[elsewhere]
    return (image - values.mean()) * (40 / max(1.0, float(values.std()))) + 128


def _beyond(image: np.ndarray, other: np.ndarray, radius: int) -> np.ndarray:
    """By how much each value lies outside all that the other image has within `radius` px."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    low, high = cv2.erode(other, kernel), cv2.dilate(other, kernel)
    return np.maximum(np.maximum(image - high, low - image), 0)
