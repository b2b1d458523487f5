"""Photos as a network and an eye see them: turned as their EXIF data says, and written whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from maskfold.artefacts.files import whole_file
from maskfold.config import Resize
from maskfold.data.images.orientation import exif_orientation
from maskfold.data.images.photo import Photo
from maskfold.errors import UsageError
from maskfold.pixels.geometry import network_size, resize_image

_QUALITY = {
    "jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    "webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
    "png": [cv2.IMWRITE_PNG_COMPRESSION, 3],
}


class Picture(NamedTuple):
    """A photo or a frame.

    name: for messages; seen: (H, W, input_channels) stored values for the network; shown: (H, W, 3) uint8 RGB to draw
    on, the same array if the network sees 8 bits of colour; time: of a frame, s.
    """

    name: str
    seen: np.ndarray
    shown: np.ndarray
    time: Fraction = Fraction(0)


def read_photo(path: Path, channels: int, longest_side: int | None = None) -> Picture:
    """One photo, upright as its EXIF orientation says, whatever data.orientation is: it has no masks to fit.

    channels: what the network takes; longest_side: px, of what is larger and shrunk. Raises DataError like read_image.
    """
    photo = Photo(path, exif_orientation(path))
    seen = shrunk(photo.pixels(channels), longest_side)
    as_seen = channels == 3 and seen.dtype == np.uint8
    shown = seen if as_seen else shrunk(photo.for_display(), longest_side)
    return Picture(str(path), seen, shown)


def array_picture(name: str, image: np.ndarray, channels: int) -> Picture:
    """An image in memory, (H, W, channels) uint8, RGB where there are three. Raises UsageError for another array."""
    if image.dtype != np.uint8 or image.shape != (*image.shape[:2], channels):
        raise UsageError(f"image {name}: expected (H, W, {channels}) uint8, found {image.shape} {image.dtype}")
    return Picture(name, image, image)


def shrunk(image: np.ndarray, longest_side: int | None) -> np.ndarray:
    """(H, W, K) uint8 with no side above `longest_side` px; smaller images stay as they are."""
    if longest_side is None or max(image.shape[:2]) <= longest_side:
        return image
    return resize_image(image, network_size(image.shape[0], image.shape[1], Resize(longest_side=longest_side)))


def encode_photo(image: np.ndarray, form: str) -> bytes:
    """A picture, (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA uint8, as the bytes of a png, jpg or webp file."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    done, data = cv2.imencode(f".{form}", image, _QUALITY[form])
    assert done, f"{form} {image.shape}"
    return data.tobytes()


def write_photo(path: Path, image: np.ndarray, form: str) -> None:
    """Write a picture, see encode_photo, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(encode_photo(image, form))
