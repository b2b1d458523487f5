"""What the values of mask images stand for: one object, classes, or something that only the user can say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import ndimage

from maskfold.errors import DataError


class NoLabelsError(DataError):
    """Masks that are hardly the labels if another folder has some: instance maps, or the same in all files."""


MOST_CLASSES = 40
_VOID = 255
_MOST_CLASS_VALUE = 100  # beside a void of 255; values above it are greys
_TOGETHER_SHARE = 0.5  # of the masks with 255 that must show a class too, or some masks are 0/1 and others 0/255
_SINGLE_SHARE = 0.95  # of the values in a file that are one connected region each: as in an instance map
_SAME_SET_SHARE = 0.8  # of the files: with fewer, what values a file has changes from file to file
_EDGE_PX = 3  # soft edges are next to white …
_APART_SHARE = 0.05  # … but for some of their pixels
_INTERIOR_SHARE = 0.02  # of the pixels of greys that have no other neighbours: edges of few greys have next to none
_FEW = 16  # greys


@dataclass(frozen=True)
class FileValues:
    """The values of one mask.

    counts: value -> pixels; single: the values other than 0 that are one connected region; interior: pixels of greys
    between black and white with no other neighbours; apart: those that are not next to white; bits: of a value in the
    file.
    """

    path: Path
    counts: dict[int, int]
    single: frozenset[int]
    interior: int
    apart: int
    bits: int

    @classmethod
    def of(cls, path: Path, plane: np.ndarray, bits: int = 8) -> FileValues:
        """plane: (H, W) of whole numbers."""
        places, values = pd.factorize(plane.ravel(), sort=True)  # a few values: ten times as fast as np.unique
        counts = np.bincount(places)
        labels = places.reshape(plane.shape) + 1
        shown = [number for number, value in enumerate(values.tolist()) if value != 0]
        boxes = ndimage.find_objects(labels) if len(shown) <= 2000 else []
        single = [n for n in shown if not boxes or _is_one_region(labels[boxes[n]] == n + 1)]
        between = ((plane > 0) & (plane < plane.max())).astype(np.uint8)
        inside = cv2.erode(between, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        white = ((plane > 0) & (plane >= int(plane.max()) - 16)).astype(np.uint8)
        near = cv2.dilate(white, np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), np.uint8))
        found = dict(zip(values.tolist(), counts.tolist(), strict=True))
        regions = frozenset(values[single].tolist())
        return cls(path, found, regions, int(inside.sum()), int((between & (1 - near)).sum()), bits)

    @property
    def shown(self) -> frozenset[int]:
        """All values but 0."""
        return frozenset(self.counts) - {0}

    def without(self, value: int) -> FileValues:
        """The same mask without the pixels of a value."""
        counts = {other: pixels for other, pixels in self.counts.items() if other != value}
        return replace(self, counts=counts, single=self.single - {value})


def _is_one_region(mask: np.ndarray) -> bool:
    return cv2.connectedComponents(np.pad(mask.astype(np.uint8), 1), connectivity=8)[0] == 2


def value_section(files: Sequence[FileValues], place: str) -> dict[str, object]:
    """The keys of a data section that read masks of these values; `place` names them in messages.

    Raises DataError with what was found and the settings to choose from where the values may mean several things.
    """
    total: Counter[int] = Counter()
    for file in files:
        total.update(file.counts)
    shown = sorted(value for value in total if value != 0)
    if len(shown) <= 1:
        return _one_value(files, shown, place)
    others = [value for value in shown if value != _VOID]
    if _VOID in shown and max(others) <= _MOST_CLASS_VALUE:
        if not _together(files):
            raise DataError([_void_problem(files, total, others, place)])
        return {**_classes([file.without(_VOID) for file in files], others, place), "ignore_value": _VOID}
    if _is_soft(files, total):
        return {"class_names": ("mask",)}
    return _classes(files, shown, place)


def _classes(files: Sequence[FileValues], shown: Sequence[int], place: str) -> dict[str, object]:
    """The section of masks in which each value is a class; shown: all values but 0, sorted. Raises DataError."""
    problem = instance_problem(files, shown, place)
    if problem:
        raise NoLabelsError([problem])
    if len(shown) > MOST_CLASSES:
        raise DataError(
            [
                f"{place}: {len(shown)} different values from {shown[0]} to {shown[-1]}: too many for classes, too "
                f"evenly spread for soft edges. If every value is an object, set data.mask_threshold: 1; "
                "otherwise write down data.labels and data.class_values or data.mask_threshold"
            ]
        )
    named = {"mask" if len(shown) == 1 else f"class_{value}": value for value in shown}
    return {"labels": "class_index", "class_names": tuple(named), "class_values": named}


def value_notes(files: Sequence[FileValues], section: dict[str, object]) -> list[str]:
    """One line for what each value was taken for, with its share of the pixels and its files."""
    total: Counter[int] = Counter()
    for file in files:
        total.update(file.counts)
    pixels = sum(total.values()) or 1
    values = section.get("class_values")
    if not isinstance(values, dict):
        threshold = section.get("mask_threshold", 128)
        on = sum(count for value, count in total.items() if value >= int(str(threshold)))
        found = _shortened(sorted(total))
        note = f"mask values {found} in {len(files)} files: on at {threshold} or above ({on / pixels:.1%} of the pixels"
        dark = "; if the objects are the dark pixels, set data.labels: class_index, data.class_values: {mask: 0} and "
        more = f"{dark}data.background_values: [255]" if on > pixels / 2 else ""
        return [f"{note}{more})"]
    named = {value: name for name, value in values.items()}
    lines = []
    for value, count in sorted(total.items()):
        holding = sum(value in file.counts for file in files)
        meaning = named.get(value, "background")
        if value == section.get("ignore_value"):
            meaning = "ignored, as pixels that nobody labelled (void)"
        lines.append(
            f"mask value {value}: {meaning} ({count / pixels:.1%} of the pixels, in {holding} of {len(files)} files)"
        )
    return lines


def _one_value(files: Sequence[FileValues], shown: list[int], place: str) -> dict[str, object]:
    """The section of masks with one value beside 0, or none."""
    if not shown:
        return {"class_names": ("mask",)}
    [value] = shown
    if any(file.bits > 8 for file in files):
        full = 2 ** max(file.bits for file in files) - 1
        return {"class_names": ("mask",)} | ({} if value > full // 2 else {"mask_threshold": 1})
    return {"class_names": ("mask",)} if value >= 128 else {"class_names": ("mask",), "mask_threshold": value}


def _together(files: Sequence[FileValues]) -> bool:
    """Whether most masks with the void value show a class too."""
    holding = [file for file in files if _VOID in file.counts]
    return sum(len(file.shown) > 1 for file in holding) >= _TOGETHER_SHARE * len(holding)


def _void_problem(files: Sequence[FileValues], total: Counter[int], others: list[int], place: str) -> str:
    holding = sum(_VOID in file.counts for file in files)
    share = total[_VOID] / sum(total.values())
    names = ", ".join(f"class_{value}: {value}" for value in others)
    return (
        f"{place}: has the value 255 as well as {_shortened([0, *others])} ({share:.1%} of the pixels, in {holding} of "
        f"{len(files)} masks), but hardly in the same masks; `auto` does not guess. If some masks are of 0 and 1 and "
        "others of 0 and 255, set data.mask_threshold: 1; else set data.labels: class_index with "
        f"data.class_values: {{{names}}}, and say what 255 is: pixels that nobody labelled (data.ignore_value: 255), "
        "background (data.background_values: [0, 255]) or one more class in data.class_values"
    )


def _is_soft(files: Sequence[FileValues], total: Counter[int]) -> bool:
    """Whether the greys between black and white are the soft edges of one object."""
    white = max(total)
    if white < 128:
        return False
    between = sum(count for value, count in total.items() if 0 < value < white)
    apart, interior = sum(file.apart for file in files), sum(file.interior for file in files)
    return apart <= _APART_SHARE * between and (len(total) > _FEW or interior <= _INTERIOR_SHARE * between)


def instance_problem(files: Sequence[FileValues], shown: Sequence[int], place: str, kind: str = "value") -> str:
    """What to say of masks in which each object seems to have a value (or colour) of its own; "" of others.

    shown: all values but 0, sorted.
    """
    holding = [file for file in files if file.shown]
    values = sum(len(file.shown) for file in holding)
    single = sum(len(file.single) for file in holding) >= _SINGLE_SHARE * values
    most = max((len(file.shown) for file in holding), default=0)
    sets = Counter(file.shown for file in holding)
    changing = bool(sets) and sets.most_common(1)[0][1] < _SAME_SET_SHARE * len(holding)
    counted_up = all(file.shown == frozenset(range(1, len(file.shown) + 1)) for file in holding)
    own_values = len(holding) >= 3 and values <= 1.5 * len(shown)
    if not single or not (most > MOST_CLASSES or (changing and most >= 3 and (counted_up or own_values))):
        return ""
    classes = "data.labels: colour with data.class_colours"
    if kind == "value":
        names = ", ".join(f"class_{value}: {value}" for value in shown[:3]) + (", …" if len(shown) > 3 else "")
        classes = f"data.labels: class_index with data.class_values: {{{names}}}"
    return (
        f"{place}: up to {most} {kind}s a mask, each one connected region, as in an instance map, where every object "
        f"has a {kind} of its own; `auto` does not guess. If it is one, set data.mask_threshold: 1, which takes all "
        f"objects for one class; if the {kind}s are classes, set {classes}"
    )


def _shortened(values: Sequence[int]) -> str:
    """0, 1, 2, … 255."""
    if len(values) <= 8:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[:4]))}, … {values[-1]} ({len(values)} values)"
