"""An image file in the orientation that the data is read in: the one way from a row of an image table to pixels."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.images.decoding import read_for_display, read_image
from maskfold.pixels.geometry import upright


class Photo(NamedTuple):
    """An image file. orientation: of EXIF, 1 to 8, which is applied to the stored pixels; 1 leaves them as they are."""

    path: Path
    orientation: int = 1

    def pixels(self, channels: int) -> np.ndarray:
        """(H, W, channels) of the type that the file stores; see read_image."""
        return upright(read_image(self.path, channels), self.orientation)

    def for_display(self) -> np.ndarray:
        """(H, W, 3) uint8 to look at; see read_for_display."""
        return upright(read_for_display(self.path), self.orientation)


def photo_list(images: pd.DataFrame) -> list[Photo]:
    """The photos of an image table, row by row; it has the column orientation where some are not read as stored."""
    turns = images["orientation"].fillna(1).astype(int).tolist() if "orientation" in images else [1] * len(images)
    return [Photo(Path(path), turn) for path, turn in zip(images["path"], turns, strict=True)]


def photos_of(images: pd.DataFrame) -> dict[str, Photo]:
    """image_id -> photo of an image table."""
    return dict(zip(images["image_id"].tolist(), photo_list(images), strict=True))
