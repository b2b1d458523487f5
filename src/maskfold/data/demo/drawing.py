"""The demo competition: small strips of steel with four kinds of defects, in the files and columns of Severstal.

Class 1 is a handful of dark pits, class 2 bright thin scratches, class 3 (the commonest) large rough patches, class 4
wide dark bands. Half of the images are empty. Specks of dirt look like defects of class 1, 2 and 3, but are much
smaller and not labelled, so that a minimum area pays. Every image is a function of (seed, split, index) alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.config import DemoConfig

CLASS_NAMES = ("1", "2", "3", "4")
SPLITS = ("train", "test")

# One deck of 40 images: exact shares in every 40 keep folds, test images and their truth alike.
_DECK: tuple[tuple[int, ...], ...] = (
    *[()] * 20,
    *[(2,)] * 7,
    *[(0,)] * 4,
    *[(1,)] * 4,
    *[(3,)] * 3,
    (0, 2),
    (1, 3),
)


@dataclass(frozen=True)
class DemoImage:
    """One strip: its name, (H, W) uint8 grey values, and (4, H, W) uint8 masks in {0, 1}."""

    image_id: str
    grey: np.ndarray
    masks: np.ndarray


def draw_image(settings: DemoConfig, split: str, index: int) -> DemoImage:
    """The strip number `index` of a split, the same on every call."""
    rng = np.random.default_rng([settings.seed, SPLITS.index(split), index])
    surface = _steel(rng, settings.height, settings.width)
    masks = np.zeros((len(CLASS_NAMES), settings.height, settings.width), dtype=np.uint8)
    for class_index in _classes_shown(settings, split, index):
        for _ in range(int(rng.integers(1, _MOST_DEFECTS[class_index] + 1))):
            _place(rng, surface, masks, class_index)
    _dirty(rng, surface, masks)
    surface += rng.normal(0, 4, surface.shape)
    grey = np.clip(np.rint(surface), 0, 255).astype(np.uint8)
    return DemoImage(_name(settings.seed, split, index), grey, masks)


_MOST_DEFECTS = (2, 3, 2, 1)


def _classes_shown(settings: DemoConfig, split: str, index: int) -> tuple[int, ...]:
    deck, place = divmod(index, len(_DECK))
    order = np.random.default_rng([settings.seed, SPLITS.index(split), deck, 10**6]).permutation(len(_DECK))
    return _DECK[order[place]]


def _name(seed: int, split: str, index: int) -> str:
    return hashlib.sha256(f"{seed} {split} {index}".encode()).hexdigest()[:9] + ".jpg"


def _steel(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W) float64 grey values of a faultless strip: uneven light, rolling lines, grain."""
    light = np.interp(np.arange(width), np.linspace(0, width, 9), rng.normal(0, 9, 9))
    slope = rng.normal(0, 8) * np.linspace(-1, 1, height)
    lines = cv2.GaussianBlur(rng.normal(0, 4, (height, 1)), (1, 3), 0)
    grain = cv2.GaussianBlur(rng.normal(0, 9, (height, width)), (0, 0), sigmaX=2.5, sigmaY=0.8)
    return rng.uniform(95, 150) + light[None, :] + slope[:, None] + lines + grain


def _place(rng: np.random.Generator, surface: np.ndarray, masks: np.ndarray, class_index: int) -> None:
    """Draw one defect where none is yet; gives up after a few tries on a crowded strip."""
    taken = cv2.dilate(masks.max(axis=0), np.ones((7, 7), np.uint8))
    for _ in range(20):
        shape = _SHAPES[class_index](rng, surface.shape[0], surface.shape[1])
        if not (taken & shape).any():
            _stain(rng, surface, shape, class_index)
            masks[class_index] |= shape
            return


def _stain(rng: np.random.Generator, surface: np.ndarray, shape: np.ndarray, class_index: int) -> None:
    """Change the grey values under `shape`, with a soft edge, to what defects of the class look like."""
    height, width = surface.shape
    if class_index == 0:
        change = np.full(surface.shape, rng.uniform(-75, -50))
    elif class_index == 1:
        change = np.full(surface.shape, rng.uniform(45, 70))
    elif class_index == 2:
        rough = cv2.GaussianBlur(rng.normal(0, 1, surface.shape), (0, 0), 0.9)
        change = rng.uniform(5, 20) + rough * rng.uniform(26, 38) / rough.std()
    else:
        stripes = np.sin(np.arange(height) * rng.uniform(1.2, 1.8))[:, None]
        change = rng.uniform(-48, -32) + 12 * stripes + rng.normal(0, 3, (1, width))
    alpha = cv2.GaussianBlur(shape.astype(np.float64), (0, 0), 0.6)
    surface += alpha * change


