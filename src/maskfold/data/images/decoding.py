"""From an image file to its pixels, in the type that the file stores."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from maskfold.data.images.suffixes import ANIMATED, ARRAY, DEEP, SUFFIXES, TIFF, is_unread_image
from maskfold.data.images.tiff import DAMAGED_TIFF, without_orientation
from maskfold.errors import DataError
from maskfold.pixels.intensity import as_stored_type, to_eight_bits

_OPENCV_4 = cv2.__version__.startswith("4.")  # reads no unsigned numbers of 32 bits
# How OpenCV is told to convert to this many channels.
CONVERTED = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}


def read_image(path: Path, channels: int) -> np.ndarray:
    """Decode one image file.

    channels: 1 for grey, 3 for RGB, between which all files but npy arrays and TIFFs of several pages or bands are
    converted (transparency is dropped); any other number must be what the file holds, RGBA if it is 4 in a png.
    The EXIF orientation is ignored: labels belong to the pixels as they are stored.
    Returns (H, W, channels) of the type that the file stores: uint8, uint16, int16 or float32 (of wider numbers too).
    Raises DataError naming the file when it is missing, truncated, no image, or of another number of channels.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    plain = suffix not in TIFF or _is_plain_tiff(path)
    if channels not in CONVERTED or suffix == ARRAY or not plain:
        image = read_stored(path)
    elif suffix in TIFF and (stored := read_stored(path)).dtype != np.uint8:
        image = _converted(stored, channels)  # OpenCV 5.0 gives wrong values for COLOR_RGB of 16 bits
    else:
        depth = cv2.IMREAD_ANYDEPTH if suffix in DEEP else 0
        image = _numbers(path, _decoded(path, CONVERTED[channels] | cv2.IMREAD_IGNORE_ORIENTATION | depth))
    if image.shape[2] != channels:
        raise DataError(
            [f"{path}: found {_count(image.shape[2])}, expected {_count(channels)} as in model.in_channels"]
        )
    return image


def read_stored(path: Path) -> np.ndarray:
    """(H, W, K): an image file with the channels that it holds, whatever their number; see read_image."""
    if path.suffix.lower() == ARRAY:
        return _read_array(path)
    if path.suffix.lower() in TIFF and not _is_plain_tiff(path):
        return _read_bands(path)
    image = _numbers(path, _decoded(path, cv2.IMREAD_UNCHANGED))
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(image.shape[2])  # OpenCV has blue first
    return image if order is None else np.ascontiguousarray(image[:, :, order])


def read_eight_bits(path: Path, channels: int | None = None) -> np.ndarray:
    """(H, W, K) uint8 of a mask file: 16-bit values are scaled, so that 65535 becomes 255.

    channels: as for read_image; None: those that the file holds. Raises DataError for signed and fractional values.
    """
    image = read_stored(path) if channels is None else read_image(path, channels)
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DataError([f"{path}: found {image.dtype} values, expected whole numbers of 8 or 16 bits"])
    return image


