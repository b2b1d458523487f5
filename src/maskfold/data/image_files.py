"""Image files: listing, reading, and the check that every one of them really decodes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from maskfold.data.competition import DataError
from maskfold.paths import image_index
from maskfold.provenance import whole_file

SUFFIXES = (".jpg", ".jpeg", ".png")

# Fewer images than this are decoded again faster than an index of them is worth keeping.
_MIN_INDEXED = 200

_INDEX_COLUMNS = ("name", "size", "mtime_ns", "height", "width", "peak")


class ImageHeader(NamedTuple):
    """What the check found out about one image: its size and its brightest value (0..255, over all channels)."""

    height: int
    width: int
    peak: int


def list_images(folder: Path) -> list[Path]:
    """The jpg, jpeg and png files right in `folder`, sorted by name; hidden files are left out.

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

    channels: 1 for grey, 3 for RGB; other modes are converted, transparency is dropped, 16-bit values are scaled to 8.
    The EXIF orientation is ignored: labels belong to the pixels as they are stored. Returns (H, W, channels) uint8.
    Raises DataError naming the file when it is missing, truncated or no image.
    """
    flag = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}[channels] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), flag)
    except OSError as error:
        raise DataError([f"{path}: cannot be read: {error.strerror}"]) from None
    except cv2.error:  # an empty file, or a size beyond what OpenCV decodes
        image = None
    if image is None:
        raise DataError([f"{path}: cannot be decoded; the file is truncated or no image"])
    return image.reshape(*image.shape[:2], channels)


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
        image = read_image(path, 3)
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
