"""Mask files that may mean two things: several colours read as one grey, and TIFFs in which 0 is white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from maskfold.data.formats.mask_alpha import transparency
from maskfold.data.images.decoding import read_for_display
from maskfold.data.images.index import FileIndex
from maskfold.data.images.suffixes import ARRAY, TIFF
from maskfold.data.images.tiff import DAMAGED_TIFF

_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")  # Pillow's modes without colours
_COLOURED = 48  # between a pixel's channels
_FAR = 64  # between two colours, in a channel
_LEAST_SHARE = 0.02  # of the pixels that are on; fewer are no region of the mask
_WHITE_IS_ZERO = 0  # as the photometric interpretation of a TIFF
_NONE = "none"


def white_is_zero(masks: Sequence[Path]) -> list[str]:
    """One problem for each TIFF mask whose 0 is shown as white: some programs turn its values over, others do not."""
    return [
        f"{path}: is a TIFF whose value 0 is white (MinIsWhite), so programs disagree about which pixels are on; save "
        "it with 0 as black, or as png"
        for path in masks
        if path.suffix.lower() in TIFF and _photometric(path) == _WHITE_IS_ZERO
    ]


def _photometric(path: Path) -> int | None:
    try:
        with tifffile.TiffFile(path) as file:
            return int(file.pages.first.tags.valueof("PhotometricInterpretation", 1))
    except DAMAGED_TIFF:  # decoding says what is wrong
        return None


def lost_colours(masks: Sequence[Path], threshold: int) -> list[str]:
    """One problem for each binary mask with regions of a colour that is darker than the threshold, but no background.

    threshold: of greys, 1..255.
    """
    index = FileIndex([path for path in masks if path.suffix.lower() != ARRAY], f"lost_colours_{threshold}")
    problems = index.inspect_new(lambda path: _lost_colour(path, threshold), "colours of masks")
    return problems + [
        f"{path}: is drawn in several colours, of which [{colour}] is darker than data.mask_threshold={threshold} and "
        "would be lost; set data.labels: colour with data.class_colours, or save the masks in grey"
        for path, colour in index.found.items()
        if colour != _NONE
    ]


def _lost_colour(path: Path, threshold: int) -> str:
    """A colour as `red, green, blue` that lies below the threshold beside another one that is on; or _NONE."""
    if not _may_have_colours(path) or transparency(path) is not None:
        return _NONE
    rgb = read_for_display(path)
    on = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) >= threshold
    if not on.any() or on.all():
        return _NONE
    background = np.median(rgb[~on], axis=0)
    far = np.abs(rgb - background).max(axis=2) > _FAR
    coloured = int(np.ptp(background)) >= _COLOURED or (np.ptp(rgb, axis=2) >= _COLOURED)
    # Edges between two colours are soft in a jpg; a region is wider.
    lost = cv2.erode((~on & far & coloured).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if lost.sum() <= _LEAST_SHARE * on.sum():
        return _NONE
    return ", ".join(str(int(value)) for value in np.median(rgb[lost], axis=0))


def _may_have_colours(path: Path) -> bool:
    """Whether a file holds more than greys, from its header."""
    try:
        with Image.open(path) as image:
            return image.mode not in _GREY
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # decoding says what is wrong
        return False