def read_for_display(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 to look at: RGB, or the first three channels of a file with others; see to_eight_bits."""
    if path.suffix.lower() not in (*TIFF, ARRAY):
        return to_eight_bits(read_image(path, 3))
    image = to_eight_bits(read_stored(path))
    return np.ascontiguousarray(image[:, :, :3] if image.shape[2] >= 3 else np.repeat(image[:, :, :1], 3, axis=2))


def check_single(path: Path) -> None:
    """Raise DataError for an animation, of which a decoder gives only the first picture."""
    if path.suffix.lower() not in ANIMATED:
        return
    try:
        with Image.open(path) as image:
            frames = int(getattr(image, "n_frames", 1))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # decoding says what is wrong
        return
    if frames > 1:
        raise DataError([f"{path}: holds {frames} pictures (an animation); save each as an image of its own"])


def undecodable(path: Path) -> str:
    """The problem of a file that cannot be decoded."""
    if is_unread_image(path.name):
        return f"{path}: images of this kind are not read; convert them, to png for example ({', '.join(SUFFIXES)})"
    return f"{path}: cannot be decoded; the file is truncated or no image"


def _decoded(path: Path, flag: int) -> np.ndarray:
    """(H, W, K) as OpenCV decodes it."""
    try:
        image = cv2.imdecode(_bytes(path), flag)
    except cv2.error:  # an empty file, or a size beyond what OpenCV decodes
        image = None
    if image is None:
        raise DataError([undecodable(path)])
    return image.reshape(*image.shape[:2], -1)


def _converted(image: np.ndarray, channels: int) -> np.ndarray:
    """(H, W, channels) of (H, W, 1), RGB or RGBA, with 1 or 3 channels asked for."""
    if image.shape[2] == 1 and channels == 3:
        return np.repeat(image, 3, axis=2)
    if image.shape[2] >= 3 and channels == 1:
        grey = cv2.cvtColor(np.ascontiguousarray(image[:, :, :3], dtype=np.float32), cv2.COLOR_RGB2GRAY)
        return (grey if image.dtype.kind == "f" else np.rint(grey)).astype(image.dtype)[:, :, None]
    return np.ascontiguousarray(image[:, :, :channels])


def open_with_pillow(path: Path) -> Image.Image:
    """An image whose pixels Pillow gives as they are stored. Raises what Image.open raises, or DataError."""
    return Image.open(io.BytesIO(_bytes(path).tobytes()) if path.suffix.lower() in TIFF else path)


def _bytes(path: Path) -> np.ndarray:
    """(N,) uint8: what an image file holds, without the orientation of a TIFF."""
    try:
        return without_orientation(np.fromfile(path, dtype=np.uint8))
    except OSError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None


def _is_plain_tiff(path: Path) -> bool:
    """Whether a TIFF is one page of grey or colour, which OpenCV decodes; so is a damaged one, which it refuses."""
    if not path.is_file():
        return True
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            samples, colour = page.samplesperpixel, page.photometric not in (0, 1)  # MINISWHITE, MINISBLACK
            integers = page.dtype is not None and page.dtype.kind in "iu"
            wide = page.dtype == np.uint32 and _OPENCV_4
            return len(file.pages) == 1 and integers and not wide and (samples == 1 or (colour and samples in (3, 4)))
    except DAMAGED_TIFF:
        return True


def _read_bands(path: Path) -> np.ndarray:
    """(H, W, K) of a TIFF with several bands a page, or of several grey pages of one size."""
    pages, bands_first = _pages(path)
    if len({page.shape for page in pages}) > 1 or (len(pages) > 1 and pages[0].ndim != 2):
        raise DataError([f"{path}: the pages of a TIFF are its channels: all grey and of one size; found others"])
    if len(pages) > 1:
        return _numbers(path, np.dstack(pages))
    image = pages[0].transpose(1, 2, 0) if bands_first else pages[0]
    return _numbers(path, np.ascontiguousarray(image.reshape(*image.shape[:2], -1)))


def _pages(path: Path) -> tuple[Sequence[np.ndarray], bool]:
    """The pages of a TIFF, and whether their bands come before height and width."""
    try:
        with tifffile.TiffFile(path) as file:
            first = file.pages.first
            if len(file.pages) > 1 and first.samplesperpixel == 1 and first.dtype != np.float16:
                pages = cv2.imdecodemulti(_bytes(path), cv2.IMREAD_UNCHANGED)[1]  # knows more compressions
                if len(pages) == len(file.pages):
                    return pages, False
            bands_first = first.planarconfig == 2 and first.samplesperpixel > 1  # 2: SEPARATE
            return [page.asarray() for page in file.pages], bands_first
    except DAMAGED_TIFF as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DataError(
            [f"{undecodable(path)}; bands are read without compression or with deflate, others as npy: {reason}"]
        ) from None


def _read_array(path: Path) -> np.ndarray:
    """(H, W, K) from an npy file, which holds real numbers, (H, W) or (H, W, K)."""
    try:
        image = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (OSError, ValueError, EOFError, MemoryError) as error:  # memory for all that its header claims to hold
        raise DataError([f"{path}: cannot be decoded; the file is truncated or no numeric array: {error}"]) from None
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or not image.size:
        found = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else "an archive"
        raise DataError([f"{path}: found {found}, expected an array of (height, width, channels)"])
    return _numbers(path, image.reshape(*image.shape[:2], -1))


def _numbers(path: Path, image: np.ndarray) -> np.ndarray:
    """The image in one of the types that are kept in memory. Raises DataError for values that are no numbers."""
    try:
        stored = as_stored_type(image)
    except TypeError as error:
        raise DataError([f"{path}: {error}"]) from None
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise DataError([f"{path}: holds NaN or infinite values; replace them, for example by the lowest value"])
    return stored


def _count(channels: int) -> str:
    return f"{channels} channel" + ("s" if channels != 1 else "")
