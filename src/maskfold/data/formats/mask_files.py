"""Mask images: which class each pixel belongs to, read when asked and checked up front."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from maskfold.config import MaskFoldersData, PathsCsvData
from maskfold.data.competition import MaskSource
from maskfold.data.images.files import (
    UNKNOWN_PEAK,
    ImageHeader,
    read_image,
    read_stored,
)
from maskfold.data.images.index import FileIndex
from maskfold.data.images.suffixes import ARRAY, JPEG
from maskfold.errors import DataError

_MIN_GAP = 24  # between values or colours in a lossy file; closer ones smear into each other
_FAR = 64  # a lossy pixel farther than this from every known value or colour is none of them …
_MAX_FAR_SHARE = 0.02  # … and edges alone never make so many
_MOST_VALUES = 64  # in a mask; a file with more is a photo, or was a jpg once
_SPOT_CHECKS = 200  # masks


@dataclass(frozen=True)
class MaskCode:
    """What the pixels of mask files mean: see the config's _MaskImages; values of the background come first."""

    labels: str
    class_count: int
    threshold: int
    values: tuple[tuple[int, ...], ...]
    resize: bool

    @classmethod
    def of(cls, data: MaskFoldersData | PathsCsvData) -> MaskCode:
        """The code a config's data section describes."""
        return cls(data.labels, len(data.class_names), data.mask_threshold, data.values_of(), data.resize_masks)


Masks = dict[str, list[tuple[Path, ...]]]  # image_id -> the files of its one mask, or those of each class


def mask_files_of(masks: Masks) -> list[Path]:
    """All mask files, each once."""
    return list(dict.fromkeys(file for own in masks.values() for files in own for file in files))


