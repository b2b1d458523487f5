"""Soft masks: probabilities of 8 bits, which are on from a half."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

HALF = 128  # the least q that counts as on: q/255 >= 0.5


def mean_mask(votes: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of at least one mask of equal shapes, uint8, 0 to 255, rounded half up.

    So a pixel is on, from HALF, where at least half of as many annotators see it.
    """
    count, total = len(votes), np.stack(votes).sum(axis=0, dtype=np.int64)
    return ((2 * total + count) // (2 * count)).astype(np.uint8)


def hard(soft: np.ndarray) -> np.ndarray:
    """Soft masks as masks, uint8 in {0, 1}."""
    return (soft >= HALF).astype(np.uint8)
