"""Soft masks: means of annotators and resizing, by hand."""

import numpy as np
import pytest

from maskfold.pixels.geometry import resize_soft
from maskfold.pixels.soft import hard, mean_mask


def test_the_mean_of_annotators_is_rounded_half_up():
    votes = [np.array([[255, 255, 255, 0]], np.uint8), np.array([[255, 0, 255, 0]], np.uint8)]
    assert mean_mask(votes).tolist() == [[255, 128, 255, 0]]
    assert hard(mean_mask(votes)).tolist() == [[1, 1, 1, 0]]
    third = np.array([[0, 0, 255, 0]], np.uint8)
    assert mean_mask([*votes, third]).tolist() == [[170, 85, 255, 0]]
    assert hard(mean_mask([*votes, third])).tolist() == [[1, 0, 1, 0]]
    assert mean_mask([np.array([[7]], np.uint8)]).tolist() == [[7]]


@pytest.mark.parametrize("count", [*range(1, 12), 254, 255, 256, 257, 511])
def test_a_pixel_is_on_where_at_least_half_see_it(count):
    for seen in {0, 1, count // 2 - 1, count // 2, (count + 1) // 2, count} & set(range(count + 1)):
        votes = [np.full((1, 1), 255 * (number < seen), np.uint8) for number in range(count)]
        assert hard(mean_mask(votes)).item() == (2 * seen >= count), (seen, count)


def test_resizing_is_the_mean_of_the_area_that_is_labelled():
    soft = np.array([[[0, 255, 100, 100], [255, 255, 0, 0]]], np.uint8)
    assert resize_soft(soft, None, (1, 2)).tolist() == [[[191, 50]]]  # 765/4 and 200/4
    # One of the first four is ignored (as 0): the mean of the other three, 510/3; three of the second: all is.
    ignored = np.array([[0, 1, 1, 1], [0, 0, 0, 1]], np.uint8)
    planes = resize_soft(soft * (1 - ignored), ignored, (1, 2))
    assert planes.tolist() == [[[pytest.approx(170, abs=1), 0]], [[0, 255]]]
    # Two of four are ignored: all is, whatever the other two say.
    half = np.array([[1, 0, 0, 0], [1, 0, 0, 0]], np.uint8)
    assert resize_soft(soft * (1 - half), half, (1, 2))[1].tolist() == [[255, 0]]
    assert resize_soft(soft, 0 * ignored, (2, 4)).tolist() == [soft[0].tolist(), [[0] * 4] * 2]
