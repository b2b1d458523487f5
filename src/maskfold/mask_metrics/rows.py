"""What a rule leaves on images, as rows: areas alone, or with what a metric of whole masks adds up.

A row is (intersection, predicted area, true area) in px, int64; with a metric of whole masks it has two columns more,
float64: the class score is the sum of the first over the sum of the second, 1 where that is 0. Sums are rounded once,
so they do not depend on the order of the images.
"""

from __future__ import annotations

import math

import numpy as np

from maskfold.pixels import metrics

AREAS, PAIR = slice(0, 3), slice(3, 5)


def of_whole_masks(rows: np.ndarray) -> bool:
    """Whether rows, (…, 3) or (…, 5), are of a metric that looks at whole masks."""
    return rows.shape[-1] > AREAS.stop


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The scores that sums make, float64 of their shape; 1 where there is nothing to count."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    return np.divide(above, below, out=np.ones(np.broadcast(above, below).shape), where=below != 0)


def exact_sums(pairs: np.ndarray) -> np.ndarray:
    """(2,) float64: the sums of pairs (images, 2), each rounded once."""
    return np.array([math.fsum(column) for column in pairs.T])


def class_score(metric: str, rows: np.ndarray) -> float:
    """The score of a class from the rows of its images, (images, 3) or (images, 5).

    metric: by which areas are scored; not used for rows that hold more. Raises ValueError when there is no image.
    """
    if not of_whole_masks(rows):
        return metrics.class_score(metric, *rows.T)
    if not len(rows):
        raise ValueError("a score of no images is not defined")
    return float(ratio(*exact_sums(rows[:, PAIR])))


def scores(metric: str, rows: np.ndarray) -> np.ndarray:
    """The scores of single images, (images,) float64; rows and metric as for `class_score`."""
    return ratio(*rows[:, PAIR].T) if of_whole_masks(rows) else metrics.scores(metric, *rows.T)
