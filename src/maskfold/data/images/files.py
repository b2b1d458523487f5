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

from maskfold.data.images.decoding import CONVERTED, check_single, read_image, read_stored, undecodable
from maskfold.data.images.headers import read_declared
from maskfold.data.images.index import FileIndex
from maskfold.data.images.orientation import SIDEWAYS
from maskfold.data.images.suffixes import ARRAY, SUFFIXES, TIFF, is_image, is_unread_image
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores

Check = Literal["auto", "decode", "header"]

# Above this number of new files the check "auto" stops decoding: at 5 ms an image of 256x1600 px it would take minutes.
MAX_DECODED = 20_000
UNKNOWN_PEAK = -1


class ImageHeader(NamedTuple):
    """What the check found out about one image.

    height, width: px; peak: the brightest grey (0..255; of deeper values a 257th), UNKNOWN_PEAK if not decoded;
    orientation: of EXIF, 1 to 8, that the image is read in (height and width are those of the turned image).
    """

    height: int
    width: int
    peak: int
    orientation: int = 1

    def turned(self, orientation: int) -> ImageHeader:
        """The header of the same stored pixels read in an orientation."""
        sides = (self.width, self.height) if orientation in SIDEWAYS else (self.height, self.width)
        return ImageHeader(*sides, self.peak, orientation)


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
    doubtful = [p for p in paths if channels not in CONVERTED or p.suffix.lower() in (*TIFF, ARRAY)]

    def problem(path: Path) -> str | None:
        """The problem of one file; None if it is good."""
        try:
            read_image(path, channels)
        except DataError as error:
            return error.problems[0]
        return None

    with ThreadPoolExecutor(max_workers=available_cores()) as pool:
        found = zip(doubtful, pool.map(problem, doubtful), strict=True)
        return {path: line for path, line in found if line is not None}


def image_table(
    images: Mapping[str, Path],
    headers: Mapping[Path, ImageHeader],
    groups: Mapping[str, str] | None = None,
    valid: Container[str] | None = None,
) -> pd.DataFrame:
    """A competition's image table: image_id, path (absolute, text), height, width (px).

    Where some are not read as stored, it has the column orientation (1 to 8, see Photo). With `groups` it has the
    column group; with `valid`, the ids of the competition's own validation images, the column split, which is "train"
    or "valid".
    """
    sizes = [headers[path] for path in images.values()]
    columns = {
        "image_id": pd.Series(list(images), dtype="str"),
        "path": pd.Series([str(path) for path in images.values()], dtype="str"),
        "height": pd.Series([size.height for size in sizes], dtype="int64"),
        "width": pd.Series([size.width for size in sizes], dtype="int64"),
    }
    if any(size.orientation != 1 for size in sizes):
        columns["orientation"] = pd.Series([size.orientation for size in sizes], dtype="int64")
    if groups is not None:
        columns["group"] = pd.Series([groups[image_id] for image_id in images], dtype="str")
    if valid is not None:
        splits = ["valid" if image_id in valid else "train" for image_id in images]
        columns["split"] = pd.Series(splits, dtype="str")
    return pd.DataFrame(columns)


def _inspect(path: Path) -> str:
    """The header of one image that decodes, as text. Raises DataError."""
    if is_unread_image(path.name):
        raise DataError([undecodable(path)])
    read_declared(path)  # refuses what would not fit into memory
    check_single(path)
    # 3 channels: a colour image whose chroma is damaged must not pass as a good grey one.
    image = read_stored(path) if path.suffix.lower() in (*TIFF, ARRAY) else read_image(path, 3)
    values = image if image.dtype == np.uint8 else np.clip(image.astype(np.float32) / 257, 0, 255)
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) if image.shape[2] == 3 else values
    return f"{image.shape[0]} {image.shape[1]} {round(float(grey.max()))}"


def _inspect_header(path: Path) -> str:
    """The header of one image that seems whole, as text; it is decoded where that is in doubt. Raises DataError."""
    declared = read_declared(path)
    if declared is None or not declared.whole:
        return _inspect(path)
    return f"{declared.height} {declared.width} {UNKNOWN_PEAK}"
