"""From the values that an image file stores to the range that networks and eyes take."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STORED_TYPES = ("uint8", "uint16", "int16", "float32")  # of pixels in memory; what OpenCV resizes

_LOW, _HIGH = 0.5, 99.5  # percentiles of what is shown of an image that has more than 8 bits


class Intensity(NamedTuple):
    """The range of stored values that a network sees as 0..1: lower values are 0, higher ones 1.

    stored: the type of the files' values, of STORED_TYPES; low, high: one number a channel, low below high.
    """

    stored: str
    low: tuple[float, ...]
    high: tuple[float, ...]

    def scaled(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, K) stored values as float32 in 0..1."""
        low, high = (np.asarray(numbers, dtype=np.float32) for numbers in (self.low, self.high))
        return np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)

    def repeated(self, images: int) -> Intensity:
        """The range for several images, whose channels follow each other."""
        return self._replace(low=self.low * images, high=self.high * images)

    def unscaled(self, values: np.ndarray) -> np.ndarray:
        """(H, W, K) float32 in 0..1 as values of the files' range, float32."""
        low, high = (np.asarray(numbers, dtype=np.float32) for numbers in (self.low, self.high))
        return low + np.clip(values, 0, 1).astype(np.float32) * (high - low)


def as_stored_type(image: np.ndarray) -> np.ndarray:
    """The image in the type of STORED_TYPES that holds its values: booleans as 0 and 255, wide numbers as float32.

    Raises TypeError for values that are no real numbers.
    """
    if image.dtype.name in STORED_TYPES:
        return image
    if image.dtype == np.bool_:
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype == np.int8:
        return image.astype(np.int16)
    if image.dtype.kind not in "iuf":
        raise TypeError(f"found values of type {image.dtype}, expected real numbers")
    return image.astype(np.float32)


def to_eight_bits(image: np.ndarray) -> np.ndarray:
    """(H, W, K) uint8 to look at: 8 bits as they are, deeper images between two percentiles of their own values."""
    if image.dtype == np.uint8:
        return image
    low, high = np.percentile(image, (_LOW, _HIGH))
    scaled = (image.astype(np.float32) - low) / max(high - low, np.finfo(np.float32).tiny)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
