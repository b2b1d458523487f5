"""The orientation that an image file asks to be shown in, and whether masks decide what it means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from maskfold.data.images.index import FileIndex
from maskfold.data.images.suffixes import ARRAY

_TAG = 0x0112  # of EXIF and TIFF
_SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width


def exif_orientation(path: Path) -> int:
    """The orientation tag of an image file, 1 to 8; 1 (as stored) if there is none or the file cannot be read."""
    if path.suffix.lower() == ARRAY:
        return 1
    try:
        with Image.open(path) as image:
            found = int(image.getexif().get(_TAG, 1))
    except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError):
        return 1
    return found if 1 <= found <= 8 else 1


def undecided_orientation(images: pd.DataFrame, sizes_were_compared: bool) -> list[str]:
    """A problem if it is unknown whether masks belong to the stored pixels of images or to what a viewer shows.

    images: the training images (path, height, width);
    sizes_were_compared: the sizes of masks were found to be those of the stored pixels, which decides it for all images
    as soon as one of them would be shown with its sides exchanged.
    """
    paths = [Path(path) for path in images["path"]]
    index = FileIndex(paths, "orientation")
    index.inspect_new(lambda path: str(exif_orientation(path)), "orientations")
    turned = {path: int(found) for path, found in index.found.items() if found != "1"}
    sides = zip(paths, images["height"], images["width"], strict=True)
    exchanged = [path for path, height, width in sides if turned.get(path) in _SIDEWAYS and height != width]
    if not turned or (sizes_were_compared and exchanged):
        return []
    return [_problem(list(turned.items()), len(paths))]


def _problem(turned: Sequence[tuple[Path, int]], count: int) -> str:
    path, orientation = turned[0]
    return (
        f"{path}: has the EXIF orientation {orientation}, so viewers show it turned or mirrored ({len(turned)} of "
        f"{count} training images have one). Masks of the stored pixels: set data.orientation: stored. Masks of what a "
        "viewer shows: save the images upright, for example with PIL.ImageOps.exif_transpose"
    )
