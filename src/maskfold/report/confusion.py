"""Which class is taken for which: pixels of the truth against pixels of the predicted masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_SHOWN_FROM = 0.01  # of a class's true pixels
_CHUNK_PX = 2**18  # whose masks are compared at a time


@dataclass(frozen=True)
class PixelCounts:
    """Labelled pixels of some images.

    taken: (C, C + 1) int64, true pixels of the row's class that are predicted as the column's, in the last column as
    none; true, predicted: (C,) int64, all pixels that are of a class, and that are predicted as it.
    """

    taken: np.ndarray
    true: np.ndarray
    predicted: np.ndarray

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(self.taken + other.taken, self.true + other.true, self.predicted + other.predicted)


def pixel_counts(truth: np.ndarray, predicted: np.ndarray) -> PixelCounts:
    """The counts of one image; a pixel of several classes counts in each of their rows and columns.

    truth, predicted: (C, H, W) uint8 in {0, 1}, 0 where pixels are ignored.
    """
    classes = len(truth)
    taken = np.zeros((classes, classes + 1), dtype=np.int64)
    flat = [masks.reshape(classes, -1) for masks in (truth, predicted)]
    shown = np.flatnonzero(flat[0].any(axis=0))
    for start in range(0, len(shown), _CHUNK_PX):
        true, seen = (masks[:, shown[start : start + _CHUNK_PX]].astype(np.float32) for masks in flat)
        none = 1 - seen.max(axis=0, keepdims=True)
        # Sums of at most 2**18 ones are exact in float32.
        taken += (true @ np.concatenate([seen, none]).T).astype(np.int64)
    return PixelCounts(taken, *(masks.sum(axis=1, dtype=np.int64) for masks in flat))


def no_counts(classes: int) -> PixelCounts:
    """The counts of no image."""
    return PixelCounts(*(np.zeros(shape, dtype=np.int64) for shape in ((classes, classes + 1), classes, classes)))


def confusion_rows(counts: PixelCounts, class_names: Sequence[str]) -> list[dict[str, object]]:
    """One row a class: its name, true pixels, precision and recall, NaN where there are no pixels, and taken_for.

    taken_for: pairs of a share of the true pixels, from 1 %, and the name of another class that they are predicted as,
    or `none`; the largest first.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = counts.taken / counts.true[:, None]
        precision = np.diagonal(counts.taken) / counts.predicted
    return [
        {
            "name": name,
            "true": int(counts.true[index]),
            "precision": float(precision[index]),
            "recall": float(shares[index, index]),
            "taken_for": sorted(
                (
                    (float(share), other)
                    for number, (share, other) in enumerate(zip(shares[index], [*class_names, "none"], strict=True))
                    if share >= _SHOWN_FROM and number != index
                ),
                reverse=True,
            ),
        }
        for index, name in enumerate(class_names)
    ]


def confusion_table(counts: PixelCounts, class_names: Sequence[str]) -> pd.DataFrame:
    """The pixels of confusion.csv: a row a true class, a column a predicted one, the last none."""
    return pd.DataFrame(counts.taken, pd.Index(class_names, name="true"), [*class_names, "none"])
