"""Whether a map's mask is worth its risk: a logistic regression on what the histogram of the map says.

An image without the class scores 1 with an empty mask and 0 with any other, so what must be known is whether the mask
will score more than none. That is fitted by itself, and each map counts by how much is at stake: 1 where the class is
absent, the score of the mask where it is present.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from maskfold.rules.expected import LOG_ODDS_ONE

_LEAST_MAPS = 5  # of either kind, to learn from
_LARGEST = 2**42  # that a rule may hold


def fit_presence(signs: np.ndarray, gains: np.ndarray) -> tuple[int, ...] | None:
    """The constant and the weights of the signs, in log-odds of `LOG_ODDS_ONE`; None if there is too little to learn.

    signs: (n, signs) int64 of `rules.expected.presence_signs`; gains: (n,) int64, what the mask of the best cut scores
    more than an empty one. Signs are scaled to deviations of 1; regularised as scikit-learn does by default.
    """
    matters = gains != 0
    signs, gains = signs[matters].astype(np.float64), gains[matters]
    if min(np.count_nonzero(gains > 0), np.count_nonzero(gains < 0)) < _LEAST_MAPS:
        return None
    mean, deviation = signs.mean(axis=0), signs.std(axis=0)
    deviation[deviation == 0] = 1.0
    stakes = np.abs(gains) / np.abs(gains).max()
    model = LogisticRegression(max_iter=1000).fit((signs - mean) / deviation, gains > 0, sample_weight=stakes)
    weights = model.coef_[0] / deviation
    constant = model.intercept_[0] - weights @ mean
    found = np.rint(LOG_ODDS_ONE * np.array([constant, *weights]))
    return tuple(int(value) for value in found) if np.abs(found).max() <= _LARGEST else None
