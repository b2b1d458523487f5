"""The sizes at which a network may see the images: whole and resized, or crops, largest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from maskfold.config import Resize
from maskfold.network.model import STRIDE
from maskfold.pixels.geometry import network_size, padded_size
from maskfold.planning.constants import (
    ASPECT_SPREAD,
    CROP_PX,
    CROP_SCALES,
    ENLARGED_EPOCHS,
    ENOUGH_EPOCHS,
    LEAST_SIDE,
    MOST_FILLER,
    MOST_STRETCH,
    OBJECT_PX,
    SMALL_PX,
    WHOLE_PX,
)
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.padding import Size, crop_that_fits, filler, fitting_size, stretch


@dataclass(frozen=True)
class InputSize:
    """How the images reach the network. resize: of the config, None for the original size; crop: (height, width) in
    training, None for whole images; px, predicted_px: of an input in training, and of one view of an image in
    prediction, mean; reason: in words; epochs: of a training that the size needs; keeps: whether small objects stay
    wide enough."""

    resize: Resize | None
    crop: Size | None
    px: int
    predicted_px: float
    reason: str
    epochs: float = ENOUGH_EPOCHS
    keeps: bool = True


def input_sizes(facts: Fingerprint, kind: str) -> list[InputSize]:
    """The sizes that waste few pixels, largest first; at least one that keeps small objects wide enough.

    kind: cpu or gpu.
    """
    least, why = _least_scale(facts)
    whole = [] if facts.aspect_spread > ASPECT_SPREAD else _whole(facts, kind, least, why)
    return whole or _crops(facts, kind, least, why)


def input_size(facts: Fingerprint, resize: Resize | None, crop: Size | None, reason: str) -> InputSize:
    """The size that a resize and a crop make of the images."""
    inner = [network_size(*size, resize) for size in facts.sizes]
    heights, widths = zip(*inner, strict=True)
    shape = crop or padded_size(max(heights), max(widths), STRIDE)
    return InputSize(resize, crop, shape[0] * shape[1], _predicted_px(facts.sizes, resize), reason)


def _least_scale(facts: Fingerprint) -> tuple[float, str]:
    """The smallest factor at which the smallest tenth of the objects keeps OBJECT_PX, and why."""
    narrow = facts.narrowest
    if narrow is None:
        return 1.0, "no image shows an object"
    width = narrow.width_px[0]
    return min(1.0, OBJECT_PX / width), f"a tenth of the objects of {narrow.name} is at most {width:.0f} px wide"


def _whole(facts: Fingerprint, kind: str, least: float, why: str) -> list[InputSize]:
    """Sizes of whole images: those that keep small objects, if there are any, then smaller ones."""
    median = facts.median_size
    found: dict[Size, InputSize] = {}
    for area in WHOLE_PX[kind]:
        target = fitting_size(median, area)
        scale = (target[0] * target[1] / (median[0] * median[1])) ** 0.5
        if target in found or stretch(median, target) > MOST_STRETCH:
            continue
        keeps = scale >= (least if found else min(least, MOST_STRETCH**-1))
        if not keeps and (not found or min(target) < LEAST_SIDE):
            continue
        size = _resized(facts, target, f"{why}, {scale:.0%} of that after the resize" if scale < 1 else why)
        found[target] = replace(size, keeps=keeps)
    return [*_enlarged(facts), *found.values()] if found else []


def _enlarged(facts: Fingerprint) -> list[InputSize]:
    """The next larger multiples of STRIDE for small images that are none: in a long training they are worth more."""
    median = facts.median_size
    target = padded_size(*median, STRIDE)
    if target == median or median[0] * median[1] > SMALL_PX or stretch(median, target) > MOST_STRETCH:
        return []
    reason = f"small images enlarged to multiples of {STRIDE} px, as there is time for it (docs/results.md)"
    size = input_size(facts, Resize(size=target), None, reason)
    return [replace(size, epochs=ENLARGED_EPOCHS)]


def _resized(facts: Fingerprint, target: Size, why: str) -> InputSize:
    median = facts.median_size
    waste = filler(facts.sizes, None, None)
    if waste <= MOST_FILLER and padded_size(*median, STRIDE) == target:
        return input_size(facts, None, None, "whole images as they are")
    resize = Resize(size=target)
    saved = f"padding would waste {waste:.0%} of the pixels; " if waste > MOST_FILLER else ""
    reason = f"whole images at multiples of {STRIDE} px: {saved}{why}"
    return input_size(facts, resize, None, reason)


def _crops(facts: Fingerprint, kind: str, least: float, why: str) -> list[InputSize]:
    found = []
    for scale in CROP_SCALES:
        too_small = scale < least or scale * min(facts.median_size) < LEAST_SIDE
        resize = None if scale == 1 else Resize(scale=scale)
        crop = None if scale < 1 and too_small else _crop(facts.sizes, resize, CROP_PX[kind])
        if crop is None:
            continue
        size = f"scaled by {scale:g}" if resize else "at full size"
        forms = "of many forms" if facts.aspect_spread > ASPECT_SPREAD else "too large to be seen whole"
        reason = f"crops of images {forms}, {size}: {why}"
        found.append(input_size(facts, resize, crop, reason))
    return found


def _crop(sizes: Mapping[Size, int], resize: Resize | None, area: int) -> Size | None:
    """The crop of at most this area with little filler, as square as the images allow."""
    fitting = crop_that_fits(sizes, resize, area)
    if fitting is not None:
        return fitting
    inner = [network_size(*size, resize) for size in sizes]
    height, width = np.median(inner, axis=0).astype(int).tolist()
    least = padded_size(height, width, STRIDE)
    return min(least, (STRIDE, STRIDE)) if resize is not None else least


def _predicted_px(sizes: Mapping[Size, int], resize: Resize | None) -> float:
    areas = [np.prod(padded_size(*network_size(*size, resize), STRIDE)) * count for size, count in sizes.items()]
    return float(np.sum(areas) / sum(sizes.values()))
