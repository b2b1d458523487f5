"""Label errors as annotators make them, drawn from a seed; what label_audit plants and looks for.

Sizes are those of a mask of 240x320 px: radii and shifts grow with the image's shorter side, areas with the image.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.data.competition import Competition
from maskfold.data.formats.mask_files import FileMasks

SHORT_SIDE = 240  # px, what the radii and shifts below are measured at
FEWEST_CHANGED = 0.01  # of the image's pixels; less cannot be seen
_TRIES = 20

LabelError = Callable[[np.ndarray, np.random.Generator], np.ndarray]


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


ERRORS: dict[str, LabelError] = {
    "swollen": swollen,
    "shifted": shifted,
    "stray_blob": stray_blob,
    "missing_part": missing_part,
    "emptied": emptied,
}


def with_error(mask: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray | None:
    """The mask with an error of a kind; None where twenty draws change too little to be seen.

    mask: (H, W) uint8 in {0, 1}.
    """
    for _ in range(_TRIES):
        wrong = ERRORS[kind](mask, rng)
        if (wrong != mask).mean() >= FEWEST_CHANGED:
            return wrong
    return None


def draw_kinds(count: int, share: float, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Which of `count` images get which error: a share of them, as many of each kind, in random order."""
    each = round(count * share / len(ERRORS))
    chosen = rng.permutation(count)[: each * len(ERRORS)].tolist()
    return [(index, kind) for place, index in enumerate(chosen) for kind in [list(ERRORS)[place % len(ERRORS)]]]


def _scaled(length: float, mask: np.ndarray) -> int:
    return max(1, round(length * min(mask.shape) / SHORT_SIDE))


def _flipped(mask: np.ndarray, value: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """The mask with `count` pixels of a value turned, those nearest to a random one of them."""
    rows, columns = np.nonzero(mask == value)
    wrong = mask.copy()
    if len(rows) == 0:
        return wrong
    centre = int(rng.integers(len(rows)))
    distance = (rows - rows[centre]) ** 2 + (columns - columns[centre]) ** 2
    nearest = np.argsort(distance, kind="stable")[:count]
    wrong[rows[nearest], columns[nearest]] = 1 - value
    return wrong


def plant_errors(competition: Competition, folder: Path, share: float, seed: int) -> pd.DataFrame:
    """Write every mask, a share of them with an error; returns image_id, kind and the changed share of the image.

    competition: of mask folders with one class and one mask file an image.
    """
    assert isinstance(competition.masks, FileMasks)
    folder.mkdir(parents=True)
    files = {image_id: Path(own[0][0]) for image_id, own in competition.masks.files.items()}
    ids = list(competition.train["image_id"])
    rng = np.random.default_rng(seed)
    rows = []
    for index, kind in draw_kinds(len(ids), share, rng):
        mask = competition.masks(ids[index])[0]
        wrong = with_error(mask, kind, rng)
        if wrong is not None:
            cv2.imwrite(str(folder / files[ids[index]].name), wrong * np.uint8(255))
            rows.append((ids[index], kind, round(float((wrong != mask).mean()), 4)))
    for image_id in set(ids) - {row[0] for row in rows}:
        shutil.copyfile(files[image_id], folder / files[image_id].name)
    return pd.DataFrame(rows, columns=["image_id", "kind", "changed_share"])
