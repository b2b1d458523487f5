"""The pictures of a gallery: small photos, and for each the masks and probabilities that pages draw over it.

A picture is scaled to at most `report.picture_px`; masks and probabilities have the picture's size. Files are numbered,
a thousand a folder; their names never come from image ids.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from maskfold.drawing.jpeg import write_jpeg
from maskfold.drawing.script_data import write_script
from maskfold.pixels.rle import encode, parse_runs

CHUNK_IMAGES = 64  # whose masks share a script: one script an image would be many, one for all would be slow to load
FAINTEST = 13  # of 255: what stays below p = 0.05 everywhere has no probabilities in the gallery

_JPEG_QUALITY = 80
_FILES_A_FOLDER = 1000


def picture_size(height: int, width: int, most_px: int) -> tuple[int, int]:
    """(height, width) in px of an image's picture: its own where that fits."""
    factor = min(1.0, most_px / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def picture_path(folder: Path, number: int, suffix: str) -> Path:
    """Where a picture lies: folder/12/12345.jpg; gallery_data.js knows the same."""
    return folder / str(number // _FILES_A_FOLDER) / f"{number}{suffix}"


def make_folders(folder: Path, count: int) -> None:
    """Make the folders that `count` pictures will lie in."""
    for parent in {picture_path(folder, number, "").parent for number in range(count)}:
        parent.mkdir(parents=True, exist_ok=True)


def write_photo(image: np.ndarray, size: tuple[int, int], path: Path) -> None:
    """Write an image, (H, W, 3) uint8 RGB, scaled to `size` (height, width) as a jpg."""
    if image.shape[:2] != size:
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    write_jpeg(path, image, _JPEG_QUALITY)


def picture_runs(mask: np.ndarray, size: tuple[int, int]) -> list[int]:
    """A mask at a picture's size as run lengths: gap, length, gap, length, … along the rows; [] for a blank one.

    mask: (H, W) uint8 in {0, 1}. A pixel of the picture is on where the mask is on anywhere below it, so that a
    defect of a few pixels can be seen.
    """
    if not mask.any():
        return []
    if mask.shape != size:
        mask = cv2.resize(mask * np.uint8(255), size[::-1], interpolation=cv2.INTER_AREA) > 0
    runs = parse_runs(encode(np.ascontiguousarray(mask), "row"))
    starts, ends = runs[:, 0] - 1, runs.sum(axis=1) - 1
    gaps = starts - np.r_[0, ends[:-1]]
    return np.stack([gaps, runs[:, 1]], axis=1).ravel().tolist()


def write_levels(probs: Mapping[int, np.ndarray], size: tuple[int, int], path: Path, number: int) -> None:
    """Write the probabilities of a picture's classes as a script, from which pages draw them and masks at a threshold.

    probs: class -> (H, W) uint8; size: (height, width) of the picture; number: of the picture. The script calls
    `gallery_levels(number, {class: png})`; a png is base64 of 8-bit grey. A pixel is the most probable one below it, as
    its masks are on where any pixel below it is; what is fainter than FAINTEST is 0.
    """
    pictures = {}
    for index, prob in probs.items():
        levels = _most_below(prob, size)
        png = io.BytesIO()
        Image.fromarray(np.where(levels < FAINTEST, np.uint8(0), levels)).save(png, format="PNG")
        pictures[str(index)] = base64.b64encode(png.getvalue()).decode()
    write_script(path, "gallery_levels", number, pictures)


def _most_below(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 reduced to `size`, at most as large: each pixel is the largest of those that it covers in part."""
    for axis, count in enumerate(size):
        whole = values.shape[axis]
        if count < whole:
            number = np.arange(count, dtype=np.int64)
            ends = -(-(number + 1) * whole // count)
            pieces = np.stack([number * whole // count, ends], axis=1).ravel()[:-1]  # every second one is a gap
            values = np.maximum.reduceat(values, pieces, axis=axis)[(slice(None),) * axis + (slice(None, None, 2),)]
    return values


def write_chunk(folder: Path, chunk: int, masks: list[Any]) -> None:
    """Write the masks of CHUNK_IMAGES pictures in a row.

    masks: for each picture, and in it for each class, the runs of its truth and of its prediction, or 0 for neither.
    """
    write_script(folder / f"masks-{chunk}.js", "gallery_masks", chunk, masks)
