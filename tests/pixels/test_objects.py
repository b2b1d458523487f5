"""Objects of masks: their numbers by hand, and run lengths against encoding each alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskfold.pixels.objects import means_of_objects, numbered_objects, object_runs
from maskfold.pixels.rle import encode

MASK = np.array(
    [
        [0, 1, 0, 0, 1],
        [1, 0, 0, 0, 1],
        [0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0],
    ],
    np.uint8,
)


def test_objects_touch_diagonally_and_count_by_their_first_pixel():
    # Down the columns the object on the left begins at row 1, and the one below it at row 3.
    by_column = [[0, 1, 0, 0, 3], [1, 0, 0, 0, 3], [0, 0, 0, 3, 0], [2, 2, 0, 0, 0]]
    assert numbered_objects(MASK, "column").tolist() == by_column
    by_row = [[0, 1, 0, 0, 2], [1, 0, 0, 0, 2], [0, 0, 0, 2, 0], [3, 3, 0, 0, 0]]
    assert numbered_objects(MASK, "row").tolist() == by_row
    assert numbered_objects(0 * MASK).max() == 0


def test_run_lengths_by_hand():
    assert object_runs(numbered_objects(MASK, "column"), "column") == ["2 1 5 1", "4 1 8 1", "15 1 17 2"]
    assert object_runs(numbered_objects(MASK, "row"), "row") == ["2 1 6 1", "5 1 10 1 14 1", "16 2"]
    assert object_runs(np.zeros((3, 2), np.int32)) == []


def test_a_run_over_the_end_of_a_column_stays_with_its_object():
    # The last pixel of the first column and the first of the second follow each other, but are two objects.
    mask = np.array([[0, 1], [0, 1], [0, 0], [1, 0]], np.uint8)
    assert object_runs(numbered_objects(mask)) == ["4 1", "5 2"]
    assert object_runs(numbered_objects(np.ones((4, 2), np.uint8))) == ["1 8"]


@pytest.mark.parametrize("order", ["column", "row"])
def test_random_masks_against_encoding_each_object_alone(order):
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = (rng.random(rng.integers(1, 14, 2)) < 0.35).astype(np.uint8)
        objects = numbered_objects(mask, order)
        count = cv2.connectedComponents(mask, connectivity=8)[0] - 1
        texts = object_runs(objects, order)
        assert texts == [encode(objects == number, order) for number in range(1, count + 1)]
        starts = [int(text.split()[0]) for text in texts]
        assert starts == sorted(starts)


def test_the_mean_of_a_map_over_each_object():
    values = np.arange(20).reshape(4, 5)
    # Columns: {1, 5}, {15, 16}, {4, 9, 13}.
    assert means_of_objects(values, numbered_objects(MASK, "column")) == [3, 15.5, 26 / 3]
    assert means_of_objects(values, np.zeros((4, 5), np.int32)) == []
