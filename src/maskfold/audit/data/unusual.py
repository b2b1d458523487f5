"""Images whose look or size stands out: blank, dark, bright, low in information, blurred, of an odd size or shape.

Dark, bright and low in information are what CleanVision calls so (0.3.7, its default thresholds). The other kinds are
measured against the set itself: beyond the quartiles by three times their distance, CleanVision's rule for sizes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

KINDS = {
    "blank": "of one colour",
    "dark": "dark",
    "bright": "bright",
    "low_information": "low in information",
    "blurred": "blurred",
    "odd_size": "of an unusual size",
    "odd_shape": "of an unusual shape",
}
TRAIT_SHARE = 0.1  # what more images have than this is how the set looks
COLUMNS = ("image_id", "split", "kind", "value", "low", "high")

_DARK, _BRIGHT = 0.32 * 255, 0.95 * 255  # grey values
_LEAST_BITS = 3.0  # of the entropy of the grey values
_LEAST_IMAGES = 20  # to compare an image with the set
_FENCE = 3.0  # distances of the quartiles
_LEAST_SPREAD = {"blurred": 0.3, "odd_size": 0.05, "odd_shape": 0.05}  # distance of the quartiles, of logarithms


def unusual_images(images: pd.DataFrame) -> pd.DataFrame:
    """One row for each image and kind, in the order of KINDS: COLUMNS.

    images: image_id, split, height, width, entropy, mean, std, p01, p05, p99 and sharpness of each. value: what was
    measured; low, high: the range of what is usual, NaN where it has no end. Of the first five kinds an image has one
    at most. blank: 98 of 100 pixels have the same grey value (value: the range of theirs); dark: of 100 pixels, 99 are
    below `low` (value: their limit); bright: 95 are above `high`; low_information: bits of entropy; blurred: sharpness
    for the contrast, the logarithm of the Laplacian's variance less that of the grey values'; odd_size: the root of
    height times width, px; odd_shape: width to height. The last three need 20 images.
    """
    sharpness = images["sharpness"] - np.log1p(images["std"] ** 2)
    measured = {
        "blank": (images["p99"] - images["p01"], 1.0, np.inf),
        "dark": (images["p99"], _DARK, np.inf),
        "bright": (images["p05"], -np.inf, _BRIGHT),
        "low_information": (images["entropy"], _LEAST_BITS, np.inf),
        "blurred": (sharpness, _fences(sharpness, "blurred")[0], np.inf),
        "odd_size": _against_the_set(np.sqrt(images["height"] * images["width"]), "odd_size"),
        "odd_shape": _against_the_set(images["width"] / images["height"], "odd_shape"),
    }
    taken = np.zeros(len(images), dtype=bool)
    found = []
    for kind, (values, low, high) in measured.items():
        unusual = ((values < low) | (values > high)).to_numpy()
        if not kind.startswith("odd"):
            unusual = unusual & ~taken
            taken |= unusual
        rows = images.loc[unusual, ["image_id", "split"]].assign(kind=kind, value=values[unusual], low=low, high=high)
        found.append(rows.sort_values("value", kind="stable"))
    return pd.concat(found, ignore_index=True)[list(COLUMNS)].replace([np.inf, -np.inf], np.nan)


def _against_the_set(values: pd.Series, kind: str) -> tuple[pd.Series, float, float]:
    """The values with the limits of what is usual for them, by their logarithms."""
    low, high = _fences(np.log(values), kind)
    return values, float(np.exp(low)), float(np.exp(high))


def _fences(logs: pd.Series, kind: str) -> tuple[float, float]:
    """Where what is usual begins and ends, from the quartiles; without ends where there are too few images."""
    if len(logs) < _LEAST_IMAGES:
        return -np.inf, np.inf
    first, third = np.percentile(logs, [25, 75])
    spread = _FENCE * max(third - first, _LEAST_SPREAD[kind])
    return first - spread, third + spread
