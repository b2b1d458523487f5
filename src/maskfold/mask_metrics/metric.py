"""The metric of a config where it looks at whole masks: one that maskfold knows, or a function of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np

from maskfold.artefacts.own_code import METRIC_KEY, imported, is_own
from maskfold.config import TuningConfig
from maskfold.errors import ConfigError
from maskfold.mask_metrics.outlines import BoundaryIou, NegativeHausdorff95, SurfaceDice
from maskfold.pixels.geometry import without
from maskfold.pixels.metrics import mask_areas
from maskfold.pixels.object_scores import ObjectCounts, object_counts

Pair = tuple[float, float]


@dataclass(frozen=True)
class MaskMetric:
    """A metric of whole masks.

    of_truth: from a true mask, (H, W) uint8 in {0, 1}, to the function that gives a predicted one its pair: the class
    score is the sum of the first over the sum of the second, see `rows`; in_threads: whether several may run at once.
    """

    of_truth: Callable[[np.ndarray], Callable[[np.ndarray], Pair]]
    in_threads: bool = True

    def row(self, predicted: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> tuple[float, ...]:
        """The row of one image and class, see `rows`: (H, W) uint8 in {0, 1} each; ignored pixels are off in both."""
        predicted, truth = without(predicted, ignored), without(truth, ignored)
        return (*mask_areas(predicted, truth), *self.of_truth(truth)(predicted))


def mask_metric(tuning: TuningConfig) -> MaskMetric | None:
    """The metric of a config, or None where it follows from areas.

    Raises ConfigError for an own one that cannot be imported, does not say which way is better, or fails when tried.
    """
    if tuning.is_exact:
        return None
    if is_own(tuning.metric):
        return MaskMetric(_own(tuning.metric), in_threads=False)
    return MaskMetric({
        "surface_dice": lambda truth: _by_image(SurfaceDice(truth, tuning.tolerance_px)),
        "negative_hausdorff95": lambda truth: _by_image(NegativeHausdorff95(truth)),
        "boundary_iou": lambda truth: _by_image(BoundaryIou(truth, tuning.boundary_width)),
        "panoptic_quality": lambda truth: _of_objects(truth, _panoptic_quality),
        "object_f2": lambda truth: _of_objects(truth, lambda counts: (float(counts.f2s[0]), 1.0)),
        "object_precision": lambda truth: _of_objects(truth, lambda counts: (float(counts.precisions[0]), 1.0)),
    }[tuning.metric])  # fmt: skip


def _by_image(score: Callable[[np.ndarray], float]) -> Callable[[np.ndarray], Pair]:
    """The pairs of a mean over images."""
    return lambda predicted: (score(predicted), 1.0)


def _of_objects(truth: np.ndarray, pair: Callable[[ObjectCounts], Pair]) -> Callable[[np.ndarray], Pair]:
    """Pairs that follow from the objects of one image; sources and matching: `pixels.object_scores`."""
    return lambda predicted: pair(object_counts(truth[None], predicted[None]))


def _panoptic_quality(counts: ObjectCounts) -> Pair:
    """Its numerator and denominator, as it is one ratio over all images."""
    return 2 * float(counts.ious[0]), float(counts.true[0] + counts.predicted[0])


def _own(name: str) -> Callable[[np.ndarray], Callable[[np.ndarray], Pair]]:
    """A metric of the user's own, tried on made-up masks."""
    found = imported(name, METRIC_KEY)
    function = found() if isinstance(found, type) else found
    upwards = getattr(function, "greater_is_better", None)
    if not isinstance(upwards, bool):
        raise ConfigError(
            f"{METRIC_KEY}: {name} does not say which way is better; expected `greater_is_better = True` or False as "
            "an attribute, for example `my_metric.greater_is_better = False` below the function"
        )
    sign = 1.0 if upwards else -1.0

    def scorer(truth: np.ndarray) -> Callable[[np.ndarray], Pair]:
        """The pairs of one true mask."""
        return lambda predicted: (sign * _value(function, name, predicted, truth), 1.0)

    draws = np.random.default_rng(0)
    masks = [(draws.random((16, 24)) < share).astype(np.uint8) for share in (0.0, 0.5, 0.5)]
    for predicted, truth in ((0, 0), (0, 1), (1, 0), (1, 2)):
        scorer(masks[truth])(masks[predicted])
    return scorer


def _value(function: Callable[..., object], name: str, predicted: np.ndarray, truth: np.ndarray) -> float:
    """What an own metric gives. Raises ConfigError for an error in it and for what is no finite number."""
    of = f"masks of {truth.shape[0]} x {truth.shape[1]} px, {predicted.sum()} px predicted, {truth.sum()} px true"
    try:
        value = function(predicted.copy(), truth.copy())
    except Exception as error:  # it is the user's own code
        raise ConfigError(f"{METRIC_KEY}: {name} fails on {of}: {type(error).__name__}: {error}") from error
    if not isinstance(value, Real) or not math.isfinite(value):
        found = value if isinstance(value, Real) else type(value).__name__
        raise ConfigError(f"{METRIC_KEY}: {name} gives {found} on {of}; expected a finite number")
    return float(value)
