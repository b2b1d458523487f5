"""Pixels of the truth against pixels of the prediction, by hand."""

import numpy as np
import pytest

from maskfold.report.confusion import (
    confusion_rows,
    confusion_table,
    image_confusions,
    images_taken_for,
    no_counts,
    pixel_counts,
)


def masks(*classes):
    return np.array([[row] for row in classes], dtype=np.uint8)


def test_which_class_is_taken_for_which():
    # Class a has pixels 0 to 3: two found, one taken for b, one for none. b has pixel 4, which is predicted as both.
    truth = masks([1, 1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0])
    predicted = masks([1, 1, 0, 0, 1, 1, 0], [0, 0, 1, 0, 1, 0, 0])
    counts = pixel_counts(truth, predicted)
    assert counts.taken.tolist() == [[2, 1, 1], [1, 1, 0]]
    assert counts.true.tolist() == [4, 1] and counts.predicted.tolist() == [4, 2]
    first, second = confusion_rows(counts + no_counts(2), ["a", "b"])
    assert first["taken_for"] == [(0.25, "none"), (0.25, "b")]
    assert (first["true"], first["precision"], first["recall"]) == (4, 0.5, 0.5)
    assert (second["true"], second["precision"], second["recall"]) == (1, 0.5, 1.0)
    assert second["taken_for"] == [(1.0, "a")]
    assert confusion_table(counts.taken, ["a", "b"]).to_csv() == "true,a,b,none\na,2,1,1\nb,1,1,0\n"


def test_shares_below_a_hundredth_are_in_the_csv_alone():
    truth = masks([1] * 200, [0] * 200)
    (row, _) = confusion_rows(pixel_counts(truth, masks([1] * 199 + [0], [0] * 199 + [1])), ["a", "b"])
    assert row["recall"] == 0.995 and row["taken_for"] == []


def test_nothing_true_and_nothing_predicted_has_no_share():
    (row,) = confusion_rows(pixel_counts(masks([0, 0]), masks([0, 0])), ["a"])
    assert row["true"] == 0 and np.isnan([row["precision"], row["recall"]]).all() and row["taken_for"] == []


@pytest.mark.parametrize("side", [64, 700])
def test_large_images_are_counted_in_parts(side):
    rng = np.random.default_rng(side)
    truth, predicted = rng.integers(0, 2, (2, 3, side, side), dtype=np.uint8)
    counts = pixel_counts(truth, predicted)
    for true in range(3):
        found = [int((truth[true] & predicted[other]).sum()) for other in range(3)]
        found.append(int((truth[true] & ~predicted.any(axis=0)).sum()))
        assert counts.taken[true].tolist() == found


def test_which_class_is_shown_in_place_of_a_missed_one():
    # a found; a missed, nothing there; a missed, b in its place; a and b true, b found, and c falsely; neither true.
    true = np.array([[5, 0, 0], [5, 0, 0], [5, 0, 0], [5, 9, 0], [0, 0, 0]])
    predicted = np.array([[1, 0, 0], [0, 0, 0], [0, 4, 0], [0, 9, 2], [7, 0, 0]])
    taken = image_confusions(true, predicted)
    assert taken.tolist() == [[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert images_taken_for(taken, true, ["a", "b", "c"]) == [
        [(0.25, "none"), (0.25, "c"), (0.25, "b")],
        [],
        [],
    ]


def test_one_class_can_only_be_missed():
    true, predicted = np.array([[3], [3], [0]]), np.array([[0], [2], [4]])
    assert image_confusions(true, predicted).tolist() == [[1, 1]]
