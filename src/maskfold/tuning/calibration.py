"""How often pixels at each probability level are true: fitted on the 255 levels above 0, weighted by pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn.isotonic import isotonic_regression

from maskfold.config.tuning import Calibration
from maskfold.rules.rules import CALIBRATED_ONE
from maskfold.tuning.tables.score_tables import FoldTables

_LEVELS = np.arange(256)
_LOG_ODDS = logit(np.clip(_LEVELS, 0.25, 254.75) / 255)  # levels 0 and 255 stand for what was rounded to them
_TEMPERATURES = (0.05, 20.0)


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
    return _as_levels(np.concatenate([[0.0], levels]))


def temperature(counts: Sequence[np.ndarray]) -> tuple[int, ...]:
    """The same from one number: all log-odds divided by the temperature of the least log loss (Guo et al. 2017)."""
    pixels, true = np.sum(counts, axis=0)
    if not true[1:].any():
        return (0,) * 256
    false = pixels - true

    def log_loss(log_temperature: float) -> float:
        odds = _LOG_ODDS[1:] / np.exp(log_temperature)
        return float(true[1:] @ np.logaddexp(0, -odds) + false[1:] @ np.logaddexp(0, odds))

    best = minimize_scalar(log_loss, bounds=np.log(_TEMPERATURES), method="bounded").x
    return _as_levels(expit(_LOG_ODDS / np.exp(best)))


def unchanged(counts: Sequence[np.ndarray]) -> tuple[int, ...]:
    """The probabilities as the network gives them; all 0 if no pixel is true."""
    return _as_levels(_LEVELS / 255) if np.sum(counts, axis=0)[1, 1:].any() else (0,) * 256


_METHODS = {"isotonic": isotonic, "temperature": temperature, "none": unchanged}


def calibrated(counts: Sequence[np.ndarray], method: Calibration) -> tuple[int, ...]:
    """The calibrated probability of each level 0..255 in 1/65536, from the `level_counts` of some folds.

    method: as tuning.calibration; `auto` takes the one with the least squared error on folds it was not fitted on, of
    equal ones the first in the order isotonic, temperature, none. On a single fold it is isotonic.
    """
    if method != "auto":
        return _METHODS[method](counts)
    if len(counts) == 1:
        return isotonic(counts)
    others = [[other for number, other in enumerate(counts) if number != fold] for fold in range(len(counts))]
    errors = {
        name: sum(_squared_error(fit(rest), held_out) for rest, held_out in zip(others, counts, strict=True))
        for name, fit in _METHODS.items()
    }
    return _METHODS[min(errors, key=errors.__getitem__)](counts)


def _squared_error(levels: Sequence[int], counts: np.ndarray) -> float:
    """The sum over pixels of (probability - truth)², the Brier score times their number."""
    prob, (pixels, true) = np.array(levels) / CALIBRATED_ONE, counts
    return float(pixels @ prob**2 - 2 * (true @ prob) + true.sum())


def _as_levels(prob: np.ndarray) -> tuple[int, ...]:
    """Probabilities of the levels 0..255 in 1/65536; level 0 is 0, as its pixels are on in no mask."""
    return 0, *(int(value) for value in np.rint(prob[1:] * CALIBRATED_ONE))
