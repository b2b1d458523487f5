"""How many of the pixels that a network sees only fill its input up, and the resize that avoids it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from maskfold.config import Resize
from maskfold.network.model import STRIDE
from maskfold.pixels.geometry import network_size, padded_size
from maskfold.planning.constants import MOST_FILLER, MOST_STRETCH

Size = tuple[int, int]  # (height, width) in px


def image_sizes(images: pd.DataFrame) -> dict[Size, int]:
    """(height, width) in px -> how many of the images have it, the most common first."""
    return dict(Counter(zip(images["height"].tolist(), images["width"].tolist(), strict=True)).most_common())


def filler(sizes: Mapping[Size, int], resize: Resize | None, crop: Size | None, multiple: int = STRIDE) -> float:
    """Share of a network's input pixels in training that are filler, 0 to 1.

    sizes: size of an image -> how many; crop: None for whole images, which are padded to one common size.
    """
    inner, counts = _inner(sizes, resize)
    if crop is None:
        height, width = inner.max(axis=0).tolist()
        crop = padded_size(height, width, multiple)
    used = np.minimum(inner, crop).prod(axis=1) @ counts
    return float(1 - used / (crop[0] * crop[1] * counts.sum()))


def _inner(sizes: Mapping[Size, int], resize: Resize | None) -> tuple[np.ndarray, np.ndarray]:
    """(sizes, 2) int64: the size of each image after the resize; (sizes,) int64: how many there are."""
    inner = np.array([network_size(*size, resize) for size in sizes], dtype=np.int64)
    return inner, np.array([*sizes.values()], dtype=np.int64)


def fitting_size(size: Size, area_px: float) -> Size:
    """Multiples of 32 nearest to a size scaled to an area; never larger than the size unless it is below 32."""
    factor = min(1.0, (area_px / (size[0] * size[1])) ** 0.5)
    high, wide = (max(STRIDE, round(side * factor / STRIDE) * STRIDE) for side in size)
    return (high, wide)


def stretch(size: Size, target: Size) -> float:
    """How much more one side changes than the other, at least 1."""
    factor = (target[0] / size[0]) / (target[1] / size[1])
    return max(factor, 1 / factor)


def padding_hint(sizes: Mapping[Size, int], resize: Resize | None, crop: Size | None) -> str | None:
    """What to tell a user whose config wastes more than a tenth of the pixels on filler; None if it does not."""
    share = filler(sizes, resize, crop)
    if share <= MOST_FILLER:
        return None
    inner = network_size(*max(sizes, key=lambda size: sizes[size]), resize)
    target = fitting_size(inner, inner[0] * inner[1])
    start = f"{share:.0%} of the pixels in training only fill images up to {'the crops' if crop else 'a common size'}"
    kept = sum(count for size, count in sizes.items() if stretch(size, target) <= MOST_STRETCH)
    if crop is None and kept >= (1 - MOST_FILLER) * sum(sizes.values()):
        return f"{start}; --set model.resize={{size: [{target[0]}, {target[1]}]}} avoids it"
    smaller = crop_that_fits(sizes, resize)
    fix = f"; --set train.crop_size=[{smaller[0]},{smaller[1]}] avoids it" if smaller is not None else ""
    return start + fix


def crop_that_fits(sizes: Mapping[Size, int], resize: Resize | None, area_px: float = float("inf")) -> Size | None:
    """The largest crop of at most an area with little filler, as square as can be, its sides multiples of 32.

    None where even 32x32 px would be mostly filler.
    """
    inner, _ = _inner(sizes, resize)
    side = int(min(inner.max(), area_px)) // STRIDE
    top, wide = (min(side, int(each)) for each in inner.max(axis=0) // STRIDE)
    crops = ((STRIDE * high, STRIDE * across) for high in range(1, top + 1) for across in range(1, wide + 1))
    by_size = sorted(
        (crop for crop in crops if crop[0] * crop[1] <= area_px), key=lambda crop: (-min(crop), -crop[0] * crop[1])
    )
    return next((crop for crop in by_size if filler(sizes, resize, crop) <= MOST_FILLER), None)
