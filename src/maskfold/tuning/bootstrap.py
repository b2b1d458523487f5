"""How far a tuned gain can be trusted: scores from areas, and the bootstrap interval of the gain."""

from __future__ import annotations

import numpy as np

from maskfold.mask_metrics.rows import PAIR, of_whole_masks, ratio
from maskfold.pixels.metrics import FIXED_ONE, POOLED, fixed_scores, pooled_scores
from maskfold.rules.tuned import Interval


def gain_interval(
    metric: str,
    default: np.ndarray,
    tuned: np.ndarray,
    groups: np.ndarray,
    samples: int,
    rng: np.random.Generator,
) -> Interval:
    """The 95 % bootstrap interval of a class's gain over the default, resampling whole groups of images.

    default, tuned: (images, 3) int64 areas (intersection, predicted, true) in px under either rule, or rows of whole
    masks (`mask_metrics.rows`); groups: (images,) the group of each image (its own where there are none).
    """
    _, group = np.unique(groups, return_inverse=True)
    sums = _group_sums(metric, default, tuned, group)
    gains = np.empty(samples)
    for sample in range(samples):
        drawn = rng.integers(len(sums), size=len(sums))
        gains[sample] = _gain(metric, sums[drawn].sum(axis=0))
    low, high = np.quantile(gains, [0.025, 0.975])
    return Interval(low=float(low), high=float(high))


def _group_sums(metric: str, default: np.ndarray, tuned: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(groups, k) sums a gain can be computed from."""
    if of_whole_masks(default):
        columns = [*default[:, PAIR].T, *tuned[:, PAIR].T]
    elif metric in POOLED:
        columns = [default[:, 0], default[:, 1], tuned[:, 0], tuned[:, 1], default[:, 2]]
    else:
        gains = fixed_scores(metric, *tuned.T) - fixed_scores(metric, *default.T)
        columns = [gains / FIXED_ONE, np.ones(len(gains))]
    return np.stack([np.bincount(group, weights=column) for column in columns], axis=1)


def _gain(metric: str, sums: np.ndarray) -> float:
    if len(sums) == 4:  # of whole masks: the pairs of either rule
        before, after = ratio(sums[[0, 2]], sums[[1, 3]])
        return float(after - before)
    if metric not in POOLED:
        return float(sums[0] / sums[1])
    before, after = pooled_scores(metric, sums[[0, 2]], sums[[1, 3]], sums[4])
    return float(after - before)
