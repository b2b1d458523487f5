"""Image files: listing, reading, and the check that every one of them really decodes."""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from maskfold.data.images.headers import read_declared
from maskfold.data.images.index import FileIndex
from maskfold.data.images.suffixes import ANIMATED, ARRAY, SUFFIXES, TIFF, is_image, is_unread_image
from maskfold.errors import DataError

Check = Literal["auto", "decode", "header"]

# Above this number of new files the check "auto" stops decoding: at 5 ms an image of 256x1600 px it would take minutes.
MAX_DECODED = 20_000
UNKNOWN_PEAK = -1

# The flag with which OpenCV converts to this many channels.
_CONVERTED = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}


class ImageHeader(NamedTuple):
    """What the check found out about one image.

    height, width: px; peak: the brightest grey (0..255), UNKNOWN_PEAK where it was not decoded.
    """

    height: int
    width: int
    peak: int


def list_images(folder: Path) -> list[Path]:
    """The image files right in `folder`, sorted by name, also those of kinds that are not read; no hidden ones.

    Raises DataError when there is no such folder or no image in it.
    """
    return scan_images(folder)[0]


def scan_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images of list_images, and everything else that is visible right in the folder, both sorted by name.

    Raises DataError when there is no such folder or no image in it.
    """
    if not folder.is_dir():
        raise DataError([f"{folder}: no such folder of images"])
    with os.scandir(folder) as entries:
        visible = sorted((entry.name, entry.is_file()) for entry in entries if not entry.name.startswith("."))
    images = [folder / name for name, whole in visible if whole and is_image(name)]
    if not images:
        raise DataError([f"{folder}: holds no image ({', '.join(SUFFIXES)})"])
    return images, [folder / name for name, whole in visible if not (whole and is_image(name))]


def read_image(path: Path, channels: int) -> np.ndarray:
    """Decode one image file.

    channels: 1 for grey, 3 for RGB, between which jpg, png and one-page TIFF files are converted (transparency is
    dropped); any other number must be what the file holds, RGBA where it is 4 in a png. A TIFF of several grey pages
    and an npy array have their own channels, always. 16-bit values are scaled to 8, so that 65535 becomes 255.
    The EXIF orientation is ignored: labels belong to the pixels as they are stored. Returns (H, W, channels) uint8.
    Raises DataError naming the file when it is missing, truncated, no image, or of another number of channels.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if channels not in _CONVERTED or suffix == ARRAY or (suffix in TIFF and _page_count(path) > 1):
        image = read_stored(path)
    else:
        image = _decoded(path, _CONVERTED[channels] | cv2.IMREAD_IGNORE_ORIENTATION)
    if image.shape[2] != channels:
        raise DataError(
            [f"{path}: found {_count(image.shape[2])}, expected {_count(channels)} as in model.in_channels"]
        )
    return image


def read_stored(path: Path) -> np.ndarray:
    """(H, W, K) uint8: an image file with the channels that it holds, whatever their number; see read_image."""
    if path.suffix.lower() == ARRAY:
        return _read_array(path)
    if path.suffix.lower() in TIFF and _page_count(path) > 1:
        pages = cv2.imdecodemulti(_bytes(path), cv2.IMREAD_UNCHANGED)[1]
        if len({page.shape for page in pages}) > 1 or pages[0].ndim != 2:
            raise DataError([f"{path}: the pages of a TIFF are its channels: all grey and of one size; found others"])
        return _eight_bits(path, np.dstack(pages))
    image = _eight_bits(path, _decoded(path, cv2.IMREAD_UNCHANGED))
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(image.shape[2])  # OpenCV has blue first
    return image if order is None else np.ascontiguousarray(image[:, :, order])


