"""The size an image file declares, read from its first bytes: no pixel is decoded, whatever the file claims to hold."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from maskfold.errors import DataError

# 805 MB as RGB. A png of a few kilobytes can declare far more, and a decoder would try to hold it all.
MAX_PIXELS = 2**28
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow refuses what declares twice as many

PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB\x60\x82"
_NPY = b"\x93NUMPY"
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_TAIL = 4096  # bytes; cameras write a little after the end of the image
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}  # of the markers C0 to CF, those that are no start of frame
_TIFF_FORMS = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


class Declared(NamedTuple):
    """What an image file says about itself: size in px, and whether its end is where it should be."""

    height: int
    width: int
    whole: bool


def read_declared(path: Path) -> Declared | None:
    """The size that an image file declares; None where only decoding can tell.

    Raises DataError naming the file when it cannot be read or declares more than MAX_PIXELS.
    """
    try:
        with path.open("rb") as file:
            found = _declared(file)
    except OSError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None
    except Image.DecompressionBombError as error:
        raise DataError([f"{path}: declares more than the {MAX_PIXELS} px that are decoded: {error}"]) from None
    except (ValueError, struct.error, IndexError):  # a header that ends too soon; decoding says what is wrong
        return None
    if found is not None and found.height * found.width > MAX_PIXELS:
        raise DataError(
            [
                f"{path}: declares {found.height}x{found.width} px (height x width) in {path.stat().st_size} bytes, "
                f"more than the {MAX_PIXELS} px that are decoded; if the image is real, cut it into tiles"
            ]
        )
    return found


def _declared(file: BinaryIO) -> Declared | None:
    start = file.read(32)
    if start.startswith(PNG):
        return _png(file, start)
    if start.startswith(_JPEG):
        return _jpeg(file)
    return _npy(file) if start.startswith(_NPY) else _tiff(file, start) or _other(file)


def _png(file: BinaryIO, start: bytes) -> Declared | None:
    width, height = struct.unpack(">II", start[16:24])
    return Declared(height, width, _PNG_END in _tail(file, 64)) if height and width else None


def _jpeg(file: BinaryIO) -> Declared | None:
    """Walk the segments to the start of frame, which holds the size."""
    file.seek(2)
    while True:
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # fill byte
            file.seek(-1, 1)
            continue
        segment = file.read(7)
        length, _, height, width = struct.unpack(">HBHH", segment)
        if 0xC0 <= marker[1] <= 0xCF and marker[1] not in _NOT_FRAMES:
            return Declared(height, width, _JPEG_END in _tail(file, _JPEG_TAIL)) if height and width else None
        file.seek(length - 7, 1)


def _npy(file: BinaryIO) -> Declared | None:
    file.seek(0)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    bytes_needed = file.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
    whole = dtype == np.uint8 and len(shape) in (2, 3) and file.seek(0, 2) == bytes_needed
    return Declared(shape[0], shape[1], whole) if len(shape) >= 2 else None


def _tiff(file: BinaryIO, start: bytes) -> Declared | None:
    """The size of a TIFF's first page; whether it is whole is left to decoding."""
    order = _TIFF_FORMS.get(start[:4])
    if order is None:
        return None
    file.seek(struct.unpack(order + "I", start[4:8])[0])
    tags = {}
    for _ in range(struct.unpack(order + "H", file.read(2))[0]):
        tag, kind, _, value = struct.unpack(order + "HHI4s", file.read(12))
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            tags[tag] = struct.unpack(order + ("H2x" if kind == 3 else "I"), value)[0]
    return Declared(tags[_TIFF_HEIGHT], tags[_TIFF_WIDTH], False) if len(tags) == 2 else None


def _other(file: BinaryIO) -> Declared | None:
    """The size of a file of any other kind that Pillow knows; whether it is whole is left to decoding."""
    file.seek(0)
    try:
        with Image.open(file) as image:
            return Declared(image.height, image.width, False)
    except (OSError, ValueError, SyntaxError):
        return None


def _tail(file: BinaryIO, length: int) -> bytes:
    end = file.seek(0, 2)
    file.seek(max(0, end - length))
    return file.read()
