"""Calibration of levels: by hand, and against isotonic regression over all single pixels."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from maskfold.rules.rules import CALIBRATED_ONE
from maskfold.tuning.calibration import calibrated, isotonic, level_counts, temperature
from maskfold.tuning.tables.table_filling import fold_tables
from support.oof_images import GRID, images


def counts_of(rows):
    """(2, 256) counts from {level: (pixels, true)}."""
    counts = np.zeros((2, 256), np.int64)
    for level, pair in rows.items():
        counts[:, level] = pair
    return counts


def test_levels_that_fall_are_pooled_by_their_pixels():
    # 0.5 of 10 pixels, then 0.2 of 30: together 11 of 40. Level 30 is 3 of 4.
    found = isotonic([counts_of({10: (4, 3), 20: (30, 6)}), counts_of({10: (6, 2), 30: (4, 3)})])
    one = CALIBRATED_ONE
    assert found[0] == 0 and len(found) == 256
    assert found[1] == found[10] == found[20] == round(11 / 40 * one)
    assert found[25] == round((11 / 40 + 3 / 4) / 2 * one)  # no pixel has it: on the line between
    assert found[30] == found[255] == round(3 / 4 * one)


def test_nothing_true_is_all_zero():
    assert isotonic([counts_of({9: (5, 0)})]) == (0,) * 256
    assert isotonic([counts_of({})]) == (0,) * 256


def test_equals_the_regression_over_single_pixels():
    made = images(3, count=12)
    tables = [fold_tables(made[:7], "dice", GRID, 8, 2, 1), fold_tables(made[7:], "dice", GRID, 8, 2, 1)]
    found = np.array(isotonic([level_counts(table, 1) for table in tables]))
    prob = np.concatenate([image.oof.prob[1].ravel() for image in made]).astype(int)
    truth = np.concatenate([image.truth[1].ravel() for image in made])
    model = IsotonicRegression().fit(prob[prob > 0], truth[prob > 0])
    seen = np.unique(prob[prob > 0])
    assert np.abs(found[seen] / CALIBRATED_ONE - model.predict(seen)).max() < 1e-5
    assert (np.diff(found) >= 0).all()


def overconfident(scale):
    """Counts of 1000 pixels a level, whose log-odds are `scale` times the right ones."""
    prob = 1 / (1 + np.exp(-np.log(np.arange(1, 255) / (255 - np.arange(1, 255))) / scale))
    return counts_of({level + 1: (1000, round(1000 * share)) for level, share in enumerate(prob)})


def test_the_temperature_is_the_factor_of_the_log_odds():
    found = np.array(temperature([overconfident(2.0)])) / CALIBRATED_ONE
    odds = np.log(200 / 55)
    assert abs(found[200] - 1 / (1 + np.exp(-odds / 2))) < 0.002
    assert found[0] == 0 and (np.diff(found) >= 0).all()


def test_without_calibration_probabilities_stay():
    counts = [overconfident(2.0)]
    assert calibrated(counts, "none") == tuple(round(level / 255 * CALIBRATED_ONE) for level in range(256))
    assert calibrated([counts_of({9: (5, 0)})], "none") == (0,) * 256
    assert calibrated([counts_of({9: (5, 0)})], "temperature") == (0,) * 256


def test_auto_takes_what_is_best_on_folds_it_was_not_fitted_on():
    # Squared errors of three pixels on the other fold: isotonic regression says 0, 1 and 1 (sum 2); the temperatures 20
    # and 0.05 say 0.52, 1 and 1 (1.23); unchanged, 0.78 for a true one, a false and a true one (0.71) is best.
    contrary = [counts_of({200: (1, 1)}), counts_of({200: (1, 0), 201: (1, 1)})]
    assert calibrated(contrary, "auto") == calibrated(contrary, "none")
    # Many pixels with an S-shaped error of many steps: only isotonic regression follows it.
    steps = [counts_of({level: (1000, 100 if level < 128 else 900) for level in range(1, 256)})] * 2
    assert calibrated(steps, "auto") == isotonic(steps)
    assert calibrated(contrary[:1], "auto") == isotonic(contrary[:1])


def test_auto_compares_squared_errors_by_hand():
    # Of 100 px of level 51, which says 1/5, 40 are true in either fold. Squared errors of a fold: 60 * 0.4² + 40 * 0.6²
    # = 24 for 2/5, 60 * 0.2² + 40 * 0.8² = 28 for 1/5. The mean probability alone would prefer the lower one.
    counts = counts_of({51: (100, 40)})
    assert calibrated([counts, counts], "auto")[51] == round(0.4 * 2**16)
