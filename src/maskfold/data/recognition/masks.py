"""How to read mask images, judging by their pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskfold.data.formats.mask_files import is_deep, read_values
from maskfold.data.images.decoding import read_for_display
from maskfold.data.images.files import check_images
from maskfold.data.images.suffixes import ARRAY, JPEG
from maskfold.data.recognition.class_table import class_table
from maskfold.data.recognition.mask_values import (
    MOST_CLASSES,
    FileValues,
    NoLabelsError,
    instance_problem,
    value_notes,
    value_section,
)
from maskfold.errors import DataError

_SAMPLE = 100  # files
_LOOKED_AT = 20  # of them, to see whether all are the same
_FEW_SAME = 5  # masks: fewer may well be the same
_SAME_SHARE = 0.9  # of the pixels that are not the most common value in some mask, that are not in any
_MEANINGS = ("labels", "mask_threshold", "class_values", "class_colours")  # keys that say what values mean
_COLOURED = 32  # between the channels of a pixel
_VOC_VOID = 0xE0E0C0  # of PASCAL VOC: pixels at the border of objects
_MIDDLE = (64, 192)  # greys that are neither black nor white, whatever a jpg makes of an edge
_MIDDLE_SHARE = 0.02  # of the pixels that are on, well inside regions of such greys


def mask_section(masks: Sequence[Path], place: str, given: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """The keys of the data section that say how to read masks, from those of a sample that are whole, and the notes.

    given: keys that the config sets; where they say what the values mean, the pixels are not looked at. Raises
    DataError with what was found and the settings to choose from where the pixels may mean several things.
    """
    if section := _said(given):
        return section, [f"masks: read as the config says ({', '.join(key for key in _MEANINGS if key in given)})"]
    sample = masks[:: max(1, len(masks) // _SAMPLE)]
    files = list(check_images(list(sample))[0])
    if not files:
        return {"class_names": ("mask",)}, []
    transparent = [path for path in files if _has_varying_alpha(path)]
    if transparent:
        raise DataError(
            [
                f"{transparent[0]}: its transparency (alpha) varies, so the mask may be drawn in it "
                f"({len(transparent)} of {len(files)} masks are so); save the masks as grey images"
            ]
        )
    indexed = all(_is_indexed(path) for path in files)
    if not indexed and any(_is_coloured(path) for path in files):
        return _colour_section(files, place)
    lossy = [path for path in files if path.suffix.lower() in JPEG]
    if lossy:
        return _lossy_section(files, lossy, place)
    values = [FileValues.of(path, read_values(path, "class_index"), _bits(path)) for path in files]
    section = value_section(values, place)
    if indexed and section.get("labels") != "class_index":  # a threshold is of greys, not of indices
        section = _one_index(files, values, place)
    return section, value_notes(values, section)


def same_in_all(masks: Sequence[Path]) -> bool:
    """Whether all masks, scaled to one size, show nearly the same, as a field of view does, and are not empty."""
    files = list(check_images(list(masks[:: max(1, len(masks) // _LOOKED_AT)]))[0])
    if len(files) < _FEW_SAME:
        return False
    small = []
    for path in files:
        grey = read_for_display(path) @ np.array([1 << 16, 1 << 8, 1])
        small.append(cv2.resize(grey.astype(np.int32), (64, 64), interpolation=cv2.INTER_NEAREST))
    values, counts = np.unique(np.stack(small), return_counts=True)
    if len(values) == 1:
        return bool(values[0] != 0)
    others = np.stack(small) != values[counts.argmax()]
    return bool(others.all(axis=0).sum() >= _SAME_SHARE * others.any(axis=0).sum())


def _said(given: Mapping[str, object]) -> dict[str, object]:
    """The keys that the config leaves out where it says what the values of masks mean; none where it does not."""
    for labels, key in (("class_index", "class_values"), ("colour", "class_colours")):
        named = given.get(key)
        if isinstance(named, dict):
            return {"labels": labels, "class_names": tuple(named)}
    if "mask_threshold" in given or given.get("labels") == "binary":
        return {"class_names": ("mask",)}
    return {"class_names": given["class_names"]} if {"labels", "class_names"} <= given.keys() else {}


def _one_index(files: Sequence[Path], values: Sequence[FileValues], place: str) -> dict[str, object]:
    """The section of palette masks with one index besides 0, which is black. Raises DataError for others."""
    shown = sorted({value for file in values for value in file.shown})
    with Image.open(files[0]) as image:
        first = (image.getpalette() or [0, 0, 0])[:3]
    if len(shown) > 1 or any(first):
        raise DataError(
            [
                f"{place}: masks with a palette whose index 0 has the colour {first}, and the indices {shown[:8]}; "
                "`auto` does not guess which is the background. Set data.labels: class_index with data.class_values "
                "and data.background_values"
            ]
        )
    return {"labels": "class_index", "class_names": ("mask",), "class_values": {"mask": shown[0]}} if shown else {}


def _bits(path: Path) -> int:
    return 16 if is_deep(path) else 8


def _is_indexed(path: Path) -> bool:
    """Whether a file's pixels are indices of a palette that are the same in every file, as in png, and not in gif."""
    if path.suffix.lower() == ARRAY:
        return False
    with Image.open(path) as image:
        return image.mode == "P" and image.format != "GIF"


