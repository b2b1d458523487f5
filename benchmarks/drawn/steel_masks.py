"""Masks in the shape of Severstal's defects: real ones from a folder of labels, or drawn ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.measuring.benchmark import say
from maskfold.pixels.rle import encode

HEIGHT, WIDTH, CLASSES = 256, 1600, 4
_SHARES = (0.07, 0.02, 0.41, 0.06)  # of the images that show each class, as in Severstal's training set
_DRAWN_IMAGES = 1500

Runs = dict[tuple[str, int], str]  # (image id, class 0..3) -> run lengths, column-major


def steel_masks(labels: Path | None) -> tuple[list[str], Runs]:
    """Image ids and the run lengths of the masks that are not empty.

    labels: a folder with Severstal's train.csv (ImageId,ClassId,EncodedPixels) and images.csv (ImageId); None: drawn.
    """
    if labels is None:
        say(f"{_DRAWN_IMAGES} drawn label sets of {HEIGHT}x{WIDTH} px (--labels FOLDER: Severstal's)")
        return _drawn()
    rows = pd.read_csv(labels / "train.csv")
    runs = {(name, number - 1): text for name, number, text in rows.itertuples(index=False) if isinstance(text, str)}
    return pd.read_csv(labels / "images.csv")["ImageId"].tolist(), runs


def _drawn() -> tuple[list[str], Runs]:
    """The same masks every time."""
    rng = np.random.default_rng(0)
    names = [f"{number:05d}.jpg" for number in range(_DRAWN_IMAGES)]
    runs = {
        (name, index): encode(_mask(rng, index))
        for name in names
        for index, share in enumerate(_SHARES)
        if rng.random() < share
    }
    return names, runs


def _mask(rng: np.random.Generator, index: int) -> np.ndarray:
    """(256, 1600) uint8 in {0, 1}: some ragged patches; class 0 small, 1 upright, 2 of all sizes, 3 large."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    width, height = ((12, 10), (8, 60), (60, 40), (120, 60))[index]
    for _ in range(int(rng.integers(1, 6))):
        centre = rng.integers((WIDTH, HEIGHT))
        axes = rng.integers(4, (2 * width, 2 * height))
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        edge = rng.uniform(0.6, 1.1, len(angles))  # ragged, so that a column has several runs
        around = np.column_stack([np.cos(angles) * edge, np.sin(angles) * edge])
        cv2.fillPoly(mask, [(centre + axes * around).astype(np.int32)], 1)
    if not mask.any():
        mask[0, 0] = 1
    return mask
