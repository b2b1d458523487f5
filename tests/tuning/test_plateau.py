"""The plateau by hand: the noise of unequal folds, the gain that limits the loss, and the deepest setting."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.pixels.metrics import FIXED_ONE
from maskfold.tuning.plateau import choose
from maskfold.tuning.tables.score_tables import ScoreTable

GRID = np.array([0, 2, 3, 4, 5])
BEST, NEIGHBOUR, OTHER = (200, 2), (200, 3), (201, 2)  # row (threshold - 1) and column


def table(scores, images=10, rest=0.0, blank=0.0):
    """A table of `images` images whose scores are `rest` but for those of some settings."""
    values = np.full((255, len(GRID)), rest)
    for place, score in scores.items():
        values[place] = score
    sums = np.rint(values * images * FIXED_ONE).astype(np.int64)[None]
    return ScoreTable("dice", GRID, sums, np.array([round(blank * images * FIXED_ONE)]), images, 5)


def settings(choice):
    """The settings of a plateau, as (row, column)."""
    return set(zip(*(places.tolist() for places in np.nonzero(choice.plateau)), strict=True))


def test_two_folds_have_a_standard_error():
    # NEIGHBOUR loses 0.02 and 0.04: a mean of 0.03 with a standard error of 0.01.
    # OTHER loses 0.05 and -0.03: a mean of 0.01 with a standard error of 0.04.
    first = table({BEST: 0.90, NEIGHBOUR: 0.88, OTHER: 0.85})
    second = table({BEST: 0.70, NEIGHBOUR: 0.66, OTHER: 0.73})
    assert settings(choose([first, second], given_away=1.0)) == {BEST, OTHER}
    assert settings(choose([first, second], noise_errors=2.9, given_away=1.0)) == {BEST, OTHER}
    assert settings(choose([first, second], noise_errors=3.1, given_away=1.0)) == {BEST, OTHER, NEIGHBOUR}
    assert settings(choose([first, second], noise_errors=0.24, given_away=1.0)) == {BEST}


def test_three_folds_have_a_smaller_standard_error_than_two_that_differ_as_much():
    # Losses of 0.01, 0.04 and 0.07: a mean of 0.04, a deviation of 0.03, a standard error of 0.03 / sqrt(3) = 0.01732.
    folds = [table({BEST: 0.9, NEIGHBOUR: 0.9 - loss}) for loss in (0.01, 0.04, 0.07)]
    assert settings(choose(folds, noise_errors=2.30, given_away=1.0)) == {BEST}
    assert settings(choose(folds, noise_errors=2.32, given_away=1.0)) == {BEST, NEIGHBOUR}


def test_the_loss_is_that_of_all_images_and_the_noise_that_of_the_folds():
    # 10 images lose 0.06 and 30 lose 0.02: 0.03 an image; a fold counts as one for the noise, which is 0.02.
    folds = [table({BEST: 0.8, NEIGHBOUR: 0.74}, 10), table({BEST: 0.8, NEIGHBOUR: 0.78}, 30)]
    assert settings(choose(folds, noise_errors=1.49, given_away=1.0)) == {BEST}
    assert settings(choose(folds, noise_errors=1.51, given_away=1.0)) == {BEST, NEIGHBOUR}


def test_one_fold_tells_nothing_of_noise_and_a_fold_without_images_is_none():
    one = table({BEST: 0.9, NEIGHBOUR: 0.9, OTHER: 0.8999})
    nothing = table({}, images=0)
    for tables in ([one], [one, nothing], [nothing, one]):
        assert settings(choose(tables, noise_errors=100.0, given_away=1.0)) == {BEST, NEIGHBOUR}


DEFAULT = (127, 0)


@pytest.mark.parametrize(
    ("scores", "rest", "blank"),
    [({DEFAULT: 0.6}, 0.1, 0.2), ({DEFAULT: 0.2}, 0.1, 0.6), ({DEFAULT: 0.6}, 0.0, 0.6)],
    ids=["the default is the better", "empty is the better", "both are equal"],
)
def test_a_tenth_of_the_gain_over_default_and_empty_may_be_given_away(scores, rest, blank):
    # The best gains 0.2 over the better of the two, so 0.02 may be lost; the folds differ far more than that.
    folds = [
        table(scores | {BEST: 0.8, NEIGHBOUR: 0.781 + spread, OTHER: 0.779 - spread}, rest=rest, blank=blank)
        for spread in (0.2, -0.2)
    ]
    assert settings(choose(folds, noise_errors=10.0, given_away=0.1)) == {BEST, NEIGHBOUR}


def test_nothing_may_be_given_away_where_nothing_is_gained():
    # The empty submission scores more than every setting: the gain is negative.
    folds = [table({BEST: 0.8, NEIGHBOUR: 0.7 + spread}, blank=0.9) for spread in (0.2, -0.2)]
    assert settings(choose(folds, noise_errors=10.0, given_away=1.0)) == {BEST}


def test_the_default_is_threshold_128_without_a_minimum_area():
    # Its neighbours score nearly as much as the best: were one of them the default, 0.002 would be too much to lose.
    near = {(126, 0): 0.799, (128, 0): 0.799, (127, 1): 0.799}
    folds = [table(near | {BEST: 0.8, NEIGHBOUR: 0.798 + spread}) for spread in (0.1, -0.1)]
    assert NEIGHBOUR in settings(choose(folds, noise_errors=10.0, given_away=0.1))


def test_the_deepest_setting_is_chosen_and_of_equally_deep_ones_the_best():
    wide = {(row, column): 0.9 for row in range(100, 105) for column in range(5)}
    choice = choose([table(wide)])
    assert (choice.row, choice.column) == (102, 2)  # three steps from every edge; beyond the grid is an edge too
    assert (choice.threshold, choice.score) == (103, pytest.approx(0.9))
    assert choice.extent(GRID) == ((101, 105), (0, 5))
    row = {(100, column): 0.9 for column in range(1, 5)}  # one setting high: all equally deep
    lifted = row | {(100, 3): 0.901}
    noisy = [
        table({place: score + sign * 0.05 * (place != (100, 3)) for place, score in lifted.items()}) for sign in (1, -1)
    ]
    choice = choose(noisy)
    assert settings(choice) == set(row)
    assert (choice.row, choice.column) == (100, 3) == (choice.best_row, choice.best_column)


def test_a_second_plateau_that_touches_only_at_a_corner_is_another():
    corner = table({(100, 1): 0.9, (101, 2): 0.9, (102, 2): 0.9})
    choice = choose([corner])
    assert settings(choice) == {(100, 1)}
