"""Exclusive classes: each pixel is of the most probable class, or of none where that does not beat the background."""

from __future__ import annotations

import numpy as np


def decided_maps(prob: np.ndarray, whole: int | np.ndarray = 255) -> np.ndarray:
    """Maps of which at most one is above 0 at each pixel: that of the most probable class, the first of equal ones.

    prob: (C, H, W) uint8 probabilities, q stands for q/255; what is missing from `whole`, a number or (H, W), is the
    background's. The value is the probability of that class against the background alone, 255 q / (q + background),
    rounded half up: at threshold 128 the masks are the argmax over classes and background, and other thresholds weigh
    the class against the background. Decided maps are decided already, so doing it twice changes nothing.
    Returns (C, H, W) uint8.
    """
    winner = prob.argmax(axis=0)[None]
    best = np.take_along_axis(prob, winner, axis=0).astype(np.int32)
    background = np.maximum(whole - prob.sum(axis=0, dtype=np.int32), 0)
    both = np.maximum(best + background, 1)
    decided = np.zeros(prob.shape, dtype=np.uint8)
    np.put_along_axis(decided, winner, ((510 * best + both) // (2 * both)).astype(np.uint8), axis=0)
    return decided