def read_for_display(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 to look at: RGB, or of a file with other channels the first three."""
    if path.suffix.lower() not in (*TIFF, ARRAY):
        return read_image(path, 3)
    image = read_stored(path)
    return np.ascontiguousarray(image[:, :, :3] if image.shape[2] >= 3 else np.repeat(image[:, :, :1], 3, axis=2))


def check_images(paths: Sequence[Path], check: Check = "decode") -> tuple[dict[Path, ImageHeader], list[str]]:
    """Check every file once and report all that fail.

    check: "decode" decodes every file, "header" only reads the declared size and looks for the file's end (and decodes
    where that leaves doubt), "auto" is "header" where more than MAX_DECODED files were not decoded yet. What was found
    is kept in an index under runs/ with size and modification time of each file, so that later stages look only at what
    is new. Returns the header of each good file, and one problem a bad one.
    """
    index = FileIndex(paths, "grey")
    undecoded = [path for path, finding in index.found.items() if finding.endswith(f" {UNKNOWN_PEAK}")]
    only_headers = check == "header" or (check == "auto" and len(undecoded) + len(index.new) > MAX_DECODED)
    if not only_headers:
        index.inspect_again(undecoded)
    if check == "auto" and only_headers and index.new:
        print(
            f"{len(index.new)} images are new: their headers are checked, their pixels are not "
            "(data.check: decode checks those too)",
            file=sys.stderr,
        )
    problems = index.inspect_new(_inspect_header if only_headers else _inspect, "checking images")
    headers = {path: ImageHeader(*map(int, finding.split())) for path, finding in index.found.items()}
    return headers, problems


def check_channels(paths: Sequence[Path], channels: int) -> dict[Path, str]:
    """The problem of each image that read_image cannot give `channels` channels; decodes only where that may be."""
    doubtful = [p for p in paths if channels not in _CONVERTED or p.suffix.lower() in (*TIFF, ARRAY)]

    def problem(path: Path) -> str | None:
        try:
            read_image(path, channels)
        except DataError as error:
            return error.problems[0]
        return None

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = zip(doubtful, pool.map(problem, doubtful), strict=True)
        return {path: line for path, line in found if line is not None}


def image_table(
    images: Mapping[str, Path],
    headers: Mapping[Path, ImageHeader],
    groups: Mapping[str, str] | None = None,
    valid: Container[str] | None = None,
) -> pd.DataFrame:
    """A competition's image table: image_id, path (absolute, text), height, width (px).

    With `groups` it has the column group; with `valid`, the ids of the competition's own validation images, the column
    split, which is "train" or "valid".
    """
    sizes = [headers[path] for path in images.values()]
    columns = {
        "image_id": pd.Series(list(images), dtype="str"),
        "path": pd.Series([str(path) for path in images.values()], dtype="str"),
        "height": pd.Series([size.height for size in sizes], dtype="int64"),
        "width": pd.Series([size.width for size in sizes], dtype="int64"),
    }
    if groups is not None:
        columns["group"] = pd.Series([groups[image_id] for image_id in images], dtype="str")
    if valid is not None:
        splits = ["valid" if image_id in valid else "train" for image_id in images]
        columns["split"] = pd.Series(splits, dtype="str")
    return pd.DataFrame(columns)


def _decoded(path: Path, flag: int) -> np.ndarray:
    """(H, W, K) as OpenCV decodes it."""
    try:
        image = cv2.imdecode(_bytes(path), flag)
    except cv2.error:  # an empty file, or a size beyond what OpenCV decodes
        image = None
    if image is None:
        raise DataError([_undecodable(path)])
    return image.reshape(*image.shape[:2], -1)


def _undecodable(path: Path) -> str:
    if is_unread_image(path.name):
        return f"{path}: images of this kind are not read; convert them, to png for example ({', '.join(SUFFIXES)})"
    if path.suffix.lower() in TIFF:
        return (
            f"{path}: cannot be decoded; the file is truncated, no image, or has more than 4 channels a pixel: "
            "save those as npy or as one grey page a channel"
        )
    return f"{path}: cannot be decoded; the file is truncated or no image"


def _bytes(path: Path) -> np.ndarray:
    try:
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None


def _page_count(path: Path) -> int:
    """Number of pages of a TIFF; 0 where it is unknown."""
    return cv2.imcount(str(path)) if path.is_file() else 0


def _read_array(path: Path) -> np.ndarray:
    """(H, W, K) uint8 from an npy file, which holds (H, W) or (H, W, K) uint8."""
    try:
        image = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (OSError, ValueError, EOFError, MemoryError) as error:  # memory for all that its header claims to hold
        raise DataError([f"{path}: cannot be decoded; the file is truncated or no numeric array: {error}"]) from None
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
        found = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else "an archive"
        raise DataError([f"{path}: found {found}, expected uint8 of shape (height, width, channels)"])
    return image.reshape(*image.shape[:2], -1)


def _eight_bits(path: Path, image: np.ndarray) -> np.ndarray:
    """uint8 of a uint8 or uint16 image; all 16 bits count, so 12-bit values in 16-bit files come out dark."""
    if image.dtype == np.uint16:
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype != np.uint8:
        raise DataError([f"{path}: found {image.dtype} values, expected 8 or 16 bits"])
    return image


def _count(channels: int) -> str:
    return f"{channels} channel" + ("s" if channels != 1 else "")


def _inspect(path: Path) -> str:
    """The header of one image that decodes, as text. Raises DataError."""
    if is_unread_image(path.name):
        raise DataError([_undecodable(path)])
    read_declared(path)  # refuses what would not fit into memory
    check_single(path)
    # 3 channels: a colour image whose chroma is damaged must not pass as a good grey one.
    image = read_stored(path) if path.suffix.lower() in (*TIFF, ARRAY) else read_image(path, 3)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else image
    return f"{image.shape[0]} {image.shape[1]} {grey.max()}"


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


def _inspect_header(path: Path) -> str:
    """The header of one image that seems whole, as text; it is decoded where that is in doubt. Raises DataError."""
    declared = read_declared(path)
    if declared is None or not declared.whole:
        return _inspect(path)
    return f"{declared.height} {declared.width} {UNKNOWN_PEAK}"
