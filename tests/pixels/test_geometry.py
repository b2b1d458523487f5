"""Resizing, padding and cropping, by hand."""

import numpy as np
import pytest

from maskfold.config import Resize
from maskfold.pixels.geometry import (
    crop_corner,
    network_size,
    pad_to,
    padded_size,
    resize_image,
    resize_masks,
)


@pytest.mark.parametrize(
    ("resize", "size"),
    [
        (None, (256, 1600)),
        (Resize(scale=0.5), (128, 800)),
        (Resize(longest_side=800), (128, 800)),
        (Resize(size=(224, 224)), (224, 224)),
    ],
)
def test_network_size(resize, size):
    assert network_size(256, 1600, resize) == size


def test_padded_size_is_the_next_multiple():
    assert padded_size(64, 65, 32) == (64, 96)


def test_padding_mirrors_images_and_keeps_the_content():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    padded = pad_to(image, (3, 8), mirror=True)
    assert padded[:, :, 0].tolist() == [[0, 1, 2, 2, 1, 0, 0, 1], [3, 4, 5, 5, 4, 3, 3, 4], [3, 4, 5, 5, 4, 3, 3, 4]]
    assert pad_to(image, (3, 3), mirror=False)[2].tolist() == [[0], [0], [0]]


def test_resized_masks_are_on_where_half_is_covered():
    mask = np.array([[[1, 1, 0, 0], [0, 1, 0, 1]]], dtype=np.uint8)
    assert resize_masks(mask, (1, 2)).tolist() == [[[1, 0]]]
    assert resize_masks(mask, (4, 8)).sum() == 4 * mask.sum()


def test_resized_images_keep_their_channel_axis():
    assert resize_image(np.zeros((4, 4, 1), np.uint8), (2, 2)).shape == (2, 2, 1)


def test_a_crop_that_must_show_something_always_does():
    masks = np.zeros((2, 50, 70), dtype=np.uint8)
    masks[1, 49, 69] = 1
    for draw in range(50):
        top, left = crop_corner((50, 70), (32, 32), masks[1], np.random.default_rng(draw))
        assert (0 <= top <= 18) and (0 <= left <= 38)
        assert masks[:, top : top + 32, left : left + 32].any()


def test_crops_cover_every_corner_of_a_small_room():
    corners = {crop_corner((33, 34), (32, 32), None, np.random.default_rng(draw)) for draw in range(100)}
    assert corners == {(top, left) for top in (0, 1) for left in (0, 1, 2)}


def test_a_crop_larger_than_the_image_starts_at_its_corner():
    shown = np.ones((20, 20), dtype=np.uint8)
    assert crop_corner((20, 20), (32, 32), shown, np.random.default_rng(0)) == (0, 0)
