"""What the names and the pixels of mask images tell about how to read them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from maskfold.data.formats.mask_files import read_values
from maskfold.data.image_ids import list_names
from maskfold.data.images.files import check_images, read_for_display
from maskfold.errors import DataError

_SAMPLE = 40  # files
_SHARE = 0.9  # of the photos in the sample that must have a mask of the pattern
_MOST_CLASSES = 40


def mask_name_of(photos: Path, masks: Path) -> str | None:
    """The pattern of data.mask_name that leads from the photos to the masks; None where there is none."""
    stems = [Path(name).stem for name in _spread(list_names(photos))]
    own = {Path(name).stem for name in list_names(masks)}
    if own:
        return _pattern(stems, own)
    inner = sorted(path for path in masks.iterdir() if path.is_dir())
    found = {Path(name).stem for folder in inner for name in list_names(folder)}
    pattern = _pattern(stems, found) if found else None
    return None if pattern is None else "{class}/" + pattern


def mask_labels(masks: Path) -> dict[str, object]:
    """The keys of the data section that say how to read a folder's masks, from those of a sample that are whole."""
    files = list(check_images([masks / name for name in _spread(list_names(masks))])[0])
    if any(_is_coloured(path) for path in files):
        colours = _values(files, "colour")
        if len(colours) > _MOST_CLASSES:
            raise DataError([f"{masks}: has more than {_MOST_CLASSES} colours; these are no masks, or were jpg once"])
        named = {f"colour_{value:06x}": (value >> 16, value >> 8 & 255, value & 255) for value in colours if value}
        return {"labels": "colour", "class_names": tuple(named), "class_colours": named}
    lossy = any(path.suffix.lower() in (".jpg", ".jpeg") for path in files)
    values = [] if lossy else _values(files, "class_index")
    if values and max(values) == 1:
        return {"class_names": ("mask",), "mask_threshold": 1}
    if 2 < len(values) <= _MOST_CLASSES and max(values) <= _MOST_CLASSES:
        named_values = {f"class_{value}": value for value in values if value}
        return {"labels": "class_index", "class_names": tuple(named_values), "class_values": named_values}
    return {"class_names": ("mask",)}


def _pattern(stems: list[str], masks: set[str]) -> str | None:
    """{stem} with what the masks' names have before and behind it, where most photos have such a mask."""
    affixes: Counter[tuple[str, str]] = Counter()
    for stem in stems:
        if stem in masks:
            affixes["", ""] += 1
            continue
        for mask in masks:
            before, found, behind = mask.partition(stem)
            if found and not (before[-1:].isalnum() or behind[:1].isalnum()):
                affixes[before, behind] += 1
    if not affixes:
        return None
    (before, behind), count = affixes.most_common(1)[0]
    return f"{before}{{stem}}{behind}" if count >= _SHARE * len(stems) else None


def _spread(names: list[str]) -> list[str]:
    return names[:: max(1, len(names) // _SAMPLE)]


def _is_coloured(path: Path) -> bool:
    image = read_for_display(path).astype(np.int16)
    return bool((np.abs(image - image[:, :, :1]) > 32).any())


def _values(files: list[Path], labels: str) -> list[int]:
    return sorted({int(value) for path in files for value in np.unique(read_values(path, labels))})
