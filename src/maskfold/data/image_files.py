"""Image files: listing, reading, and the check that every one of them really decodes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from maskfold.data.competition import DataError
from maskfold.paths import image_index
from maskfold.provenance import whole_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".npy")
_TIFF = (".tif", ".tiff")
_ARRAY = ".npy"

# Fewer images than this are decoded again faster than an index of them is worth keeping.
_MIN_INDEXED = 200

# How OpenCV is told to convert to this many channels.
_CONVERTED = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}

_INDEX_COLUMNS = ("name", "size", "mtime_ns", "height", "width", "peak")


class ImageHeader(NamedTuple):
    """What the check found out about one image: its size and its brightest value (0..255, over all channels)."""

    height: int
    width: int
    peak: int


def list_images(folder: Path) -> list[Path]:
    """The image files (of SUFFIXES) right in `folder`, sorted by name; hidden files are left out.

    Raises DataError when there is no such folder or no image in it.
    """
    if not folder.is_dir():
        raise DataError([f"{folder}: no such folder of images"])
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file()
        )
    if not names:
        raise DataError([f"{folder}: holds no image ({', '.join(SUFFIXES)})"])
    return [folder / name for name in names]


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
    if channels not in _CONVERTED or suffix == _ARRAY or (suffix in _TIFF and _page_count(path) > 1):
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
    if path.suffix.lower() == _ARRAY:
        return _read_array(path)
    if path.suffix.lower() in _TIFF and _page_count(path) > 1:
        pages = cv2.imdecodemulti(_bytes(path), cv2.IMREAD_UNCHANGED)[1]
        if len({page.shape for page in pages}) > 1 or pages[0].ndim != 2:
            raise DataError([f"{path}: the pages of a TIFF are its channels: all grey and of one size; found others"])
        return _eight_bits(path, np.dstack(pages))
    image = _eight_bits(path, _decoded(path, cv2.IMREAD_UNCHANGED))
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(image.shape[2])  # OpenCV has blue first
    return image if order is None else np.ascontiguousarray(image[:, :, order])


def read_for_display(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 to look at: RGB, or of a file with other channels the first three."""
    if path.suffix.lower() not in (*_TIFF, _ARRAY):
        return read_image(path, 3)
    image = read_stored(path)
    return np.ascontiguousarray(image[:, :, :3] if image.shape[2] >= 3 else np.repeat(image[:, :, :1], 3, axis=2))


def check_images(paths: list[Path]) -> tuple[dict[Path, ImageHeader], list[str]]:
    """Decode every file once and report all that fail.

    What was found is kept in an index under runs/ with size and modification time of each file, so that later stages
    decode only what is new. Returns the header of each good file, and one problem a bad one.
    """
    headers: dict[Path, ImageHeader] = {}
    problems: list[str] = []
    for folder in sorted({path.parent for path in paths}):
        inside = [path for path in paths if path.parent == folder]
        good, bad = _check_folder(folder, inside)
        headers.update(good)
        problems += bad
    return headers, problems


def check_channels(paths: Sequence[Path], channels: int) -> list[str]:
    """One problem for each image that read_image cannot give `channels` channels; decodes only where that may be."""
    doubtful = [p for p in paths if channels not in _CONVERTED or p.suffix.lower() in (*_TIFF, _ARRAY)]

    def problem(path: Path) -> str | None:
        try:
            read_image(path, channels)
        except DataError as error:
            return error.problems[0]
        return None

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return [found for found in pool.map(problem, doubtful) if found is not None]


def image_table(
    images: Mapping[str, Path], headers: Mapping[Path, ImageHeader], groups: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """A competition's image table: image_id, path (absolute, text), height, width (px), and group where given."""
    sizes = [headers[path] for path in images.values()]
    columns = {
        "image_id": pd.Series(list(images), dtype="str"),
        "path": pd.Series([str(path) for path in images.values()], dtype="str"),
        "height": pd.Series([size.height for size in sizes], dtype="int64"),
        "width": pd.Series([size.width for size in sizes], dtype="int64"),
    }
    if groups is not None:
        columns["group"] = pd.Series([groups[image_id] for image_id in images], dtype="str")
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
    if path.suffix.lower() in _TIFF:
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
    """Number of pages of a TIFF; 0 where it cannot be told."""
    return cv2.imcount(str(path)) if path.is_file() else 0


def _read_array(path: Path) -> np.ndarray:
    """(H, W, K) uint8 from an npy file, which holds (H, W) or (H, W, K) uint8."""
    try:
        image = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None
    except (OSError, ValueError, EOFError) as error:
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


def _check_folder(folder: Path, paths: list[Path]) -> tuple[dict[Path, ImageHeader], list[str]]:
    index_file = image_index(folder)
    known = _read_index(index_file) if len(paths) >= _MIN_INDEXED else {}
    stamps = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
    headers = {path: known[path.name, *stamps[path]] for path in paths if (path.name, *stamps[path]) in known}
    new = [path for path in paths if path not in headers]
    problems = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # decoding leaves Python's lock
        for path, found in zip(new, pool.map(_inspect, new), strict=True):
            if isinstance(found, str):
                problems.append(found)
            else:
                headers[path] = found
    if new and len(paths) >= _MIN_INDEXED:
        _write_index(index_file, headers, stamps)
    return headers, problems


def _inspect(path: Path) -> ImageHeader | str:
    """Header of one image, or the problem with it."""
    try:
        # 3 channels: a colour image whose chroma is damaged must not pass as a good grey one.
        image = read_stored(path) if path.suffix.lower() in (*_TIFF, _ARRAY) else read_image(path, 3)
    except DataError as error:
        return error.problems[0]
    return ImageHeader(image.shape[0], image.shape[1], int(image.max()))


def _read_index(file: Path) -> dict[tuple[str, int, int], ImageHeader]:
    """Earlier findings: (name, size, mtime) -> header; none where the index is missing or damaged."""
    try:
        table = pd.read_csv(file, dtype={"name": "str"}, keep_default_na=False)
        columns = [table[column].tolist() for column in _INDEX_COLUMNS]
    except (OSError, ValueError, KeyError):
        return {}
    return {(n, s, m): ImageHeader(h, w, p) for n, s, m, h, w, p in zip(*columns, strict=True)}


def _write_index(file: Path, headers: dict[Path, ImageHeader], stamps: dict[Path, tuple[int, int]]) -> None:
    rows = [(path.name, *stamps[path], *header) for path, header in sorted(headers.items())]
    # The index only saves time; on a read-only disk every stage decodes the images again.
    with contextlib.suppress(OSError), whole_file(file) as temporary:
        pd.DataFrame(rows, columns=list(_INDEX_COLUMNS)).to_csv(temporary, index=False)
