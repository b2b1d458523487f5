"""How much better one run scores than another on the images that both scored."""

import math

import pandas as pd
import pytest

from maskfold.report.oof_scores import paired_gain


def table(**scores):
    """scores: image -> the honest score of each class."""
    rows = [(image, number, score) for image, own in scores.items() for number, score in enumerate(own)]
    return pd.DataFrame(rows, columns=["image_id", "class_name", "honest_score"])


def test_gain_error_and_images_worked_out_by_hand():
    """Means over the classes: 0.9 and 0.5 against 0.7 and 0.7, gains of 0.2 and -0.2; sd 0.2 sqrt 2, error 0.2."""
    first = table(a=(1.0, 0.8), b=(0.6, 0.4), c=(1, 1))
    second = table(a=(0.9, 0.5), b=(0.7, 0.7), d=(0, 0))
    gain, error, images = paired_gain(first, second)
    assert (gain, error, images) == (pytest.approx(0), pytest.approx(0.2), 2)
    assert paired_gain(first, table(a=(0.4, 0.4), b=(0, 0)))[0] == pytest.approx(0.5)


def test_runs_that_scored_no_image_in_common():
    gain, _, images = paired_gain(table(a=(1,)), table(b=(1,)))
    assert math.isnan(gain) and images == 0