def _pits(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Three to seven disks of radius 3 to 5 px close together, (H, W) uint8."""
    shape = np.zeros((height, width), dtype=np.uint8)
    centre = rng.uniform((14, 14), (height - 14, width - 14))
    for _ in range(int(rng.integers(3, 8))):
        y, x = np.clip(centre + rng.normal(0, (8, 14)), 5, (height - 6, width - 6)).astype(int)
        cv2.circle(shape, (int(x), int(y)), int(rng.integers(3, 6)), 1, -1)
    return shape


def _scratch(rng: np.random.Generator, height: int, width: int, length: float | None = None) -> np.ndarray:
    """A slightly bent line 3 to 4 px wide and 35 to 90 px long, (H, W) uint8."""
    shape = np.zeros((height, width), dtype=np.uint8)
    length = rng.uniform(35, 90) if length is None else length
    angle = rng.uniform(0.12, 0.6) * rng.choice([-1.0, 1.0])  # from the rolling direction, so that it fits the strip
    reach = length / 2 * np.array([np.cos(angle), np.sin(angle)])
    centre = rng.uniform((abs(reach[0]), 10), (width - abs(reach[0]), height - 10))
    bend = rng.normal(0, length / 25) * np.array([-np.sin(angle), np.cos(angle)])
    along = np.linspace(-1, 1, 12)[:, None]
    points = np.rint(centre + along * reach + (1 - along**2) * bend).astype(np.int32)
    cv2.polylines(shape, [points], False, 1, int(rng.integers(3, 5)))
    return shape


def _patch(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """An irregular blob, 28 to 60 px high and up to 110 px wide, (H, W) uint8."""
    return _blob(rng, height, width, rng.uniform(14, 26), rng.uniform(16, 48))


def _blob(rng: np.random.Generator, height: int, width: int, radius_y: float, radius_x: float) -> np.ndarray:
    shape = np.zeros((height, width), dtype=np.uint8)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    outline = 1 + sum(rng.normal(0, 0.12) * np.sin(k * angles + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 5))
    y, x = rng.uniform(0.15 * height, 0.85 * height), rng.uniform(radius_x * 0.6, width - radius_x * 0.6)
    points = np.stack([x + radius_x * outline * np.cos(angles), y + radius_y * outline * np.sin(angles)], axis=1)
    cv2.fillPoly(shape, [np.rint(points).astype(np.int32)], 1)
    return shape


def _band(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A band 12 to 24 px high with wavy edges, a quarter to three fifths of the strip long, (H, W) uint8."""
    shape = np.zeros((height, width), dtype=np.uint8)
    length, thickness = int(rng.uniform(0.25, 0.6) * width), rng.uniform(12, 24)
    left = int(rng.integers(0, width - length))
    middle = rng.uniform(thickness, height - thickness)
    along = np.arange(length + 1)
    ends = np.minimum(1, np.minimum(along, along[::-1]) / 12) ** 0.5  # rounded off
    wave = 1.5 * np.sin(along / rng.uniform(10, 25) + rng.uniform(0, 6))
    top, bottom = middle + wave - thickness / 2 * ends, middle + wave + thickness / 2 * ends
    points = np.concatenate([np.stack([left + along, top], 1), np.stack([left + along, bottom], 1)[::-1]])
    cv2.fillPoly(shape, [np.rint(points).astype(np.int32)], 1)
    return shape


_SHAPES = (_pits, _scratch, _patch, _band)


def _dirty(rng: np.random.Generator, surface: np.ndarray, masks: np.ndarray) -> None:
    """Add look-alikes to two strips in three: specks, short dashes and small rough spots, none of them labelled."""
    if rng.random() > 0.66:
        return
    height, width = surface.shape
    away = cv2.dilate(masks.max(axis=0), np.ones((9, 9), np.uint8)).astype(np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        class_index = int(rng.integers(0, 3))
        if class_index == 0:
            shape = np.zeros((height, width), dtype=np.uint8)
            cv2.circle(shape, (int(rng.integers(3, width - 3)), int(rng.integers(3, height - 3))), 1, 1, -1)
        elif class_index == 1:
            shape = _scratch(rng, height, width, length=rng.uniform(4, 9))
        else:
            shape = _blob(rng, height, width, rng.uniform(2.5, 6), rng.uniform(2.5, 7))
        if not (away & shape).any():
            _stain(rng, surface, shape, class_index)
