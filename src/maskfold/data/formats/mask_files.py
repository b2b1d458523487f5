"""Mask images: which class each pixel belongs to, read when asked; mask_checks looks at them up front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskfold.config import MaskFoldersData, PathsCsvData
from maskfold.data.formats.mask_alpha import check_values, drawn_plane
from maskfold.data.images.decoding import open_with_pillow, read_eight_bits, read_stored
from maskfold.data.images.files import ImageHeader
from maskfold.data.images.headers import PNG
from maskfold.data.images.suffixes import ARRAY, DEEP, JPEG
from maskfold.errors import DataError
from maskfold.pixels.geometry import upright, without
from maskfold.pixels.soft import hard, mean_mask

_FAR = 64  # a lossy pixel farther than this from every known value or colour is none of them …
_MAX_FAR_SHARE = 0.02  # … and edges alone never make so many


@dataclass(frozen=True)
class MaskCode:
    """What the pixels of mask files mean: see the config's MaskImageData.

    values: of the background, then of each class, and last the ignored one, if any; () of binary masks. soft: grey
    values are probabilities; mean: several files are masks of annotators, whose mean counts.
    """

    labels: str
    class_count: int
    threshold: int
    values: tuple[tuple[int, ...], ...]
    resize: bool
    ignore: int | None = None
    soft: bool = False
    mean: bool = False

    @property
    def shares(self) -> bool:
        """Whether masks are read as probabilities."""
        return self.soft or self.mean

    @classmethod
    def of(cls, data: MaskFoldersData | PathsCsvData) -> MaskCode:
        """The code a config's data section describes."""
        values, ignore = data.values_of(), data.ignore_number
        values += ((ignore,),) if values and ignore is not None else ()
        several = data.several_masks if isinstance(data, MaskFoldersData) else data.several_rows
        classes, mean = len(data.class_names), several == "mean"
        return cls(data.labels, classes, data.mask_threshold, values, data.resize_masks, ignore, data.soft, mean)


Masks = dict[str, list[tuple[Path, ...]]]  # image_id -> the files of its one mask, or those of each class


def mask_files_of(masks: Masks) -> list[Path]:
    """All mask files, each once."""
    return list(dict.fromkeys(file for own in masks.values() for files in own for file in files))


def sized_images(data: MaskFoldersData | PathsCsvData, masks: Masks) -> frozenset[str]:
    """The images that have masks of which each must have the size of its image."""
    return frozenset() if data.resize_masks else frozenset(image_id for image_id, own in masks.items() if any(own))


@dataclass(frozen=True)
class FileMasks:
    """Reads the mask files of an image when asked; picklable.

    files: image_id -> the files that show all classes, or those of each class; several are joined, none is blank;
    sizes: image_id -> (height, width) in px of the photo; turned: file -> the EXIF orientation that it is read in.
    """

    files: Mapping[str, tuple[tuple[str, ...], ...]]
    sizes: Mapping[str, tuple[int, int]]
    code: MaskCode
    turned: Mapping[str, int] = field(default_factory=dict)

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
        turned = {
            path: headers[Path(path)].orientation
            for own in files.values()
            for paths in own
            for path in paths
            if headers[Path(path)].orientation != 1
        }
        return cls(files, sizes, MaskCode.of(data), turned)

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1} of a training image; KeyError for any other, DataError for a bad mask file."""
        if self.code.shares:
            return hard(self.soft(image_id))
        masks, ignored = self._read(image_id)
        return without(masks, None if self.code.ignore is None else ignored)

    def ignored(self, image_id: str) -> np.ndarray:
        """(H, W) uint8 in {0, 1}, 1 where a mask file has the ignored value; errors as for the masks."""
        return self._read(image_id)[1]

    def soft(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8, q stands for a probability of q/255; of several files their mean, or where they are joined
        the largest; errors as for the masks."""
        size, code = self.sizes[image_id], self.code
        shares = np.zeros((code.class_count, *size), dtype=np.uint8)
        for index, files in enumerate(self.files[image_id]):
            planes = []
            for path in map(Path, files):
                plane = read_shares(path) if code.soft else 255 * (read_grey(path) >= code.threshold).astype(np.uint8)
                planes.append(fitted(path, upright(plane, self.turned.get(str(path), 1)), size, code.resize))
            if planes:
                shares[index] = mean_mask(planes) if code.mean else np.max(planes, axis=0)
        return shares

    def _read(self, image_id: str) -> tuple[np.ndarray, np.ndarray]:
        """The masks (C, H, W) and the ignored pixels (H, W), in which masks may be on."""
        size, code = self.sizes[image_id], self.code
        masks, ignored = np.zeros((code.class_count, *size), dtype=np.uint8), np.zeros(size, dtype=np.uint8)
        for index, files in enumerate(self.files[image_id]):
            for path in map(Path, files):
                binary = code.labels == "binary"
                plane = read_grey(path) if binary else read_classes(path, code)
                plane = fitted(path, upright(plane, self.turned.get(str(path), 1)), size, code.resize)
                if binary:
                    masks[index] |= plane >= code.threshold
                else:
                    masks |= plane == np.arange(1, code.class_count + 1, dtype=np.uint8)[:, None, None]
                if code.ignore is not None:
                    ignored |= plane == (code.ignore if binary else code.class_count + 1)
        return masks, ignored


