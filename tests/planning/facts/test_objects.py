"""Width, area and thinness of objects that are drawn by hand."""

import numpy as np
import pytest

from maskfold.planning.facts.objects import joined, objects_of


def test_a_bar():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:15, 5:45] = 1
    [width], [area], [thinness], [border] = objects_of(mask)
    assert width == pytest.approx(5, abs=0.5)
    assert area == 200
    assert thinness == pytest.approx(40 / width)
    assert not border


def test_two_objects_one_of_which_lies_at_the_border():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 10:20] = 1
    mask[30:40, 0:9] = 1
    found = objects_of(mask)
    assert sorted(found.area_px) == [90, 100]
    assert found.at_border.sum() == 1


def test_a_line_of_one_pixel():
    mask = np.zeros((20, 20), np.uint8)
    mask[7, 2:18] = 1
    assert objects_of(mask).width_px.tolist() == [pytest.approx(1, abs=0.2)]


def test_specks_do_not_count_but_objects_of_one_size_do():
    mask = np.zeros((100, 100), np.uint8)
    mask[10:60, 10:60] = 1
    mask[80, 80] = 1  # 1 of 2,500 px
    assert objects_of(mask).area_px.tolist() == [2500]
    mask = np.zeros((100, 100), np.uint8)
    mask[80, 80] = mask[20, 20] = 1
    assert objects_of(mask).area_px.tolist() == [1, 1]


def test_a_mask_that_covers_the_image_is_as_wide_as_the_image():
    [width], *_ = objects_of(np.ones((30, 50), np.uint8))
    assert width == 50


def test_blank_masks_have_none():
    assert len(objects_of(np.zeros((9, 9), np.uint8)).area_px) == 0
    assert len(joined([]).area_px) == 0
