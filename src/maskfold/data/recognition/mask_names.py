"""How the names of masks follow from the names of their photos."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from maskfold.data.images.suffixes import SUFFIXES, without_image_suffix
from maskfold.data.recognition.mask_values import MOST_CLASSES

_SAMPLE = 40  # photos
SHARE = 0.9  # of the photos in the sample that must have a mask of the pattern, and of the masks a photo


class MaskNames(NamedTuple):
    """pattern: of data.mask_name; classes: where the names hold them; several: whether photos have several masks."""

    pattern: str
    classes: tuple[str, ...] = ()
    several: bool = False


def mask_names(photos: Sequence[str], masks: Sequence[str], least_share: float = SHARE) -> MaskNames | None:
    """How the file names of masks follow from those of the photos; None where too many photos have no mask.

    photos: file names of the photos; masks: file names of the masks, all of one folder or of the folders of classes;
    least_share: of the photos, that must have a mask.
    """
    stems = sorted({without_image_suffix(name) for name in masks})  # of equally frequent patterns always the same
    sample = photos[:: max(1, len(photos) // _SAMPLE)]
    found = [_affixes(name, stems) for name in sample]
    affixes = Counter(affix for own in found for affix in dict.fromkeys(own))
    if not affixes or sum(map(bool, found)) < least_share * len(sample):
        return None
    (key, before, behind), count = affixes.most_common(1)[0]
    keys = [without_image_suffix(name) if key == "stem" else name for name in photos]
    single = MaskNames(f"{before}{{{key}}}{behind}{_ending(behind, masks)}")
    enough = count >= least_share * len(sample)
    if enough and {f"{before}{own}{behind}" for own in keys}.issuperset(stems):
        return single
    return _of_several(key, before, stems, keys) or (single if enough else None)


def paired_names(
    photos: Sequence[str], masks: Sequence[str], least_share: float = SHARE
) -> tuple[MaskNames, str] | None:
    """How masks and photos are called, as `mask_names`, where the photos' names may have a part of their own.

    Returns what data.mask_name and data.image_name are: 7_sat.jpg and 7_mask.png give {stem}_mask and {stem}_sat.
    """
    names = mask_names(photos, masks, least_share)
    if names is not None:
        return names, "{stem}"
    pattern = photo_pattern(photos)
    if pattern is None:
        return None
    before, behind = pattern.split("{stem}")
    cut = [f"{_inside(name, before, behind)}{PurePath(name).suffix}" for name in photos]
    names = mask_names(cut, masks, least_share)
    return None if names is None or "{name}" in names.pattern else (names, pattern)


def _inside(name: str, before: str, behind: str) -> str:
    """What the stem of a photo has between two texts."""
    stem = without_image_suffix(name)
    return stem[len(before) : len(stem) - len(behind)]


def photo_pattern(photos: Sequence[str]) -> str | None:
    """The pattern with what the names of photos differ in as {stem}: {stem}_sat, img{stem}; None without such a part.

    photos: file names. What all names have in common ends where a word or a number does.
    """
    stems = [without_image_suffix(name) for name in photos]
    if len(set(stems)) < 2:
        return None
    before = _common_start(stems)
    behind = _common_start([stem[len(before) :][::-1] for stem in stems])[::-1]
    inside = {_inside(name, before, behind) for name in photos}
    return f"{before}{{stem}}{behind}" if before + behind and "" not in inside and len(inside) == len(stems) else None


def _affixes(photo: str, stems: Sequence[str]) -> list[tuple[str, str, str]]:
    """(name or stem, text before, text behind) for each mask whose name holds the photo's."""
    stem = without_image_suffix(photo)
    found = []
    for mask in stems:
        for key, text in (("name", photo), ("stem", stem)):
            before, inside, behind = mask.partition(text)
            if inside and not (_continues(before[-1:], inside[:1]) or _continues(inside[-1:], behind[:1])):
                found.append((key, before, behind))
                break
    return found


def _continues(first: str, second: str) -> bool:
    """Whether a word or a number goes on from one character to the next; "" is no character."""
    return (first.isalpha() and second.isalpha()) or (first.isdigit() and second.isdigit())


def _of_several(key: str, before: str, stems: Sequence[str], keys: Sequence[str]) -> MaskNames | None:
    """The pattern of several masks a photo: numbered ones, or one for each class; None where it is neither."""
    behinds: dict[str, list[str]] = {}  # what follows the photo's name -> masks
    known = frozenset(keys)
    for mask in stems:
        own = max((start for start in _starts(mask, before) if start in known), key=len, default=None)
        if own is not None:
            behinds.setdefault(mask[len(before) + len(own) :], []).append(mask)
    held = sum(map(len, behinds.values()))
    if held < SHARE * len(stems) or len(behinds) == 1:
        return None
    common = _common_start(list(behinds))
    rests = {behind[len(common) :] for behind in behinds}
    if all(re.fullmatch(r"[\W_]*\d*", rest) for rest in rests):
        return MaskNames(f"{before}{{{key}}}{common}*", several=True)
    classes = {rest.lstrip("_- .") for rest in rests}
    separators = {rest[: len(rest) - len(rest.lstrip("_- ."))] for rest in rests}
    if len(separators) == 1 and "" not in classes and len(classes) <= MOST_CLASSES:
        return MaskNames(f"{before}{{{key}}}{common}{separators.pop()}{{class}}", tuple(sorted(classes)))
    return None


def _starts(mask: str, before: str) -> list[str]:
    """The beginnings of a mask's name, behind `before`, that end where a word ends."""
    rest = mask.removeprefix(before)
    return [
        rest[:end] for end in range(1, len(rest) + 1) if not (rest[end : end + 1].isalnum() and rest[end - 1].isalnum())
    ]


def _common_start(texts: list[str]) -> str:
    """What all texts begin with, cut where a word ends."""
    first, last = min(texts), max(texts)
    length = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    start = first[:length]
    if not any(_continues(start[-1:], text[length : length + 1]) for text in texts):
        return start
    return re.sub(r"[^\W\d_]*$|\d*$", "", start, count=1)


def _ending(behind: str, masks: Sequence[str]) -> str:
    """The masks' suffix, where the pattern would otherwise end like a file name of its own."""
    if not behind.lower().endswith(SUFFIXES):
        return ""
    return Path(masks[0]).suffix