def _has_varying_alpha(path: Path) -> bool:
    if path.suffix.lower() == ARRAY:
        return False
    with Image.open(path) as image:
        if "A" not in image.getbands():
            return False
        low, high = image.getchannel("A").getextrema()
    return bool(low != high)


def _is_coloured(path: Path) -> bool:
    image = read_for_display(path).astype(np.int16)
    return bool((np.abs(image - image[:, :, :1]) > _COLOURED).any())


def _colour_section(files: Sequence[Path], place: str) -> tuple[dict[str, object], list[str]]:
    found = [FileValues.of(path, read_values(path, "colour")) for path in files]
    counts: Counter[int] = Counter()
    for file in found:
        counts.update(file.counts)
    if len(counts) > MOST_CLASSES:
        raise DataError(
            [f"{place}: has {len(counts)} colours, more than {MOST_CLASSES}; these are no masks, or were jpg once"]
        )
    table = class_table(files[0])
    if table is not None and table.classes:
        return table.section, table.notes({_colour(value): count for value, count in sorted(counts.items())})
    shown = sorted(set(counts) - {0, _VOC_VOID})
    problem = instance_problem([file.without(_VOC_VOID) for file in found], shown, place, "colour")
    if problem:
        raise NoLabelsError([problem])
    colours = {value: _colour(value) for value in (*shown, _VOC_VOID, 0)}
    named = {f"colour_{value:06x}": colours[value] for value in shown}
    section: dict[str, object] = {"labels": "colour", "class_names": tuple(named), "class_colours": named}
    meanings = dict(zip(shown, named, strict=True))
    if _VOC_VOID in counts:
        section["ignore_value"] = colours[_VOC_VOID]
        meanings[_VOC_VOID] = "ignored, as pixels that nobody labelled (void, as in PASCAL VOC)"
    total = sum(counts.values())
    notes = [
        f"mask colour {list(colours[value])}: {meaning} ({counts[value] / total:.1%} of the pixels)"
        for value, meaning in {**meanings, 0: "background"}.items()
    ]
    return section, notes


def _colour(value: int) -> tuple[int, int, int]:
    return value >> 16, value >> 8 & 255, value & 255


def _lossy_section(files: Sequence[Path], lossy: Sequence[Path], place: str) -> tuple[dict[str, object], list[str]]:
    """Grey masks of which some are jpg: one object, unless greys between black and white fill regions."""
    inside = on = 0
    for path in files:
        grey = read_for_display(path)[:, :, 0]
        between = ((grey >= _MIDDLE[0]) & (grey < _MIDDLE[1])).astype(np.uint8)
        middle = cv2.erode(between, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        inside, on = inside + int(middle.sum()), on + int((grey >= _MIDDLE[0]).sum())
    if inside > _MIDDLE_SHARE * max(on, 1):
        raise DataError(
            [
                f"{place}: jpg masks ({len(lossy)} of {len(files)}) with regions of grey ({inside / on:.0%} of what "
                "they show); `auto` does not guess what they mean. Set data.labels: class_index with "
                "data.class_values, or save the masks as png"
            ]
        )
    return {"class_names": ("mask",)}, [f"jpg masks: on at 128 or above ({len(lossy)} of {len(files)} files looked at)"]
