"""Looks at mask files before anything is trained: sizes, values, and masks in which nothing shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.config import MaskFoldersData, PathsCsvData
from maskfold.data.competition import MaskSource
from maskfold.data.formats.mask_alpha import may_be_transparent
from maskfold.data.formats.mask_doubts import lost_colours, white_is_zero
from maskfold.data.formats.mask_files import (
    MaskCode,
    Masks,
    channels_of,
    fix_of,
    is_deep,
    mask_files_of,
    read_grey,
    read_shares,
    read_values,
    shown,
)
from maskfold.data.images.decoding import read_for_display
from maskfold.data.images.files import UNKNOWN_PEAK, ImageHeader
from maskfold.data.images.index import FileIndex
from maskfold.data.images.orientation import swapped_hint
from maskfold.data.images.suffixes import ARRAY, JPEG, TIFF
from maskfold.errors import DataError

_MIN_GAP = 24  # between values or colours in a lossy file; closer ones smear into each other
_MOST_VALUES = 64  # in a mask; a file with more is a photo, or was a jpg once
_SPOT_CHECKS = 200  # masks
_OPAQUE = "opaque"


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
                problems += _size_problem(file, images[image_id], headers, data)
    masks = [file for file in mask_files_of(pairs) if file in headers]
    exact = [path for path in masks if path.suffix.lower() not in JPEG and headers[path].peak != UNKNOWN_PEAK]
    problems += white_is_zero(masks)
    if code.labels == "binary":
        read = read_shares if code.soft else read_grey
        kind = "soft" if code.soft else "binary"
        arrays = FileIndex([path for path in exact if path.suffix.lower() in (ARRAY, *TIFF)], kind)
        problems += arrays.inspect_new(lambda path: str(read(path).max()), "masks")  # of several channels, perhaps
        index = FileIndex([path for path in exact if path not in arrays.failed], "transparency")
        problems += index.inspect_new(_transparent_peak, "transparency of masks")
        unreadable = arrays.failed | index.failed  # of which the values are unknown
        masks, exact = ([path for path in paths if path not in unreadable] for paths in (masks, exact))
        peaks = _peaks(masks, headers, code.threshold, read)
        peaks |= {path: int(peak) for path, peak in index.found.items() if peak != _OPAQUE}
        if code.ignore is not None:
            found, peaks = _without_ignored(masks, exact, peaks, code)
            problems += found
        problems += lost_colours([path for path in masks if headers[path].peak != UNKNOWN_PEAK], code.threshold)
        faint = [] if code.soft else exact  # a soft mask may stay below a half everywhere
        return sorted(problems) + (_blank_problem(masks, peaks, code) or _faint_problem(faint, peaks, code))
    if any(path.suffix.lower() in JPEG for path in masks):
        problems += _gap_problem(code)
    return sorted(problems) + _value_problems(exact, code)


def spot_check(source: MaskSource, image_ids: Sequence[str], headers: Collection[ImageHeader]) -> list[str]:
    """What is wrong with some evenly spaced masks, where the check did not decode every file."""
    if all(header.peak != UNKNOWN_PEAK for header in headers):
        return []
    problems, any_shown = [], False
    chosen = image_ids[:: max(1, len(image_ids) // _SPOT_CHECKS)]
    for image_id in chosen:
        try:
            any_shown = bool(source(image_id).any()) or any_shown
        except DataError as error:
            problems += error.problems
    if not problems and not any_shown:
        problems.append(f"{len(chosen)} masks are all empty; check data.mask_threshold and the values of the classes")
    return problems


def _size_problem(
    file: Path, image: Path, headers: Mapping[Path, ImageHeader], data: MaskFoldersData | PathsCsvData
) -> list[str]:
    mask, photo = headers[file], headers[image]
    swapped = mask[:2] == photo[1::-1] and mask.height != mask.width
    if mask[:2] == photo[:2] or (data.resize_masks and not swapped):
        return []
    resized = "set data.resize_masks: true if it shows the same view"
    fix = swapped_hint(image, data.orientation) if swapped else resized
    return [
        f"{file}: the mask is {mask.height}x{mask.width} px (height x width), "
        f"its photo {photo.height}x{photo.width}; {fix}"
    ]


def _peaks(
    masks: Sequence[Path], headers: Mapping[Path, ImageHeader], threshold: int, read: Callable[[Path], np.ndarray]
) -> dict[Path, int]:
    """The brightest value of each mask, 0..255, as it is read: that of its header is scaled otherwise if it is wide."""
    peaks = {path: headers[path].peak for path in masks}
    dark = [path for path, peak in peaks.items() if UNKNOWN_PEAK < peak < threshold]
    return peaks | {path: int(read(path).max()) for path in dark if path.suffix.lower() == ARRAY or is_deep(path)}


def _without_ignored(
    masks: Sequence[Path], exact: Sequence[Path], peaks: Mapping[Path, int], code: MaskCode
) -> tuple[list[str], dict[Path, int]]:
    """Problems of binary masks with an ignored value, and the brightest of the other values of each mask."""
    lossy = [path for path in masks if path.suffix.lower() in JPEG]
    if lossy:
        return [
            f"{lossy[0]}: a jpg mask blurs data.ignore_value={code.ignore} into the values around it; save the masks "
            "as png, or the ignored pixels as masks of their own (data.ignore_masks)"
        ], dict(peaks)

    def other_peak(path: Path) -> str:
        """The brightest other value, and whether the ignored one is there."""
        grey = read_grey(path)
        ignored = grey == code.ignore
        return f"{grey[~ignored].max(initial=0)} {int(ignored.any())}"

    index = FileIndex(exact, f"binary_without_{code.ignore}")
    problems = index.inspect_new(other_peak, "ignored pixels of masks")
    found = {path: [int(number) for number in text.split()] for path, text in index.found.items()}
    if found and len(found) == len(masks) and not any(ignored for _, ignored in found.values()):
        problems.append(f"{masks[0].parent}: no mask has data.ignore_value={code.ignore}; is it another value?")
    return problems, {**peaks, **{path: peak for path, (peak, _) in found.items()}}


def _transparent_peak(path: Path) -> str:
    """The brightest value of a mask that may be drawn in its transparency; _OPAQUE for others. Raises DataError."""
    return str(read_grey(path).max()) if may_be_transparent(path) else _OPAQUE


def _blank_problem(masks: Sequence[Path], peaks: Mapping[Path, int], code: MaskCode) -> list[str]:
    values = [peaks[path] for path in masks]
    if not values or max(values) >= code.threshold or UNKNOWN_PEAK in values:
        return []
    brightest = max(masks, key=lambda path: peaks[path])
    return [
        f"{masks[0].parent}: all masks are empty: the brightest value of all is {max(values)}, "
        f"below data.mask_threshold={code.threshold}{_hint(brightest)}"
    ]


def _faint_problem(exact: Sequence[Path], peaks: Mapping[Path, int], code: MaskCode) -> list[str]:
    """Masks that show something, but nothing at the threshold: zeros and ones among others of 255, or colours."""
    faint = [path for path in exact if 0 < peaks[path] < code.threshold]
    if not faint:
        return []
    return [
        f"{faint[0]}: is not empty, but its brightest value is {peaks[faint[0]]}, below "
        f"data.mask_threshold={code.threshold} ({len(faint)} of {len(exact)} masks are so); "
        f"save them like the others, or lower data.mask_threshold{_hint(faint[0])}"
    ]


def _hint(path: Path) -> str:
    """Why a mask may be darker than it looks: it is drawn in colour, or holds 16 bits a pixel; "" of others."""
    if is_deep(path):
        value = int(read_values(path, "class_index").max())
        return (
            f"; {path.name} holds 16 bits a pixel, in which its brightest value, {value}, is dark (65535 is white): "
            "set data.mask_threshold: 1, which takes all that is not 0, or save the masks with 8 bits"
        )
    shown = read_for_display(path)
    if (shown != shown[:, :, :1]).any():
        return (
            f"; {path.name} is drawn in colour, and the threshold is of greys: set data.labels: colour with "
            "data.class_colours, or lower data.mask_threshold"
        )
    return ""


def _gap_problem(code: MaskCode) -> list[str]:
    owned = [(value, index) for index, own in enumerate(code.values) for value in own]
    for first, owner in owned:
        for second, other in owned:
            gap = int(np.abs(channels_of(np.int32(first)) - channels_of(np.int32(second))).max())
            if owner < other and gap < _MIN_GAP:
                pair = f"{shown(first, code.labels)} and {shown(second, code.labels)}"
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
    unknown: dict[str, list[Path]] = {}
    for path, finding in index.found.items():
        if finding == "many":
            problems.append(f"{path}: more than {_MOST_VALUES} different values, so no {code.labels} mask")
        else:
            for value in set(finding.split()) - known:
                unknown.setdefault(value, []).append(path)
    for value, paths in sorted(unknown.items()):
        problems.append(
            f"{paths[0]}: {shown(int(value), code.labels)} belongs to no class "
            f"({len(paths)} of {len(masks)} masks have it); {fix_of(code)}"
        )
    return problems
