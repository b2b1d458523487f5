"""Objects that a single image does not show: in clips by their motion alone, in volumes by their depth alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

SIDE = 64  # px
NAME = r"(?P<volume>\d+)_(?P<index>\d+)"

Sequence = list[tuple[np.ndarray, np.ndarray]]  # images and masks in order, (SIDE, SIDE) uint8, masks in {0, 255}


def draw_clip(rng: np.random.Generator, frames: int) -> Sequence:
    """A disc that moves over a background: both are white noise of one distribution, so no frame alone shows it."""
    background, surface = (rng.integers(0, 256, (SIDE, SIDE)).astype(np.float32) for _ in range(2))
    radius, angle, speed = rng.integers(8, 14), rng.uniform(0, 2 * np.pi), rng.uniform(3, 5)
    start, step = rng.uniform(22, SIDE - 22, 2), speed * np.array([np.cos(angle), np.sin(angle)])
    drawn = []
    for number in range(frames):
        x, y = (int(place) for place in np.rint(start + step * (number - frames / 2)))
        mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (x, y), int(radius), 255, -1)
        moved = np.roll(surface, (y, x), (0, 1))
        image = np.where(mask > 0, moved, background) + rng.normal(0, 4, (SIDE, SIDE))
        drawn.append((np.clip(image, 0, 255).astype(np.uint8), mask))
    return drawn


def draw_volume(rng: np.random.Generator, slices: int) -> Sequence:
    """Balls among discs one slice thick, as bright and as large as a slice of a ball."""
    images = rng.normal(90, 12, (slices, SIDE, SIDE))
    masks = np.zeros((slices, SIDE, SIDE), np.uint8)
    for _ in range(2):
        radius, depth = int(rng.integers(6, 10)), float(rng.uniform(0, slices - 1))
        centre = rng.integers(12, SIDE - 12, 2).tolist()
        for number in range(slices):
            height = radius**2 - (3 * (number - depth)) ** 2  # a slice is 3 px thick
            if height >= 9:
                cv2.circle(masks[number], centre, round(float(np.sqrt(height))), 255, -1)
    for number in range(slices):
        shown = masks[number].copy()
        for _ in range(2):
            cv2.circle(shown, rng.integers(12, SIDE - 12, 2).tolist(), int(rng.integers(3, 10)), 255, -1)
        images[number] += np.where(shown > 0, 60, 0)
    return list(zip(np.clip(images, 0, 255).astype(np.uint8), masks, strict=True))


def draw_set(
    root: Path, draw: Callable[[np.random.Generator, int], Sequence], count: int, images: int, seed: int
) -> None:
    """Write train/ and train_mask/ of `count` clips or volumes of as many images."""
    for folder in ("train", "train_mask"):
        (root / folder).mkdir(parents=True)
    for number in range(count):
        for index, (image, mask) in enumerate(draw(np.random.default_rng([seed, number]), images)):
            name = f"{number:03d}_{index}.png"
            cv2.imwrite(str(root / "train" / name), image)
            cv2.imwrite(str(root / "train_mask" / name), mask)
