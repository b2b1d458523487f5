"""Photos of one large figure each with their masks, and out-of-fold predictions as a good network would make them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.data.competition import MaskSource
from maskfold.oof.store import OofWriter

_SIZE = (160, 120)  # (height, width) px
_MOVED, _BLUR = 1.5, 1.2  # px: how far a predicted edge is from the true one, and how soft it is
_LOST, _LOST_SHARE = 0.08, 0.15  # share of images in which the network misses a part, and how much of the mask


def draw_portraits(root: Path, images: int) -> None:
    """Write train/<n>.jpg and train_mask/<n>.png."""
    for folder in ("train", "train_mask"):
        (root / folder).mkdir(parents=True)
    for number in range(images):
        rng = np.random.default_rng([0, number])
        mask = _figure(rng)
        light, dark = rng.integers(120, 220, 3), rng.integers(20, 110, 3)
        photo = np.where(mask[..., None] > 0, dark, light) + rng.normal(0, 12, (*_SIZE, 3))
        cv2.imwrite(str(root / f"train/{number}.jpg"), np.clip(photo, 0, 255).astype(np.uint8))
        cv2.imwrite(str(root / f"train_mask/{number}.png"), mask * np.uint8(255))


def _figure(rng: np.random.Generator) -> np.ndarray:
    """(160, 120) uint8 in {0, 1}: head, body and an arm."""
    mask = np.zeros(_SIZE, np.uint8)
    middle, top = int(rng.integers(40, 80)), int(rng.integers(35, 60))
    head = int(rng.integers(12, 20))
    cv2.ellipse(mask, (middle, top), (head, int(head * 1.3)), 0, 0, 360, 1, -1)
    body = int(rng.integers(22, 40)), int(rng.integers(50, 80))
    cv2.ellipse(mask, (middle, top + head + body[1] // 2 + 20), body, 0, 0, 360, 1, -1)
    hand = middle + int(rng.integers(-45, 46)), int(rng.integers(80, 130))
    cv2.line(mask, (middle, top + head + 25), hand, 1, int(rng.integers(6, 12)))
    return mask


def write_predictions(config: Config, truth: MaskSource, folds: pd.DataFrame) -> None:
    """The OOF files of a run: the true masks with displaced, soft edges, and now and then without a part.

    truth: the masks without planted errors; folds: image_id and fold.
    """
    for fold in range(config.folds.count):
        names = folds["image_id"][folds["fold"] == fold]
        with OofWriter(
            RunPaths.of(config).oof_parquet(fold), 1, {"checkpoint": f"fold{fold}", "tta": "hflip"}
        ) as writer:
            for name in names:
                writer.write(name, fold, _predicted(truth(name), np.random.default_rng([1, int(name)])))


def _predicted(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(1, H, W) uint8 probabilities for (1, H, W) masks."""
    height, width = masks.shape[1:]
    coarse = rng.normal(0, _MOVED, (2, height // 8, width // 8)).astype(np.float32)
    shift = [cv2.resize(each, (width, height), interpolation=cv2.INTER_CUBIC) for each in coarse]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    prob = cv2.remap(masks[0] * np.float32(1), columns + shift[0], rows + shift[1], cv2.INTER_LINEAR)
    if rng.random() < _LOST:
        places = np.argwhere(masks[0])
        radius = int(np.sqrt(_LOST_SHARE * len(places) / np.pi))
        cv2.circle(prob, places[rng.integers(len(places))][::-1].tolist(), radius, 0.0, -1)
    prob = cv2.GaussianBlur(prob, (0, 0), _BLUR)
    return np.rint(255 * np.clip(0.02 + 0.96 * prob, 0, 1)).astype(np.uint8)[None]
