"""The orientation of TIFF files, which OpenCV and Pillow apply whatever they are told, and Pillow 13 wrongly."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import tifffile

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of files, the last two of BigTIFF
DAMAGED_TIFF = (tifffile.TiffFileError, ValueError, IndexError, KeyError, TypeError, RuntimeError, OSError)

_ORIENTATION = 274
_LONG = 4  # as the type of a tag; orientations are short, 3, as a rule


def tiff_orientation(path: Path) -> int:
    """The orientation tag of the first page as it is written; 1 if there is none. Raises one of DAMAGED_TIFF."""
    with tifffile.TiffFile(path) as file:
        return int(file.pages.first.tags.valueof(_ORIENTATION, 1))


def without_orientation(data: np.ndarray) -> np.ndarray:
    """The bytes of an image file, (N,) uint8, in a TIFF with the orientation 1 on every page; damaged ones as they are.

    A decoder then gives the pixels as they are stored.
    """
    if data[:4].tobytes() not in TIFF_STARTS:
        return data
    try:
        with tifffile.TiffFile(io.BytesIO(data.tobytes())) as file:
            pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
            tags = [page.tags[_ORIENTATION] for page in pages if _ORIENTATION in page.tags]
            order = file.byteorder
    except DAMAGED_TIFF:
        return data
    for tag in tags:
        one = struct.pack(f"{order}{'I' if tag.dtype == _LONG else 'H'}", 1)
        data[tag.valueoffset : tag.valueoffset + len(one)] = np.frombuffer(one, np.uint8)
    return data
