"""Masks with transparency: the mask may be drawn in it, and must not be lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from maskfold.data.images.decoding import open_with_pillow
from maskfold.data.images.headers import PNG
from maskfold.data.images.suffixes import TIFF
from maskfold.errors import DataError

_TRANSPARENT = (*TIFF, ".webp", ".avif", ".jp2", ".gif")  # suffixes besides png
_PNG_COLOUR_TYPES = (3, 4, 6)  # palette, grey and alpha, RGB and alpha


def may_be_transparent(path: Path) -> bool:
    """Whether a mask file is of a kind that holds transparency, from its first bytes."""
    suffix = path.suffix.lower()
    if suffix != ".png":
        return suffix in _TRANSPARENT
    try:
        with path.open("rb") as file:
            start = file.read(26)
    except OSError:  # decoding says what is wrong
        return False
    return start.startswith(PNG) and start[25] in _PNG_COLOUR_TYPES


def transparency(path: Path) -> np.ndarray | None:
    """(H, W) uint8, 0 for transparent to 255 for opaque; None if a mask file has no alpha or the same everywhere."""
    if not may_be_transparent(path):
        return None
    try:
        with open_with_pillow(path) as image:
            if not image.mode.upper().endswith("A") and "transparency" not in image.info:
                return None
            alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # decoding says what is wrong
        return None
    return None if alpha.min() == alpha.max() else alpha


def drawn_plane(path: Path, grey: np.ndarray) -> np.ndarray:
    """(H, W) uint8 of a binary mask: its grey values, or its alpha if all pixels have one colour.

    Raises DataError if pixels that cannot be seen are bright, or all can be seen, some less than others: colours and
    alpha then show different masks.
    """
    alpha = transparency(path)
    if alpha is None:
        return grey
    if grey.min() == grey.max():
        return alpha
    if alpha.min() > 0 or (grey[alpha == 0] > 0).any():
        raise DataError(
            [f"{path}: its colours and its transparency (alpha) show different masks; save the mask as a grey image"]
        )
    return grey


def check_values(path: Path, values: np.ndarray) -> None:
    """Raise DataError for a mask of class values or colours, (H, W), part of which its transparency hides."""
    alpha = transparency(path)
    if alpha is None:
        return
    if values.min() == values.max():
        raise DataError([f"{path}: is drawn in its transparency (alpha); set data.labels: binary"])
    if alpha.min() > 0 or values[alpha == 0].any():
        raise DataError([f"{path}: pixels with values are transparent (alpha); save the mask without transparency"])
