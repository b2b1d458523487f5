"""Tiles of photos, two of each: they overlap by a known share, one is turned by quarters, both are saved again."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from maskfold.pixels.rle import encode

CLASSES = ("object",)
_TILE = 256  # px, a side
_PHOTO = 2 * _TILE


def draw_tiles(root: Path, photos: int) -> dict[frozenset[str], float]:
    """Write train_images/<photo>_<letters>.jpg and train.csv; returns the two names of each photo -> their overlap.

    The overlap is the share of a tile's area that the other shows too, 0.2 to 0.9. Half of the pairs share a whole side
    (a photo cut in steps along one side), the others are moved both ways. Names tell nothing about the photo.
    """
    (root / "train_images").mkdir(parents=True)
    names = iter(np.random.default_rng(1).permutation(2 * photos).tolist())
    made: dict[frozenset[str], float] = {}
    rows = ["ImageId,ClassId,EncodedPixels"]
    for number in range(photos):
        rng = np.random.default_rng([0, number])
        photo, mask = draw_photo(rng)
        (top, left), overlap = _second_place(rng)
        pair = []
        for place, turns in (((0, 0), 0), ((top, left), int(rng.integers(0, 4)))):
            name = f"{next(names):05d}.jpg"
            own = np.s_[place[0] : place[0] + _TILE, place[1] : place[1] + _TILE]
            tile, label = (np.ascontiguousarray(np.rot90(whole[own], turns)) for whole in (photo, mask))
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
            (root / "train_images" / name).write_bytes(cv2.imencode(".jpg", tile, quality)[1].tobytes())
            rows += [f"{name},object,{encode(label)}"] if label.any() else []
            pair.append(name)
        made[frozenset(pair)] = overlap
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return made


def _second_place(rng: np.random.Generator) -> tuple[tuple[int, int], float]:
    """(top, left) px of the second tile where the first lies at (0, 0), and the share of its area that both show."""
    overlap = float(rng.uniform(0.2, 0.9))
    along = overlap if rng.random() < 0.5 else math.sqrt(overlap) ** float(rng.uniform(0.7, 1.3))
    moved = [round(_TILE * (1 - share)) for share in (along, overlap / along)]
    top, left = moved if rng.random() < 0.5 else moved[::-1]
    return (top, left), (1 - top / _TILE) * (1 - left / _TILE)


def draw_photo(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(_PHOTO, _PHOTO, 3) uint8: light, texture, objects, in every third rows of windows; the objects' mask."""
    photo = np.empty((_PHOTO, _PHOTO, 3), np.float32)
    photo[:] = rng.uniform(60, 190, 3)
    for sigma, strength in ((40, 25), (8, 12), (2, 8)):
        noise = cv2.GaussianBlur(rng.standard_normal((_PHOTO, _PHOTO), dtype=np.float32), (0, 0), sigma)
        photo += (noise / noise.std() * rng.uniform(0.3, 1) * strength)[..., None]
    if rng.random() < 1 / 3:
        _windows(photo, rng)
    mask = np.zeros((_PHOTO, _PHOTO), np.uint8)
    for _ in range(int(rng.integers(10, 30))):
        shape = np.zeros_like(mask)
        centre = rng.integers(0, _PHOTO, 2)
        if rng.random() < 0.5:
            axes = tuple(int(axis) for axis in rng.integers(5, 60, 2))
            cv2.ellipse(shape, tuple(centre.tolist()), axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        else:
            cv2.fillPoly(shape, [(centre + rng.integers(-60, 61, (int(rng.integers(3, 7)), 2))).astype(np.int32)], 1)
        photo[shape > 0] += rng.uniform(-70, 70, 3)
        mask |= shape
    return np.clip(photo, 0, 255).astype(np.uint8), mask


def _windows(photo: np.ndarray, rng: np.random.Generator) -> None:
    """Rows of equal windows, painted into the photo: they repeat, as those of a facade do."""
    step, size = rng.integers(50, 90, 2), rng.integers(20, 40, 2)
    first = rng.integers(0, 40, 2)
    for top in range(int(first[0]), _PHOTO, int(step[0])):
        for left in range(int(first[1]), _PHOTO, int(step[1])):
            photo[top : top + size[0], left : left + size[1]] -= 50
            photo[top : top + size[0], left + size[1] // 2 :][:, :1] += 80
