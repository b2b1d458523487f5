"""Calibration: which share of the pixels with a predicted probability is true?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.rules.rules import CALIBRATED_ONE
from maskfold.tuning.calibration import isotonic

BINS = 15
_EXACT_PX = 2**24  # OpenCV counts in float32, which is exact up to here


@dataclass(frozen=True)
class Reliability:
    """Bins of equal width that are not empty.

    prob: their mean probability; share: how many of them are true, 0..1; count: how many there are; error: the mean of
    |share - prob| over all that was counted (expected calibration error, Naeini et al. 2015).
    """

    prob: np.ndarray
    share: np.ndarray
    count: np.ndarray
    error: float


def prob_counts(prob: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    """How many pixels have each probability, (2, 256) int64: all that are labelled, and those that are true.

    prob: (H, W) uint8; truth, ignored: (H, W) uint8 in {0, 1}.
    """
    if ignored is not None:
        labelled = (prob[ignored == 0], prob[(truth > 0) & (ignored == 0)])
        return np.stack([np.bincount(levels, minlength=256) for levels in labelled])
    counts = np.zeros((2, 256), dtype=np.int64)
    rows = max(1, _EXACT_PX // prob.shape[1])
    for start in range(0, len(prob), rows):
        part, true = (np.ascontiguousarray(array[start : start + rows]) for array in (prob, truth))
        for row, mask in enumerate((None, true)):
            counts[row] += cv2.calcHist([part], [0], mask, [256], [0, 256]).ravel().astype(np.int64)
    return counts


def pixel_reliability(counts: np.ndarray) -> Reliability:
    """Reliability of pixel probabilities from their `prob_counts`, summed over images."""
    return _reliability(np.arange(256) / 255, counts[0], counts[1])


def calibrated_reliability(of_folds: Sequence[np.ndarray], never: np.ndarray, faintest: int = 1) -> Reliability:
    """Reliability of pixel probabilities after isotonic regression, that of each fold fitted on the other folds.

    of_folds: (2, 256) counts of each of two folds or more, as `pixel_reliability` takes them; never: (2,) those of the
    pixels whose probability is 0; faintest: level 1..255 from which on pixels are counted.
    """
    probs, counts, true = [np.zeros(1)], [never[:1]], [never[1:]]
    for fold, (pixels, hits) in enumerate(of_folds):
        others = [each for number, each in enumerate(of_folds) if number != fold]
        probs.append(np.array(isotonic(others)) / CALIBRATED_ONE)
        counts.append(np.where(np.arange(256) < faintest, 0, pixels))
        true.append(np.where(np.arange(256) < faintest, 0, hits))
    return _reliability(*(np.concatenate(each) for each in (probs, counts, true)))


def image_reliability(class_prob: np.ndarray, non_empty: np.ndarray) -> Reliability:
    """Reliability of classification probabilities: class_prob (images,) in 0..1, non_empty (images,) bool."""
    return _reliability(class_prob, np.ones(len(non_empty)), non_empty)


def _reliability(prob: np.ndarray, count: np.ndarray, true: np.ndarray) -> Reliability:
    bins = np.minimum((prob * BINS).astype(np.int64), BINS - 1)
    counts, hits, probs = (np.bincount(bins, weights, BINS) for weights in (count, true, count * prob))
    held = counts > 0
    counts, hits, probs = counts[held], hits[held], probs[held]
    share, mean = hits / counts, probs / counts
    error = float(np.abs(hits - probs).sum() / counts.sum()) if len(counts) else 0.0
    return Reliability(mean, share, counts.astype(np.int64), error)
