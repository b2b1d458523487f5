"""Whether a flipped image is plausible: do the masks have a fixed place in the image?"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from maskfold.planning.constants import FLIP_LIMIT, FLIP_TIMES_CHANCE

_GRID = 12
_AXES = {"horizontal": 3, "vertical": 2}  # of (images, classes, rows, columns)


def mask_places(masks: np.ndarray) -> np.ndarray:
    """(C, 12, 12) float32: the covered share of each cell of a grid; masks: (C, H, W) uint8 in {0, 1}."""
    cells = np.zeros((len(masks), _GRID, _GRID), dtype=np.float32)
    for index in np.flatnonzero(masks.any(axis=(1, 2))):
        cells[index] = cv2.resize(masks[index].astype(np.float32), (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    return cells


def asymmetry(places: np.ndarray, flip: str) -> tuple[float, int]:
    """How much of the difference between masks and their flipped copies is the same in all images (0 to 1), and the
    number of images that differ from their flips at all.

    places: (images, C, 12, 12) as `mask_places` gives them; flip: horizontal or vertical. With d the difference of an
    image, it is |mean(d)|² / mean(|d|²): 1 if all images differ from their flips in one way; about 1 / images if the
    sign is chance, which is the case if every image is as likely as its flip.
    """
    differences = (places - np.flip(places, axis=_AXES[flip])).reshape(len(places), -1)
    energy = np.square(differences).sum(axis=1)
    moved = energy > 0
    if not moved.any():
        return 0.0, 0
    share = np.square(differences[moved].mean(axis=0)).sum() / energy[moved].mean()
    return float(share), int(moved.sum())


def plausible(share: float, images: int, flip: str) -> bool:
    """Whether flips make plausible images; share: see `asymmetry`, of so many images."""
    chance = 1 / max(1, images)
    return share - chance < FLIP_LIMIT[flip] or share < FLIP_TIMES_CHANCE * chance


def group_means(places: np.ndarray, groups: Sequence[object] | pd.Series | None) -> np.ndarray:
    """The mean places of each group, (groups, C, 12, 12): images of one group do not differ by chance."""
    if groups is None:
        return places
    table = pd.DataFrame(places.reshape(len(places), -1)).groupby(list(groups), sort=False).mean()
    return table.to_numpy().reshape(-1, *places.shape[1:])
