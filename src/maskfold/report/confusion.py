"""Which class is taken for which: pixels, and whole images, of the truth against those of the predicted masks."""

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
    taken_for = _taken_for(shares, class_names)
    return [
        {
            "name": name,
            "true": int(counts.true[index]),
            "precision": float(precision[index]),
            "recall": float(shares[index, index]),
            "taken_for": taken_for[index],
        }
        for index, name in enumerate(class_names)
    ]


def _taken_for(shares: np.ndarray, class_names: Sequence[str]) -> list[list[tuple[float, str]]]:
    """For each class the shares from 1 % of the others, and of none, the largest first; shares: (C, C + 1)."""
    names = [*class_names, "none"]
    return [
        sorted(
            (
                (float(share), names[number])
                for number, share in enumerate(row)
                if share >= _SHOWN_FROM and number != index
            ),
            reverse=True,
        )
        for index, row in enumerate(shares)
    ]


def image_confusions(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(C, C + 1) int64: of the images of the row's class, how many show the column's in its place, in the last none.

    true, predicted: (images, C) areas in px. On the diagonal, images in which any pixel of the class is predicted. In
    the others it is missed whole: they count in the column of each class that is predicted and not true, or as none.
    """
    there, seen = true > 0, predicted > 0
    missed, false = (there & ~seen).astype(np.int64), (seen & ~there).astype(np.int64)
    taken = missed.T @ np.concatenate([false, 1 - false.max(axis=1, keepdims=True)], axis=1)
    np.fill_diagonal(taken, (there & seen).sum(axis=0))
    return taken


def images_taken_for(taken: np.ndarray, true: np.ndarray, class_names: Sequence[str]) -> list[list[tuple[float, str]]]:
    """For each class the pairs of `confusion_rows`, of its images; taken: `image_confusions` of true."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _taken_for(taken / (true > 0).sum(axis=0)[:, None], class_names)


def confusion_table(taken: np.ndarray, class_names: Sequence[str]) -> pd.DataFrame:
    """The table of confusion.csv: a row a true class, a column a predicted one, the last none; taken: (C, C + 1)."""
    return pd.DataFrame(taken, pd.Index(class_names, name="true"), [*class_names, "none"])
