"""The type of values that image files store, and the range of them that networks are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from maskfold.config import IntensityRule
from maskfold.data.images.decoding import read_image
from maskfold.data.images.suffixes import ARRAY, DEEP, TIFF
from maskfold.data.images.tiff import DAMAGED_TIFF
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.progress import tracked
from maskfold.pixels.intensity import Intensity, as_stored_type

_LOW, _HIGH = 0.5, 99.5  # percentiles of the training pixels
_MOST_VALUES = 2**24  # sampled from all training images, a channel


def stored_type(path: Path) -> str:
    """The type, of pixels.intensity.STORED_TYPES, in which read_image gives a file; from its header alone.

    uint8 for files that cannot be read: decoding says what is wrong with them.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ARRAY:
            values = np.load(path, mmap_mode="r", allow_pickle=False)
            return as_stored_type(np.empty(0, values.dtype)).dtype.name
        if suffix in TIFF:
            with tifffile.TiffFile(path) as file:
                dtype = file.pages.first.dtype
            return as_stored_type(np.empty(0, dtype)).dtype.name
        if suffix in DEEP:
            return "uint16" if _is_deep(path) else "uint8"
    except DAMAGED_TIFF:
        pass
    return "uint8"


def _is_deep(path: Path) -> bool:
    """Whether a png, jp2 or pnm file has 16 bits a value."""
    with path.open("rb") as file:
        start = file.read(25)
    if start[1:4] == b"PNG":
        return start[24] == 16  # the bit depth in IHDR
    with Image.open(path) as image:
        return image.mode.startswith("I")


def mixed_types(paths: Sequence[Path]) -> list[str]:
    """A problem if the files do not all store values of one type; none if they do."""
    names = map_threads(stored_type, paths, available_cores())
    groups: dict[str, list[Path]] = {}
    for path, name in zip(paths, names, strict=True):
        groups.setdefault(name, []).append(path)
    if len(groups) < 2:
        return []
    found = "; ".join(f"{name}: {len(own)} images, such as {own[0]}" for name, own in sorted(groups.items()))
    return [f"the images store values of different types, whose ranges differ; save all with one type. Found {found}"]


def training_intensity(paths: Sequence[Path], channels: int, rule: IntensityRule) -> Intensity | None:
    """The range of stored values that a network trained on these images is given as 0..1.

    None for 8 bits taken as they are, 0..255. Raises DataError for a rule that does not fit the files.
    """
    name = stored_type(paths[0])
    if name == "uint8" and rule in ("auto", "full_range"):
        return None
    if rule == "full_range":
        if name == "float32":
            raise DataError([f"{paths[0]}: data.intensity: full_range does not fit float values; give [low, high]"])
        limits = np.iinfo(name)
        return Intensity(name, (float(limits.min),) * channels, (float(limits.max),) * channels)
    if rule not in ("auto", "percentile"):
        pairs = rule if isinstance(rule[0], tuple) else (rule,) * channels
        if len(pairs) != channels:
            raise DataError([f"data.intensity: expected [low, high] for {channels} channels, found {len(pairs)}"])
        low, high = zip(*pairs, strict=True)
        return Intensity(name, tuple(map(float, low)), tuple(map(float, high)))
    return _percentiles(paths, channels, name)


def _percentiles(paths: Sequence[Path], channels: int, name: str) -> Intensity:
    """The range between two percentiles of the values of all images, channel by channel."""
    most = max(256, _MOST_VALUES // len(paths))

    def sample(path: Path) -> np.ndarray:
        values = read_image(path, channels).reshape(-1, channels)
        return values[:: max(1, len(values) // most)]

    samples = list(tracked(map_threads(sample, paths, available_cores()), len(paths), "intensities"))
    low, high = np.percentile(np.concatenate(samples), (_LOW, _HIGH), axis=0)
    high = np.where(high > low, high, low + 1)  # a constant channel
    return Intensity(name, tuple(low.tolist()), tuple(high.tolist()))
