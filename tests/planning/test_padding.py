"""How much of a network's input is filler, and what avoids it."""

import pytest

from maskfold.config import Resize
from maskfold.planning.padding import crop_that_fits, filler, fitting_size, padding_hint, stretch


def test_filler_of_whole_images():
    assert filler({(101, 101): 3200}, None, None) == pytest.approx(1 - 101**2 / 128**2)
    assert filler({(96, 128): 5}, None, None) == 0
    assert filler({(64, 64): 1, (64, 32): 1}, None, None) == pytest.approx(0.25)  # both are padded to the larger one


def test_filler_of_crops_and_resized_images():
    assert filler({(101, 101): 7}, Resize(size=(96, 96)), None) == 0
    assert filler({(100, 48): 2}, None, (64, 64)) == pytest.approx(0.25)
    assert filler({(200, 200): 1, (32, 32): 3}, None, (64, 64)) == pytest.approx(3 / 4 * 3 / 4)


def test_fitting_size():
    assert fitting_size((101, 101), 10**9) == (96, 96)
    assert fitting_size((320, 240), 320 * 240 / 4) == (160, 128)
    assert fitting_size((20, 500), 10**9) == (32, 512)
    assert stretch((320, 240), (160, 128)) == pytest.approx(128 / 120)


def test_a_hint_names_the_resize():
    hint = padding_hint({(101, 101): 3200}, None, None)
    assert hint is not None
    assert "38% of the pixels" in hint
    assert "model.resize={size: [96, 96]}" in hint


def test_no_hint_where_little_is_wasted():
    assert padding_hint({(320, 240): 10}, None, None) is None  # 256x320: 6 %
    assert padding_hint({(101, 101): 10}, Resize(size=(96, 96)), None) is None


def test_a_hint_names_the_crop_for_images_of_many_sizes():
    sizes = {(300, 200): 1, (100, 400): 1}
    hint = padding_hint(sizes, None, None)
    assert hint is not None
    assert "train.crop_size=[96,224]" in hint
    assert filler(sizes, None, (96, 224)) == pytest.approx((1 - 200 / 224) / 2)


def test_the_largest_square_crop_within_an_area():
    assert crop_that_fits({(256, 1600): 1}, None, 192**2) == (192, 192)
    assert crop_that_fits({(64, 1600): 1}, None, 192**2) == (64, 576)
    assert crop_that_fits({(20, 20): 1}, None) is None
