"""How often pixels at each probability level are true, made monotone: isotonic regression on the 255 levels above 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.isotonic import isotonic_regression

from maskfold.rules.rules import CALIBRATED_ONE
from maskfold.tuning.tables.score_tables import FoldTables

_LEVELS = np.arange(256)


def level_counts(tables: FoldTables, class_index: int) -> np.ndarray:
    """(2, 256) int64: how many pixels of one class on one fold, and how many true ones, have each level above 0.

    Ignored pixels are not counted.
    """
    counts = np.zeros((2, 256), dtype=np.int64)
    for records in tables.histograms.chunks(class_index):
        found = records["histograms"].sum(axis=0, dtype=np.int64)
        counts += found[:2]
        counts[0] -= found[2:].sum(axis=0)
    return counts


def isotonic(counts: Sequence[np.ndarray]) -> tuple[int, ...]:
    """The calibrated probability of each level 0..255 in 1/65536, from the `level_counts` of some folds.

    Weighted by pixels, so the same as the regression over all single pixels. Levels that no pixel has lie on the line
    between their neighbours; level 0 is 0, as its pixels are on in no mask. All 0 if no pixel is true.
    """
    pixels, true = np.sum(counts, axis=0)[:, 1:]
    seen = np.flatnonzero(pixels)
    if not true.any():
        return (0,) * 256
    shares = isotonic_regression(true[seen] / pixels[seen], sample_weight=pixels[seen].astype(np.float64))
    levels = np.interp(_LEVELS[1:], seen + 1, shares)
    return 0, *(int(value) for value in np.rint(levels * CALIBRATED_ONE))
