"""Groups that file names suggest: parts or changed copies of one photo, frames of one film."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from maskfold.audit.images.grouping import linked, proposed_groups

_ROBOFLOW = re.compile(r"(?:[_.](?:jpe?g|png|bmp|tiff?|webp))?\.rf\.[0-9a-zA-Z]{8,}$", re.I)
_PARTS = re.compile(r"(?:[_.-](?:scaled|tile|patch|crop|part|slice|aug|copy)[_.-]?\d+(?:[_.-]\d+)*)+$", re.I)
_PLACES = re.compile(r"(?:[_-](?:x|y|r|c|row|col)?\d+){2}$", re.I)
_FRAMES = re.compile(r"[_.-]?(?:frame[_.-]?)?\d+$", re.I)
_LARGEST = 0.2  # of the images; a larger group is a name that all have, e.g. IMG
# Numbers alone suggest groups only where none is larger than this share of the images, where so many groups hold images
# that look alike, and where so many of the images that look alike lie in one group.
_LARGEST_OF_NUMBERS, _SEEN, _WITHIN = 0.05, 0.1, 0.8


@dataclass(frozen=True)
class NameGroups:
    """What names suggest.

    groups: ImageId, GroupId as data.groups_csv wants it, joined with the groups that looks and the user gave; sign: the
    part of the names that was read, in words; count: groups of two images and more; images: in them; seen: groups of
    which two images look alike; example: two names of one group.
    """

    groups: pd.DataFrame
    sign: str
    count: int
    images: int
    seen: int
    example: tuple[str, str]


def groups_by_name(train: pd.DataFrame, sets: np.ndarray) -> NameGroups | None:
    """The groups that the names of the training images suggest beyond those that looks show; None where there are none.

    train: with image_id and, where groups are given, group; sets: (images,) images of one number look alike or are
    linked through others that do. A tool's own sign counts always, numbers at the end of a name where looks confirm it.
    """
    names = train["image_id"].astype(str).tolist()
    for sign, stems, certain in _readings(names):
        numbers = pd.factorize(np.array(stems, dtype=object))[0]
        sizes = np.bincount(numbers)
        several = np.flatnonzero(sizes > 1)
        largest = _LARGEST if certain else _LARGEST_OF_NUMBERS
        if not len(several) or sizes.max() > max(2, largest * len(names)):
            continue
        seen = _alike(numbers, sets)
        if not certain and (seen < _SEEN * len(several) or _within(numbers, sets) < _WITHIN):
            continue
        links = [(index, len(names) + int(number)) for index, number in enumerate(numbers)]
        base = len(names) + len(sizes)
        links += [(index, base + int(number)) for index, number in enumerate(sets)]
        both = linked(base + int(sets.max(initial=-1)) + 1, links)[: len(names)]
        if len(np.unique(both)) == len(np.unique(sets)):
            continue  # looks have joined them all
        first = np.flatnonzero(numbers == several[0])[:2].tolist()
        example = names[first[0]], names[first[1]]
        images = int(sizes[several].sum())
        return NameGroups(proposed_groups(train, both), sign, len(several), images, seen, example)
    return None


def _alike(numbers: np.ndarray, sets: np.ndarray) -> int:
    """How many groups hold two images of one set."""
    table = pd.DataFrame({"group": numbers, "set": sets})
    return int(table[table.duplicated()]["group"].nunique())


def _within(numbers: np.ndarray, sets: np.ndarray) -> float:
    """The share of the sets of two images and more that lie in one group; 0 without such sets."""
    grouped = pd.Series(numbers).groupby(sets)
    several = grouped.size() > 1
    return float((grouped.nunique()[several] == 1).mean()) if several.any() else 0.0


def _readings(names: Sequence[str]) -> list[tuple[str, list[str], bool]]:
    """How the names may be read: the sign in words, the stem of each name without it, whether a tool wrote it."""
    plain = [str(PurePosixPath(name).with_suffix("")) if re.search(r"\.\w{3,4}$", name) else name for name in names]
    roboflow = [_ROBOFLOW.sub("", name) for name in plain]
    parts = [_PARTS.sub("", name) for name in roboflow]
    readings = []
    if roboflow != plain or parts != roboflow:
        signs = [
            word
            for word, on in (("Roboflow's .rf. hash", roboflow != plain), ("numbered parts", parts != roboflow))
            if on
        ]
        readings.append((" and ".join(signs), parts, True))
    places = [_PLACES.sub("", name) for name in roboflow]
    readings += [("two numbers at the end, as those of tiles", places, False)] if places != roboflow else []
    frames = [_FRAMES.sub("", name) for name in roboflow]
    readings += [("a number at the end, as that of a frame", frames, False)] if frames != roboflow else []
    return readings
