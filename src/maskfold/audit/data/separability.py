"""How well simple statistics separate training and test images: an AUC near 0.5 means one source."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

LEAST_IMAGES = 40  # of either kind; with fewer the result is chance
_FOLDS = 5
_LEAST_SETS = 2 * _FOLDS  # of either kind, so that no model is trained on one kind alone
_SHOWN = 8


@dataclass(frozen=True)
class Separability:
    """auc: cross-validated, 0.5 by chance; chance_error: the standard error of an AUC of 0.5 of so many images.

    statistics: the ones that separate best: name, auc (of that one alone, 0.5..1), train_median, test_median.
    """

    auc: float
    chance_error: float
    statistics: pd.DataFrame

    @property
    def standard_errors(self) -> float:
        """By how many standard errors of chance the AUC lies above 0.5."""
        return (self.auc - 0.5) / self.chance_error

    @property
    def in_words(self) -> str:
        """The result in words."""
        if self.standard_errors < 3:
            return "not separable beyond chance"
        return "barely separable" if self.auc < 0.6 else "separable" if self.auc < 0.8 else "clearly separable"


def separability(table: pd.DataFrame, is_test: np.ndarray, sets: np.ndarray, seed: int) -> Separability | None:
    """Train a classifier of image statistics to separate test from training images; None with too few of either.

    table: (images, statistics) float, NaN where one does not apply; is_test: (images,) bool; sets: (images,) copies
    share a number and a side of every split, so that no image is recognised by its copy. The standard error is that of
    the rank-sum statistic when both kinds have one distribution (Mann and Whitney 1947).
    """
    counts = int(is_test.sum()), int((~is_test).sum())
    table = table.loc[:, table.nunique() > 1]
    kinds = min(len(np.unique(sets[is_test])), len(np.unique(sets[~is_test])))
    if min(counts) < LEAST_IMAGES or kinds < _LEAST_SETS or table.empty:
        return None
    values = table.to_numpy(dtype=np.float64)
    scores = np.zeros(len(is_test))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    # One thread: there is little to share out, and on a busy machine OpenMP's threads spin, waiting for each other.
    with threadpool_limits(1, user_api="openmp"):
        for fitted, tested in folds.split(values, is_test, sets):
            model = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=15, random_state=seed)
            scores[tested] = model.fit(values[fitted], is_test[fitted]).predict_proba(values[tested])[:, 1]
    error = math.sqrt((sum(counts) + 1) / (12 * counts[0] * counts[1]))
    return Separability(float(roc_auc_score(is_test, scores)), error, _telling(table, is_test))


def _telling(table: pd.DataFrame, is_test: np.ndarray) -> pd.DataFrame:
    rows = []
    for name in table.columns:
        column = table[name].astype("float64")
        auc = float(roc_auc_score(is_test, column.fillna(-np.inf).rank()))
        rows.append((name, max(auc, 1 - auc), column[~is_test].median(), column[is_test].median()))
    found = pd.DataFrame(rows, columns=["statistic", "auc", "train_median", "test_median"])
    return found.sort_values("auc", ascending=False, kind="stable").head(_SHOWN).reset_index(drop=True)
