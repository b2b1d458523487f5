"""The orientation that an image file asks to be shown in, and whether masks decide what it means."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import pandas as pd
from PIL import Image

from maskfold.config import Orientation
from maskfold.data.images.headers import PNG
from maskfold.data.images.index import FileIndex
from maskfold.data.images.suffixes import ARRAY
from maskfold.data.images.tiff import DAMAGED_TIFF, TIFF_STARTS, tiff_orientation

SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width
_TAG = 0x0112  # of EXIF and TIFF
_PNG_TEXT = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # chunks in which Pillow finds an orientation


def exif_orientation(path: Path) -> int:
    """The orientation tag of an image file, 1 to 8; 1 (as stored) if there is none or the file cannot be read."""
    if path.suffix.lower() == ARRAY:
        return 1
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start == PNG and not _png_may_turn(file):
                return 1
            if start[:4] in TIFF_STARTS:
                found = tiff_orientation(path)
            else:
                file.seek(0)
                with Image.open(file) as image:
                    found = int(image.getexif().get(_TAG, 1))
    except (*DAMAGED_TIFF, SyntaxError, struct.error, Image.DecompressionBombError):
        return 1
    return found if 1 <= found <= 8 else 1


def _png_may_turn(file: BinaryIO) -> bool:
    """Whether a png, read up to its first chunk, has one that may hold an orientation; Pillow would decode it all."""
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in _PNG_TEXT:
            return True
        if kind == b"IEND":
            return False
        file.seek(length + 4, 1)  # the checksum follows


def orientations(paths: Iterable[Path]) -> dict[Path, int]:
    """The files that have an orientation other than 1, and which; kept in an index under runs/."""
    index = FileIndex(list(dict.fromkeys(paths)), "orientation")
    index.inspect_new(lambda path: str(exif_orientation(path)), "orientations")
    return {path: int(found) for path, found in index.found.items() if found != "1"}


def undecided_orientation(
    train: pd.DataFrame, test: pd.DataFrame, masks: Iterable[Path], sized: Collection[str]
) -> list[str]:
    """A problem if it is unknown whether masks belong to the stored pixels of images or to what a viewer shows.

    train, test: image_id, path, height, width; masks: mask files; sized: training images whose labels state a size that
    was found to be that of the stored pixels: this decides it for all files as soon as one of these images would be
    shown with its sides exchanged, unless masks have an orientation themselves.
    """
    tables = {"training images": train, "test images": test}
    files = {name: [Path(path) for path in table["path"]] for name, table in tables.items()} | {"masks": [*masks]}
    turned = orientations(path for paths in files.values() for path in paths)
    plain_masks = not any(path in turned for path in files["masks"])
    if not turned or (plain_masks and _as_stored(train, turned, sized)):
        return []
    counts = [
        f"{found} of {len(paths)} {name}"
        for name, paths in files.items()
        if (found := sum(path in turned for path in paths))
    ]
    path, orientation = next((path, turned[path]) for paths in files.values() for path in paths if path in turned)
    return [
        f"{path}: has the EXIF orientation {orientation}, so viewers show it turned or mirrored ({', '.join(counts)} "
        "have one). If labels and submission belong to the pixels as they are stored, set data.orientation: stored; if "
        "they belong to what a viewer shows, set data.orientation: upright"
    ]


def _as_stored(train: pd.DataFrame, turned: Mapping[Path, int], sized: Collection[str]) -> bool:
    """Whether the size of some labels shows that they belong to stored pixels."""
    rows = zip(train["image_id"], train["path"], train["height"], train["width"], strict=True)
    return any(
        turned.get(Path(path)) in SIDEWAYS and height != width and image_id in sized
        for image_id, path, height, width in rows
    )


def swapped_hint(path: Path, orientation: Orientation) -> str:
    """What to do about an image whose labels have its size with the sides exchanged."""
    if exif_orientation(path) not in SIDEWAYS:
        return "its sides are swapped: was the photo turned?"
    way = "stored" if orientation == "upright" else "upright"
    where = "as it is stored" if way == "stored" else "as a viewer shows it"
    return (
        f"its sides are swapped, as the EXIF orientation does: to read the photo {where}, set data.orientation: {way}"
    )
