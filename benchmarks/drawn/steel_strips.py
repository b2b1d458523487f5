"""Strips of steel as photos with a label csv, one in a hundred of them a changed copy of another."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from maskfold.pixels.rle import encode

CLASSES = ("1", "2", "3", "4")
_HEIGHT, _WIDTH = 256, 1600
_CANVAS = 4096, 8192  # grain that the strips are cut from


def draw_strips(root: Path, images: int) -> dict[str, str]:
    """Strips of steel with labels, every hundredth a copy saved anew; returns copy -> original."""
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.standard_normal(_CANVAS, dtype=np.float32) * 14, (0, 0), sigmaX=2.5, sigmaY=0.8)
    (root / "train_images").mkdir(parents=True)
    copies: dict[str, str] = {}
    last: tuple[str, np.ndarray] | None = None
    with (root / "train.csv").open("w", encoding="utf-8") as labels:
        labels.write("ImageId,ClassId,EncodedPixels\n")
        for number in range(images):
            name = f"{number:06d}.jpg"
            if number % 100 == 99 and last is not None:
                copies[name] = last[0]
                changed, quality = np.clip(last[1] * 0.9 + 20, 0, 255), 75
                _write(root / "train_images" / name, changed.astype(np.uint8), quality)
                continue
            strip, mask = _strip(rng, grain)
            _write(root / "train_images" / name, strip, 92)
            if number % 2:
                labels.write(f"{name},{number // 2 % 4 + 1},{encode(mask)}\n")
            else:
                last = name, strip
    return copies


def _strip(rng: np.random.Generator, grain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(_HEIGHT, _WIDTH) uint8 grey values of light, lines, grain and a stain, and the stain's mask."""
    light = np.interp(np.arange(_WIDTH), np.linspace(0, _WIDTH, 9), rng.normal(0, 9, 9)).astype(np.float32)
    lines = cv2.GaussianBlur(rng.normal(0, 4, (_HEIGHT, 1)).astype(np.float32), (1, 3), 0)
    surface = light + lines + np.float32(rng.uniform(95, 150))
    for _ in range(2):  # two cuts: strips that share one by chance still differ
        top, left = (int(rng.integers(0, side - own)) for side, own in zip(_CANVAS, (_HEIGHT, _WIDTH), strict=True))
        surface += grain[top : top + _HEIGHT, left : left + _WIDTH]
    mask = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    centre = int(rng.integers(100, _WIDTH - 100)), int(rng.integers(30, _HEIGHT - 30))
    cv2.ellipse(mask, centre, (int(rng.integers(8, 90)), int(rng.integers(5, 30))), 0, 0, 360, 1, -1)
    surface -= 40 * mask
    return np.clip(surface, 0, 255).astype(np.uint8), mask


def _write(path: Path, grey: np.ndarray, quality: int) -> None:
    path.write_bytes(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
