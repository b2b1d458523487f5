"""The only metrics: each a function of (intersection, predicted area, true area) of one image and class.

An empty truth with an empty prediction scores 1. So that sums do not depend on their order, shards add bit for bit and
difference tables are exact, every score is rounded to a whole number of 2**-40 before it is summed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from maskfold.execution.compiled import compiled
from maskfold.pixels.geometry import without

FIXED_ONE = 2**40  # a score of 1 in fixed point; eight million images fit in 64 bits

# Metrics of the pixels of all images together -> the metric of the same form of one image.
POOLED = {"pooled_dice": "dice", "miou": "iou", "pooled_f0.5": "f0.5", "pooled_f2": "f2"}
# Metric of that form -> (n, p, t, i): n I / (p P + t T - i I). F with beta is (1 + beta²) I / (P + beta² T).
_FORMS = {"dice": (2, 1, 1, 0), "iou": (1, 1, 1, 1), "f0.5": (5, 4, 1, 0), "f2": (5, 1, 4, 0)}

# What a table sums for each metric: scores in fixed point, or for pooled ones the areas themselves.
DICE, IOU, TGS_PRECISION, INTERSECTION, PREDICTED_AREA, F_HALF, F_TWO = range(7)
PLANES: dict[str, tuple[int, ...]] = {
    "dice": (DICE,),
    "iou": (IOU,),
    "f0.5": (F_HALF,),
    "f2": (F_TWO,),
    "tgs_precision": (TGS_PRECISION,),
    **dict.fromkeys(POOLED, (INTERSECTION, PREDICTED_AREA)),
}


@compiled
def score_one(plane: int, intersection: int, predicted_area: int, true_area: int) -> float:
    """The score of one image and class, 0..1; `plane` is that of a score: not INTERSECTION or PREDICTED_AREA."""
    total = predicted_area + true_area
    if total == 0:
        return 1.0
    # Written out: with the numbers of _FORMS a call takes 14 to 20 % longer.
    if plane == DICE:
        return 2.0 * intersection / total
    if plane == F_HALF:
        return 5.0 * intersection / (4 * predicted_area + true_area)
    if plane == F_TWO:
        return 5.0 * intersection / (predicted_area + 4 * true_area)
    union = total - intersection
    if plane == IOU:
        return intersection / union
    hits = 0
    for twentieths in range(10, 20):
        # In whole numbers: 0.55 is no float, and at an IoU of exactly a threshold a float would decide by chance.
        if 20 * intersection > twentieths * union:
            hits += 1
    return hits / 10.0


@compiled
def plane_sum(plane: int, intersection: int, predicted_area: int, true_area: int) -> int:
    """What one image adds to a table's plane: a score in fixed point, or an area in px."""
    if plane == INTERSECTION:
        return intersection
    if plane == PREDICTED_AREA:
        return predicted_area
    return int(np.rint(score_one(plane, intersection, predicted_area, true_area) * FIXED_ONE))


@compiled
def _fill_scores(plane: int, areas: np.ndarray, out: np.ndarray) -> None:
    for row in range(len(areas)):
        out[row] = score_one(plane, areas[row, 0], areas[row, 1], areas[row, 2])


@compiled
def _fill_sums(plane: int, areas: np.ndarray, out: np.ndarray) -> None:
    for row in range(len(areas)):
        out[row] = plane_sum(plane, areas[row, 0], areas[row, 1], areas[row, 2])


def _each(fill: Callable[..., None], dtype: type, plane: int, *areas: Any) -> np.ndarray:
    """A compiled loop over arrays of areas that broadcast; returns an array of their shape."""
    shaped = np.broadcast_arrays(*areas)
    out: np.ndarray = np.empty(shaped[0].size, dtype=dtype)
    fill(plane, np.stack(shaped, axis=-1).astype(np.int64).reshape(-1, 3), out)
    return out.reshape(shaped[0].shape)


def dice(intersection: Any, predicted_area: Any, true_area: Any) -> np.ndarray:
    """2I / (P + T) per image, 1 where both are empty (the Severstal competition's metric).

    Arguments: integer arrays of areas in px that broadcast. Returns float64 of their shape in 0..1.
    """
    return _each(_fill_scores, np.float64, DICE, intersection, predicted_area, true_area)


def iou(intersection: Any, predicted_area: Any, true_area: Any) -> np.ndarray:
    """I / (P + T - I) per image, 1 where both are empty; shapes as in `dice`."""
    return _each(_fill_scores, np.float64, IOU, intersection, predicted_area, true_area)