def read_grey(path: Path) -> np.ndarray:
    """(H, W) uint8 of a binary mask, its alpha if it is drawn in that. Raises DataError naming the file.

    Of 16 bits the value v becomes ceil(v / 257), so that what is not 0 stays so and 65535 is 255.
    """
    if is_deep(path):
        return np.asarray((read_values(path, "class_index") + 256) // 257, dtype=np.uint8)
    if path.suffix.lower() != ARRAY:
        return drawn_plane(path, read_eight_bits(path, 1)[:, :, 0])
    values = read_stored(path)
    if values.shape[2] != 1:
        raise DataError([f"{path}: found {values.shape[2]} channels, expected (height, width) in a binary mask"])
    plane = values[:, :, 0].astype(np.uint8)
    if (plane != values[:, :, 0]).any():
        found = f"{values.min():g} to {values.max():g}"
        expected = "whole numbers from 0 to 255, or unsigned ones of 16 bits"
        raise DataError([f"{path}: found values from {found}, expected {expected}, in a binary mask"])
    return plane


def read_shares(path: Path) -> np.ndarray:
    """(H, W) uint8 of a soft mask, q for a probability of q/255. Raises DataError naming the file.

    Of 16 bits 65535 is 1; floats of an array are the probabilities themselves.
    """
    if is_deep(path):
        return np.asarray((read_values(path, "class_index") + 128) // 257, dtype=np.uint8)
    if path.suffix.lower() != ARRAY or read_stored(path).dtype.kind != "f":
        return read_grey(path)
    values = read_stored(path)
    if values.shape[2] != 1:
        raise DataError([f"{path}: found {values.shape[2]} channels, expected (height, width) in a soft mask"])
    if values.min() < 0 or values.max() > 1:
        found = f"{values.min():g} to {values.max():g}"
        raise DataError([f"{path}: found values from {found}, expected probabilities from 0 to 1 in a soft mask"])
    return np.rint(255 * values[:, :, 0]).astype(np.uint8)


def is_deep(path: Path) -> bool:
    """Whether an image file holds grey values of 16 bits."""
    suffix = path.suffix.lower()
    if suffix not in (*DEEP, ARRAY):
        return False
    try:
        if suffix == ARRAY:
            return bool(np.load(path, mmap_mode="r", allow_pickle=False).dtype == np.uint16)
        with path.open("rb") as file:
            start = file.read(26)
            if start.startswith(PNG):  # Pillow takes longer, and every mask is asked
                return start[24:26] == b"\x10\x00"  # bits, grey
            file.seek(0)
            with Image.open(file) as image:
                return image.mode.startswith("I;16")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # decoding says what is wrong
        return False


def read_classes(path: Path, code: MaskCode) -> np.ndarray:
    """(H, W) uint8 of a class-index or colour mask: 0 for the background, 1, 2, … for the classes, then for ignored.

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
        raise DataError([f"{path}: {shown(int(plane[unknown][0]), code.labels)} belongs to no class; {fix_of(code)}"])
    return owner[order][place]


def read_values(path: Path, labels: str) -> np.ndarray:
    """(H, W) int32: the grey values or palette indices of a mask, or its colours, each as one number (see values_of).

    Raises DataError naming the file.
    """
    if labels == "colour":
        rgb = read_eight_bits(path, 3).astype(np.int32)
        colours = (rgb[:, :, 0] << 16) | (rgb[:, :, 1] << 8) | rgb[:, :, 2]
        check_values(path, colours)
        return colours
    if path.suffix.lower() == ARRAY:
        values = read_stored(path)
        if values.dtype.kind == "f" and (values == np.rint(values)).all():  # of 32 and 64 bits
            values = values.astype(np.int32)
    else:
        try:
            with open_with_pillow(path) as image:  # OpenCV turns palette indices into colours
                values = _gif_values(path, image) if image.format == "GIF" else np.asarray(image)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError([f"{path}: cannot be decoded; the file is truncated or no image: {error}"]) from None
    if values.ndim == 3:
        with_alpha = path.suffix.lower() != ARRAY and values.shape[2] in (2, 4)
        opaque = values[:, :, :-1] if with_alpha else values
        if (opaque != values[:, :, :1]).any():
            raise DataError([f"{path}: a colour image, but data.labels is class_index; set labels: colour"])
        values = values[:, :, 0]
    if values.ndim != 2 or values.dtype.kind not in "bui":
        raise DataError([f"{path}: found {values.dtype} of shape {values.shape}, expected whole numbers (H, W)"])
    check_values(path, values)
    return values.astype(np.int32)


def _gif_values(path: Path, image: Image.Image) -> np.ndarray:
    """(H, W) uint8 greys of a gif: programs renumber the colours of each file, so its indices mean nothing."""
    rgb = np.asarray(image.convert("RGB"))
    if (rgb != rgb[:, :, :1]).any():
        raise DataError(
            [f"{path}: a gif with colours, whose indices differ from file to file; set data.labels: colour"]
        )
    return rgb[:, :, 0]


def fitted(path: Path, plane: np.ndarray, size: tuple[int, int], resize: bool) -> np.ndarray:
    """(H, W) at the photo's size, nearest pixel."""
    if plane.shape == size:
        return plane
    if not resize:
        raise DataError([f"{path}: the mask is {plane.shape[0]}x{plane.shape[1]} px, its photo {size[0]}x{size[1]}"])
    return cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def _nearest(path: Path, plane: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H, W) int64: the place in `known` of the value nearest to each pixel of a lossy mask."""
    distances = np.stack([np.abs(channels_of(plane) - channels_of(np.int32(value))).max(axis=-1) for value in known])
    far = distances.min(axis=0) > _FAR
    if far.mean() > _MAX_FAR_SHARE:
        raise DataError(
            [f"{path}: {far.mean():.0%} of the pixels are near no known value; a class is missing, or it is no mask"]
        )
    return distances.argmin(axis=0)


def channels_of(values: np.ndarray | np.int32) -> np.ndarray:
    """(…, 3) int32: the colours of the numbers; a grey value is a blue."""
    return np.stack([values >> 16, (values >> 8) & 255, values & 255], axis=-1)


def shown(value: int, labels: str) -> str:
    """A value of class-index masks, or a colour, in words."""
    if labels != "colour":
        return f"the value {value}"
    return f"the colour [{value >> 16}, {value >> 8 & 255}, {value & 255}]"


def fix_of(code: MaskCode) -> str:
    """What to do about a value or colour that belongs to no class."""
    what = "values" if code.labels == "class_index" else "colours"
    ignored = "" if code.ignore is not None else ", or in data.ignore_value if it marks pixels that nobody labelled"
    return f"name it in data.class_{what}, in data.background_{what} if it is none{ignored}"
