"""Label faults as annotators make them, drawn from a seed; what benchmarks/label_audit.py plants and looks for.

Sizes are those of a mask of 240x320 px: radii and shifts grow with the image's shorter side, areas with the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

SHORT_SIDE = 240  # px, what the radii and shifts below are measured at
FEWEST_CHANGED = 0.01  # of the image's pixels; less is no visible fault
_TRIES = 20

Fault = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def swollen(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) uint8 in {0, 1}, its edge 5 to 9 px farther out all around."""
    radius = _scaled(int(rng.integers(5, 10)), mask)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask, disc))


def shifted(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) uint8 in {0, 1}, moved by 8 to 20 px in any direction; what enters the frame is background."""
    length, angle = _scaled(rng.uniform(8, 20), mask), rng.uniform(0, 2 * math.pi)
    move = np.array([[1, 0, round(length * math.cos(angle))], [0, 1, round(length * math.sin(angle))]], np.float32)
    return np.asarray(cv2.warpAffine(mask, move, mask.shape[::-1], flags=cv2.INTER_NEAREST))


def stray_blob(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) uint8 in {0, 1} with 3 to 8 % of the image added, round a point of the background."""
    return _flipped(mask, 0, round(rng.uniform(0.03, 0.08) * mask.size), rng)


def missing_part(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) uint8 in {0, 1} without 20 to 50 % of its pixels, those nearest to one of them."""
    return _flipped(mask, 1, round(rng.uniform(0.2, 0.5) * int(mask.sum())), rng)


def emptied(mask: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """(H, W) uint8, all zero."""
    return np.zeros_like(mask)


FAULTS: dict[str, Fault] = {
    "swollen": swollen,
    "shifted": shifted,
    "stray_blob": stray_blob,
    "missing_part": missing_part,
    "emptied": emptied,
}


def planted(mask: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray | None:
    """The mask with a fault of a kind; None where twenty draws change too little to be seen.

    mask: (H, W) uint8 in {0, 1}.
    """
    for _ in range(_TRIES):
        faulty = FAULTS[kind](mask, rng)
        if (faulty != mask).mean() >= FEWEST_CHANGED:
            return faulty
    return None


def draw_kinds(count: int, share: float, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Which of `count` images get which fault: a share of them, as many of each kind, in random order."""
    each = round(count * share / len(FAULTS))
    chosen = rng.permutation(count)[: each * len(FAULTS)].tolist()
    return [(index, kind) for place, index in enumerate(chosen) for kind in [list(FAULTS)[place % len(FAULTS)]]]


def _scaled(length: float, mask: np.ndarray) -> int:
    return max(1, round(length * min(mask.shape) / SHORT_SIDE))


def _flipped(mask: np.ndarray, value: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """The mask with `count` pixels of a value turned, those nearest to a random one of them."""
    rows, columns = np.nonzero(mask == value)
    faulty = mask.copy()
    if len(rows) == 0:
        return faulty
    centre = int(rng.integers(len(rows)))
    distance = (rows - rows[centre]) ** 2 + (columns - columns[centre]) ** 2
    nearest = np.argsort(distance, kind="stable")[:count]
    faulty[rows[nearest], columns[nearest]] = 1 - value
    return faulty