def tgs_precision(intersection: Any, predicted_area: Any, true_area: Any) -> np.ndarray:
    """The share of the thresholds 0.5, 0.55, …, 0.95 that the IoU exceeds; shapes as in `dice`.

    The mean precision of the TGS Salt competition, whose images hold one object each.
    """
    return _each(_fill_scores, np.float64, TGS_PRECISION, intersection, predicted_area, true_area)


def pooled_form(metric: str) -> tuple[int, int, int, int]:
    """The whole numbers (n, p, t, i) of a pooled metric: n ΣI / (p ΣP + t ΣT - i ΣI)."""
    return _FORMS[POOLED[metric]]


def pooled_scores(metric: str, intersection: Any, predicted_area: Any, true_area: Any) -> np.ndarray:
    """A pooled metric of areas that are summed over images already; 1 where both are empty.

    metric: `pooled_dice`, 2 ΣI / (ΣP + ΣT); `miou`, ΣI / (ΣP + ΣT - ΣI), whose mean over classes is the mIoU of PASCAL
    VOC (Everingham et al. 2010, section 4.3) and Cityscapes (Cordts et al. 2016, arXiv 1604.01685); `pooled_f0.5` and
    `pooled_f2`, the F-measure (van Rijsbergen 1979) (1 + beta²) ΣI / (ΣP + beta² ΣT).
    The others: arrays of areas in px that broadcast. Returns float64 of their shape in 0..1.
    """
    n, p, t, i = pooled_form(metric)
    below = p * np.asarray(predicted_area) + t * np.asarray(true_area) - i * np.asarray(intersection)
    ones: np.ndarray = np.ones(np.shape(below))
    return np.divide(n * np.asarray(intersection), below, out=ones, where=below > 0)


def intersections(metric: str, scores: np.ndarray, predicted_area: np.ndarray, true_area: np.ndarray) -> np.ndarray:
    """The intersections in px, int64, that scores of images in the form of a pooled metric come from; see POOLED."""
    n, p, t, i = pooled_form(metric)
    return np.rint(scores * (p * predicted_area + t * true_area) / (n + i * scores)).astype(np.int64)


def class_score(metric: str, intersection: Any, predicted_area: Any, true_area: Any) -> float:
    """The score of a class, whatever the order of its images: a mean over images, or one of all their pixels.

    Arguments: integer arrays (images,) of areas in px. Raises ValueError when there is no image.
    """
    if np.size(intersection) == 0:
        raise ValueError("a score of no images is not defined")
    if metric in POOLED:
        sums = (int(np.sum(areas)) for areas in (intersection, predicted_area, true_area))
        return float(pooled_scores(metric, *sums))
    return from_fixed(int(fixed_scores(metric, intersection, predicted_area, true_area).sum()), np.size(intersection))


def shown_metric(metric: str) -> str:
    """The metric an image's own score is shown in: `metric`, or that of its form where it pools all images."""
    return POOLED.get(metric, metric)


def scores(metric: str, intersection: Any, predicted_area: Any, true_area: Any) -> np.ndarray:
    """The scores of single images, float64 in 0..1, of a pooled metric those in POOLED; shapes as in `dice`."""
    plane = PLANES[shown_metric(metric)][0]
    return _each(_fill_scores, np.float64, plane, intersection, predicted_area, true_area)


def fixed_scores(metric: str, intersection: Any, predicted_area: Any, true_area: Any) -> np.ndarray:
    """Scores of a mean-over-images metric in fixed point, int64, shapes as in `dice`; pooled ones have none."""
    return _each(_fill_sums, np.int64, PLANES[metric][0], intersection, predicted_area, true_area)


def from_fixed(total: int, count: int) -> float:
    """The mean of `count` fixed-point scores that sum to `total`."""
    return total / (count * FIXED_ONE)


def mask_areas(pred: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> tuple[int, int, int]:
    """(intersection, predicted area, true area) in px of two masks of one shape, bool or integer; non-zero is on.

    ignored: of the same shape, non-zero where pixels are left out of all three; None: all count.
    """
    if pred.shape != truth.shape:
        raise ValueError(f"prediction {pred.shape} and truth {truth.shape} differ in shape")
    if ignored is not None:
        pred, truth = without(pred, ignored), without(truth, ignored)
    return int(np.count_nonzero((pred != 0) & (truth != 0))), int(np.count_nonzero(pred)), int(np.count_nonzero(truth))
