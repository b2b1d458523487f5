"""Ignore masks: image files of their own whose pixels that are not 0 show what nobody labelled."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from maskfold.config.data.every_format import LabelledData
from maskfold.config.data.mask_images import MaskImageData
from maskfold.data.competition import Competition, IgnoredSource, MaskSource, SoftSource
from maskfold.data.formats.mask_doubts import white_is_zero
from maskfold.data.formats.mask_files import fitted, read_grey
from maskfold.data.formats.name_patterns import files_below
from maskfold.data.images.files import UNKNOWN_PEAK, ImageHeader
from maskfold.data.images.index import FileIndex
from maskfold.data.images.suffixes import JPEG, is_image, without_image_suffix
from maskfold.data.problems import Problems, data_root
from maskfold.data.validation import check_files
from maskfold.pixels.geometry import upright, without

_MOST_VALUES = 64  # in an ignore mask; a file with more is a photo
_JPEG_THRESHOLD = 128

Files = Mapping[str, tuple[Path, ...]]  # image_id -> its ignore masks


@dataclass(frozen=True)
class IgnoreFiles:
    """Reads the ignore masks of an image, and what its other labels leave out, when asked; picklable.

    sizes: image_id -> (height, width) in px of the photo; turned: file -> the EXIF orientation that it is read in;
    resize: masks of another size to that of the photo; more: the ignored pixels that other labels tell of.
    """

    files: Files
    sizes: Mapping[str, tuple[int, int]]
    turned: Mapping[Path, int] = field(default_factory=dict)
    resize: bool = False
    more: IgnoredSource | None = None

    def __call__(self, image_id: str) -> np.ndarray:
        """(H, W) uint8 in {0, 1}; KeyError for an image that is not a training image, DataError for a bad file."""
        size = self.sizes[image_id]
        ignored = np.zeros(size, dtype=np.uint8) if self.more is None else self.more(image_id)
        for path in self.files.get(image_id, ()):
            plane = upright(read_grey(path), self.turned.get(path, 1))
            ignored = ignored | (fitted(path, plane, size, self.resize) >= _threshold(path))
        return ignored


@dataclass(frozen=True)
class LabelledMasks:
    """Masks, or soft ones, that are 0 where a pixel is ignored; picklable."""

    masks: MaskSource | SoftSource
    ignored: IgnoredSource

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8, of the values that the masks have."""
        return without(self.masks(image_id), self.ignored(image_id))


def _threshold(path: Path) -> int:
    return _JPEG_THRESHOLD if path.suffix.lower() in JPEG else 1


def with_ignore_masks(competition: Competition, data: LabelledData, problems: Problems) -> Competition:
    """The competition with the ignore masks that `data.ignore_masks` names, checked.

    Raises DataError with all problems: no such folder, no ignore mask of a training image, those of unknown images, two
    of one image, and what `with_ignore_files` finds.
    """
    if data.ignore_masks is None:
        return competition
    files = _named(data_root(data.root), data.ignore_masks, competition, problems)
    return with_ignore_files(competition, files, data, problems)


def with_ignore_files(competition: Competition, files: Files, data: LabelledData, problems: Problems) -> Competition:
    """The competition with ignore masks in these files, checked.

    Raises DataError with all problems: files that cannot be read, have another size than their photo, or are photos.
    """
    paths = list(dict.fromkeys(path for own in files.values() for path in own))
    headers, _ = check_files(paths, {}, data, "strict", problems)
    train = competition.train
    sizes = dict(
        zip(train["image_id"], zip(train["height"].tolist(), train["width"].tolist(), strict=True), strict=True)
    )
    resize = isinstance(data, MaskImageData) and data.resize_masks
    pairs = [(image_id, path) for image_id, own in files.items() for path in own if path in headers]
    if not resize:
        problems += [
            f"{path}: the ignore mask is {headers[path].height}x{headers[path].width} px (height x width), the image "
            f"{image_id!r} {sizes[image_id][0]}x{sizes[image_id][1]}; save it at the size of the image"
            for image_id, path in pairs
            if headers[path][:2] != sizes[image_id]
        ]
    problems += white_is_zero(list(headers))
    problems += _photos(headers)
    problems.raise_any()
    turned = {path: header.orientation for path, header in headers.items() if header.orientation != 1}
    whole = {image_id: tuple(path for path in own if path in headers) for image_id, own in files.items()}
    source = IgnoreFiles(whole, sizes, turned, resize, competition.ignored)
    masks = LabelledMasks(competition.masks, source)
    soft = None if competition.soft is None else LabelledMasks(competition.soft, source)
    files_there = (*competition.ignore_files, *paths)
    return replace(competition, masks=masks, ignored=source, ignore_files=files_there, soft=soft)


def _photos(headers: Mapping[Path, ImageHeader]) -> list[str]:
    """One problem for each file with too many values for a mask; jpg and files that were not decoded are let pass."""
    exact = [
        path for path, header in headers.items() if header.peak != UNKNOWN_PEAK and path.suffix.lower() not in JPEG
    ]
    index = FileIndex(exact, "ignore_masks")
    problems = index.inspect_new(lambda path: str(len(np.unique(read_grey(path)))), "ignore masks")
    return problems + [
        f"{path}: has {count} different values, so it is no ignore mask; is data.ignore_masks the folder of photos?"
        for path, count in index.found.items()
        if int(count) > _MOST_VALUES
    ]


def _named(root: Path, place: str, competition: Competition, problems: Problems) -> dict[str, tuple[Path, ...]]:
    """image_id -> its ignore mask, of the images that have one; what is not called like one is added to unused."""
    parts = PurePosixPath(place).parts
    first = next((number for number, part in enumerate(parts) if "{" in part), len(parts))
    folder, pattern = root.joinpath(*parts[:first]), "/".join(parts[first:]) or "{stem}"
    with_suffix = is_image(pattern)
    keys = _keys(pattern, competition, problems)
    others = {pattern.replace("{stem}", without_image_suffix(name)) for name in competition.test["image_id"]}
    any_image = re.compile(re.escape(pattern).replace(re.escape("{stem}"), ".+"))
    found: dict[str, tuple[Path, ...]] = {}
    depth = max((key.count("/") for key in keys), default=0)
    for relative, path, _ in problems.attempt(lambda: list(files_below(folder, depth)), list[tuple[str, Path, bool]]()):
        key = relative if with_suffix else without_image_suffix(relative)
        if not path.is_file() or not is_image(relative) or not any_image.fullmatch(key):
            problems.unused.append(path)
        elif key not in keys:
            problems.unused.append(path)
            if key not in others:
                problems.append(f"{path}: an ignore mask of no image; data.ignore_masks is {place!r}")
        elif keys[key] in found:
            problems.append(
                f"{path}: the ignore mask of {keys[key]!r} is ambiguous, {found[keys[key]][0].name} is one too"
            )
        else:
            found[keys[key]] = (path,)
    if not found and folder.is_dir():
        problems.append(f"{folder}: holds no ignore mask of a training image; data.ignore_masks is {place!r}")
    return found


def _keys(pattern: str, competition: Competition, problems: Problems) -> dict[str, str]:
    """What an ignore mask is called -> image_id."""
    keys: dict[str, str] = {}
    ids: Collection[str] = competition.train["image_id"]
    for image_id in ids:
        other = keys.setdefault(pattern.replace("{stem}", without_image_suffix(image_id)), image_id)
        if other != image_id:
            problems.append(f"data.ignore_masks: the images {other!r} and {image_id!r} would have the same ignore mask")
    return keys
