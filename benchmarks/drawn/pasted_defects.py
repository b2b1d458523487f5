"""Pairs of photos of one rough surface: in some a defect was pasted into one photo, in others a label is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from maskfold.pixels.rle import encode

CLASSES = ("scratch", "patch", "inclusion")
_SIDE = 200  # px
Case = Literal["same", "pasted", "replaced", "removed", "moved", "exchanged"]
CASES: tuple[Case, ...] = ("same", "pasted", "replaced", "removed", "moved", "exchanged")
WRONG: tuple[Case, ...] = ("removed", "moved", "exchanged")  # the photos show the same, the labels do not


def draw_pairs(root: Path, pairs: int) -> dict[frozenset[str], Case]:
    """Write train_images/<n>.jpg and train.csv; returns the two names of each pair -> what was done to the second.

    pasted: it has a defect that the first has not; replaced: another defect in the place of the first's; removed,
    moved, exchanged: its label is wrong. Every second photo is darker than the first, and all are saved as jpg.
    """
    (root / "train_images").mkdir(parents=True)
    made: dict[frozenset[str], Case] = {}
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(pairs):
        rng = np.random.default_rng([2, number])
        case = CASES[number % len(CASES)]
        names = f"{2 * number:05d}.jpg", f"{2 * number + 1:05d}.jpg"
        for name, (photo, masks) in zip(names, _pair(rng, case), strict=True):
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 96))]
            data = cv2.imencode(".jpg", np.clip(photo, 0, 255).astype(np.uint8), quality)[1]
            (root / "train_images" / name).write_bytes(data.tobytes())
            rows += [f"{name},{kind},{encode(mask)}" for kind, mask in masks.items()]
        made[frozenset(names)] = case
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return made


_Labelled = tuple[np.ndarray, dict[str, np.ndarray]]


def _pair(rng: np.random.Generator, case: Case) -> tuple[_Labelled, _Labelled]:
    surface = _surface(rng)
    kind, other = (str(name) for name in rng.choice(CLASSES, 2, replace=False))
    mask, rival = _defect(rng, kind), _defect(rng, other)
    contrast, contrast_2 = rng.choice((-1, 1), 2) * rng.uniform(20, 60, 2)
    shown = surface + contrast * cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1)
    first: _Labelled = (shown, {kind: mask})
    darker = float(rng.uniform(0.75, 1)), float(rng.uniform(-10, 20))
    if case == "pasted":
        pasted = shown + contrast_2 * cv2.GaussianBlur(rival.astype(np.float32), (0, 0), 1)
        second = pasted, {kind: mask, other: rival}
    elif case == "replaced":
        pasted = surface + contrast_2 * cv2.GaussianBlur(rival.astype(np.float32), (0, 0), 1)
        second = pasted, {other: rival}
    else:
        moved = np.roll(mask, (int(rng.integers(50, 150)), int(rng.integers(50, 150))), axis=(0, 1))
        wrong = {"same": {kind: mask}, "removed": {}, "moved": {kind: moved}, "exchanged": {other: mask}}
        second = shown, wrong[case]
    return first, (second[0] * darker[0] + darker[1], second[1])


def _surface(rng: np.random.Generator) -> np.ndarray:
    """(_SIDE, _SIDE) float32 grey values: light, coarse and fine grain."""
    surface = np.full((_SIDE, _SIDE), rng.uniform(90, 160), np.float32)
    for sigma, strength in ((40, 15), (6, 8), (1.5, 8)):
        noise = cv2.GaussianBlur(rng.standard_normal((_SIDE, _SIDE), dtype=np.float32), (0, 0), sigma)
        surface += noise / noise.std() * strength * float(rng.uniform(0.4, 1))
    return surface


def _defect(rng: np.random.Generator, kind: str) -> np.ndarray:
    """(_SIDE, _SIDE) uint8 in {0, 1}: thin, round or many small ones, by class."""
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    middle = rng.integers(40, _SIDE - 40, 2)
    if kind == "scratch":
        reach = rng.integers(-60, 61, 2)
        cv2.line(mask, tuple((middle - reach).tolist()), tuple((middle + reach).tolist()), 1, int(rng.integers(3, 8)))
    elif kind == "patch":
        axes = tuple(int(axis) for axis in rng.integers(8, 35, 2))
        cv2.ellipse(mask, tuple(middle.tolist()), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    else:
        for _ in range(int(rng.integers(3, 8))):
            place = middle + rng.integers(-35, 36, 2)
            cv2.circle(mask, tuple(place.tolist()), int(rng.integers(2, 7)), 1, -1)
    return mask
