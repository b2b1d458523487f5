"""Scores of objects, the connected components of masks: which true ones are found, and at which IoU.

Two objects match if their IoU is above a threshold of at least 0.5, so that each matches one other at most. Objects
that touch each other count as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskfold.pixels.objects import numbered_objects

# Thresholds of IoU in twentieths, 0.5 to 0.95: whole numbers, so that an IoU of exactly a threshold is no match.
_TWENTIETHS = np.arange(10, 20)


@dataclass(frozen=True)
class ObjectCounts:
    """Objects of some images, class by class.

    images: how many; true, predicted: (C,) int64 objects; found: (C, 10) int64 pairs that match at IoU above 0.5, 0.55,
    …, 0.95; ious: (C,) float64 sum of the IoU of the pairs above 0.5; precisions, f2s: (C,) float64 sums over images of
    the score of an image, see `mean_precision` and `f2`.
    """

    images: int
    true: np.ndarray
    predicted: np.ndarray
    found: np.ndarray
    ious: np.ndarray
    precisions: np.ndarray
    f2s: np.ndarray

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    @property
    def panoptic_quality(self) -> np.ndarray:
        """(C,) the sum of IoU over matches, over matches plus half of all unmatched objects; NaN without objects.

        Source: Kirillov et al. 2019, "Panoptic Segmentation".
        """
        with np.errstate(invalid="ignore"):
            return np.asarray(2 * self.ious / (self.true + self.predicted))

    @property
    def mean_precision(self) -> np.ndarray:
        """(C,) TP / (TP + FP + FN), the mean over ten thresholds of IoU, then over images; 1 for empty on empty.

        Source: the Data Science Bowl of 2018 (https://www.kaggle.com/c/data-science-bowl-2018/overview/evaluation).
        """
        return np.asarray(self.precisions / max(1, self.images))

    @property
    def f2(self) -> np.ndarray:
        """(C,) 5 TP / (5 TP + 4 FN + FP), the mean over ten thresholds of IoU, then over images; 1 for empty on empty.

        Source: the Airbus ship detection challenge
        (https://www.kaggle.com/c/airbus-ship-detection/overview/evaluation).
        """
        return np.asarray(self.f2s / max(1, self.images))


def object_counts(truth: np.ndarray, predicted: np.ndarray) -> ObjectCounts:
    """The counts of one image; truth, predicted: (C, H, W) uint8 in {0, 1}, 0 where pixels are ignored."""
    classes = len(truth)
    counts = no_objects(classes, images=1)
    for index in range(classes):
        if truth[index].any() or predicted[index].any():
            _count(counts, index, numbered_objects(truth[index]), numbered_objects(predicted[index]))
        else:
            counts.precisions[index] = counts.f2s[index] = 1.0
    return counts


def no_objects(classes: int, images: int = 0) -> ObjectCounts:
    """The counts of no image, or of so many before anything is counted in them."""
    return ObjectCounts(
        images,
        *(np.zeros(shape, dtype=np.int64) for shape in (classes, classes, (classes, len(_TWENTIETHS)))),
        *(np.zeros(classes) for _ in range(3)),
    )


def _count(counts: ObjectCounts, index: int, true: np.ndarray, predicted: np.ndarray) -> None:
    """Fill in one class of an image with objects; true, predicted: (H, W) int32 as `numbered_objects` gives them."""
    of_true, of_predicted = (np.bincount(objects.ravel()) for objects in (true, predicted))
    both = (true > 0) & (predicted > 0)
    pairs, shared = np.unique(true[both].astype(np.int64) * len(of_predicted) + predicted[both], return_counts=True)
    unions = of_true[pairs // len(of_predicted)] + of_predicted[pairs % len(of_predicted)] - shared
    matches = 20 * shared[:, None] > _TWENTIETHS * unions[:, None]
    found = matches.sum(axis=0)
    counts.true[index], counts.predicted[index] = len(of_true) - 1, len(of_predicted) - 1
    counts.found[index] = found
    counts.ious[index] = (shared / unions)[matches[:, 0]].sum()
    missed, wrong = counts.true[index] - found, counts.predicted[index] - found
    counts.precisions[index] = (found / (found + missed + wrong)).mean()
    counts.f2s[index] = (5 * found / (5 * found + 4 * missed + wrong)).mean()