@dataclass(frozen=True)
class FileMasks:
    """Reads the mask files of an image when asked; picklable.

    files: image_id -> the files that show all classes, or those of each class; several are joined, none is blank;
    sizes: image_id -> (height, width) in px of the photo.
    """

    files: Mapping[str, tuple[tuple[str, ...], ...]]
    sizes: Mapping[str, tuple[int, int]]
    code: MaskCode

    @classmethod
    def of(
        cls,
        data: MaskFoldersData | PathsCsvData,
        images: Mapping[str, Path],
        masks: Masks,
        headers: Mapping[Path, ImageHeader],
    ) -> FileMasks:
        """The masks of the images whose mask files the check found whole: all of them, unless problems are tolerated.

        No other file is read: it may be one that would fill the memory.
        """
        whole = {key: own for key, own in masks.items() if all(file in headers for files in own for file in files)}
        files = {key: tuple(tuple(map(str, paths)) for paths in own) for key, own in whole.items()}
        sizes = {image_id: headers[path][:2] for image_id, path in images.items()}
        return cls(files, sizes, MaskCode.of(data))

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1} of a training image; KeyError for any other, DataError for a bad mask file."""
        size = self.sizes[image_id]
        masks = np.zeros((self.code.class_count, *size), dtype=np.uint8)
        for index, files in enumerate(self.files[image_id]):
            for path in map(Path, files):
                if self.code.labels == "binary":
                    masks[index] |= _fitted(path, read_grey(path), size, self.code.resize) >= self.code.threshold
                else:
                    classes = _fitted(path, read_classes(path, self.code), size, self.code.resize)
                    masks |= classes == np.arange(1, self.code.class_count + 1, dtype=np.uint8)[:, None, None]
        return masks


def read_grey(path: Path) -> np.ndarray:
    """(H, W) uint8 of a binary mask. Raises DataError naming the file."""
    if path.suffix.lower() != ARRAY:
        return read_image(path, 1)[:, :, 0]
    pixels = read_stored(path)
    if pixels.shape[2] != 1:
        raise DataError([f"{path}: found {pixels.shape[2]} channels, expected (height, width) in a binary mask"])
    return pixels[:, :, 0]


def read_classes(path: Path, code: MaskCode) -> np.ndarray:
    """(H, W) uint8 of a class-index or colour mask: 0 for the background, 1, 2, … for the classes.

    Raises DataError naming the file and a value that belongs to no class.
    """
    plane = read_values(path, code.labels)
    known = np.array([value for own in code.values for value in own])
    owner = np.array([index for index, own in enumerate(code.values) for _ in own], dtype=np.uint8)
    if path.suffix.lower() in JPEG:
        return owner[_nearest(path, plane, known)]
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], plane), len(known) - 1)
    unknown = known[order][place] != plane
    if unknown.any():
        raise DataError([f"{path}: {_shown(int(plane[unknown][0]), code.labels)} belongs to no class; {_cure(code)}"])
    return owner[order][place]


def read_values(path: Path, labels: str) -> np.ndarray:
    """(H, W) int32: the grey values or palette indices of a mask, or its colours, each as one number (see values_of).

    Raises DataError naming the file.
    """
    if labels == "colour":
        rgb = read_image(path, 3).astype(np.int32)
        return (rgb[:, :, 0] << 16) | (rgb[:, :, 1] << 8) | rgb[:, :, 2]
    if path.suffix.lower() == ARRAY:
        values = read_stored(path)
    else:
        try:
            with Image.open(path) as image:  # OpenCV turns palette indices into colours
                values = np.asarray(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError([f"{path}: cannot be decoded; the file is truncated or no image: {error}"]) from None
    if values.ndim == 3:
        if (values[:, :, : min(3, values.shape[2])] != values[:, :, :1]).any():
            raise DataError([f"{path}: a colour image, but data.labels is class_index; set labels: colour"])
        values = values[:, :, 0]
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise DataError([f"{path}: found {values.dtype} of shape {values.shape}, expected whole numbers (H, W)"])
    return values.astype(np.int32)


def check_mask_files(
    data: MaskFoldersData | PathsCsvData,
    images: Mapping[str, Path],
    pairs: Masks,
    headers: Mapping[Path, ImageHeader],
) -> list[str]:
    """What is wrong with the masks of photos; the pixels of files of which only headers were read are not looked at.

    images: image_id -> photo; headers: of all files that can be read.
    """
    code = MaskCode.of(data)
    problems = []
    for image_id, own in pairs.items():
        for file in (file for files in own for file in files):
            if file in headers and images[image_id] in headers:
                problems += _size_problem(file, headers[file], headers[images[image_id]], code.resize)
    masks = [file for file in mask_files_of(pairs) if file in headers]
    exact = [path for path in masks if path.suffix.lower() not in JPEG and headers[path].peak != UNKNOWN_PEAK]
    if code.labels == "binary":
        arrays = [path for path in exact if path.suffix.lower() == ARRAY]
        problems += FileIndex(arrays, "binary").inspect_new(lambda path: str(read_grey(path).max()), "masks")
        return sorted(problems) + (_blank_problem(masks, headers, code) or _faint_problem(exact, headers, code))
    if any(path.suffix.lower() in JPEG for path in masks):
        problems += _gap_problem(code)
    return sorted(problems) + _value_problems(exact, code)


def spot_check(source: MaskSource, image_ids: Sequence[str], headers: Collection[ImageHeader]) -> list[str]:
    """What reading some evenly spaced masks brings to light, where the check did not decode every file."""
    if all(header.peak != UNKNOWN_PEAK for header in headers):
        return []
    problems, shown = [], False
    chosen = image_ids[:: max(1, len(image_ids) // _SPOT_CHECKS)]
    for image_id in chosen:
        try:
            shown = bool(source(image_id).any()) or shown
        except DataError as error:
            problems += error.problems
    if not problems and not shown:
        problems.append(f"none of {len(chosen)} masks shows anything; look at data.mask_threshold and the class values")
    return problems


def _fitted(path: Path, plane: np.ndarray, size: tuple[int, int], resize: bool) -> np.ndarray:
    """(H, W) at the photo's size, nearest pixel."""
    if plane.shape == size:
        return plane
    if not resize:
        raise DataError([f"{path}: the mask is {plane.shape[0]}x{plane.shape[1]} px, its photo {size[0]}x{size[1]}"])
    return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def _nearest(path: Path, plane: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W) int64: the place in `known` of the value nearest to each pixel of a lossy mask."""
    distances = np.stack([np.abs(_channels(plane) - _channels(np.int32(value))).max(axis=-1) for value in known])
    far = distances.min(axis=0) > _FAR
    if far.mean() > _MAX_FAR_SHARE:
        raise DataError(
            [f"{path}: {far.mean():.0%} of the pixels are near no known value; a class is missing, or it is no mask"]
        )
    return distances.argmin(axis=0)


def _channels(values: np.ndarray | np.int32) -> np.ndarray:
    """(…, 3) int32: the colours behind the numbers; a grey value is a blue."""
    return np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=-1)


def _size_problem(file: Path, mask: ImageHeader, photo: ImageHeader, resize: bool) -> list[str]:
    swapped = mask[:2] == photo[1::-1] and mask.height != mask.width
    if mask[:2] == photo[:2] or (resize and not swapped):
        return []
    cure = (
        "its sides are swapped: was the photo turned by its EXIF orientation?"
        if swapped
        else "set data.resize_masks: true if it shows the same view"
    )
    return [
        f"{file}: the mask is {mask.height}x{mask.width} px (height x width), "
        f"its photo {photo.height}x{photo.width}; {cure}"
    ]


def _blank_problem(masks: Sequence[Path], headers: Mapping[Path, ImageHeader], code: MaskCode) -> list[str]:
    peaks = [headers[path].peak for path in masks]
    if not peaks or max(peaks) >= code.threshold or UNKNOWN_PEAK in peaks:
        return []
    return [
        f"{masks[0].parent}: no mask shows anything: the brightest value of all is {max(peaks)}, "
        f"below data.mask_threshold={code.threshold}"
    ]


def _faint_problem(exact: Sequence[Path], headers: Mapping[Path, ImageHeader], code: MaskCode) -> list[str]:
    """Masks that show something, but nothing at the threshold: zeros and ones among others of 255, or colours."""
    faint = [path for path in exact if 0 < headers[path].peak < code.threshold]
    if not faint:
        drawn = [path for path in exact if path.suffix.lower() != ARRAY]
        brightest = max(drawn, key=lambda path: headers[path].peak, default=None)
        try:
            if brightest is None or not 0 < read_grey(brightest).max() < code.threshold:
                return []
        except DataError as error:  # a TIFF of several pages
            return error.problems
        return [
            f"{brightest}: is drawn in colour and shows nothing at data.mask_threshold={code.threshold}, which is of "
            "greys; set data.labels: colour with class_colours, or lower data.mask_threshold"
        ]
    return [
        f"{faint[0]}: shows something, but its brightest value is {headers[faint[0]].peak}, below "
        f"data.mask_threshold={code.threshold} ({len(faint)} of {len(exact)} masks are so); "
        "save them like the others, or lower data.mask_threshold"
    ]


def _gap_problem(code: MaskCode) -> list[str]:
    owned = [(value, index) for index, own in enumerate(code.values) for value in own]
    for first, owner in owned:
        for second, other in owned:
            gap = int(np.abs(_channels(np.int32(first)) - _channels(np.int32(second))).max())
            if owner < other and gap < _MIN_GAP:
                pair = f"{_shown(first, code.labels)} and {_shown(second, code.labels)}"
                return [f"jpg masks smear {pair} into each other; save the masks as png"]
    return []


def _value_problems(masks: Sequence[Path], code: MaskCode) -> list[str]:
    """One problem for each value that belongs to no class, and for each file that is no such mask."""
    index = FileIndex(masks, code.labels)

    def distinct(path: Path) -> str:
        values = pd.unique(read_values(path, code.labels).ravel())
        return "many" if len(values) > _MOST_VALUES else " ".join(map(str, sorted(values)))

    problems = index.inspect_new(distinct, "values of the masks")
    known = {str(value) for own in code.values for value in own}
    strangers: dict[str, list[Path]] = {}
    for path, finding in index.found.items():
        if finding == "many":
            problems.append(f"{path}: more than {_MOST_VALUES} different values, so no {code.labels} mask")
        else:
            for value in set(finding.split()) - known:
                strangers.setdefault(value, []).append(path)
    for value, paths in sorted(strangers.items()):
        problems.append(
            f"{paths[0]}: {_shown(int(value), code.labels)} belongs to no class "
            f"({len(paths)} of {len(masks)} masks have it); {_cure(code)}"
        )
    return problems


def _shown(value: int, labels: str) -> str:
    if labels != "colour":
        return f"the value {value}"
    return f"the colour [{value >> 16}, {value >> 8 & 255}, {value & 255}]"


def _cure(code: MaskCode) -> str:
    what = "values" if code.labels == "class_index" else "colours"
    return f"name it in data.class_{what}, or in data.background_{what} if it is none"
