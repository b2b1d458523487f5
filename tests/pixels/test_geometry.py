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
    upright,
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


@pytest.mark.parametrize(
    ("height", "width", "resize", "size"),
    [
        (1600, 256, Resize(longest_side=800), (800, 128)),
        (300, 100, Resize(size=(64, 96)), (64, 96)),
        (7, 1, Resize(scale=0.5), (4, 1)),  # 3.5 and 0.5: halves go to the even number, but a side has a pixel
        (1, 70, Resize(longest_side=32), (1, 32)),
        (3, 4, Resize(scale=1.5), (4, 6)),
    ],
)
def test_network_size_of_tall_and_tiny_images(height, width, resize, size):
    assert network_size(height, width, resize) == size


@pytest.mark.parametrize(("height", "width", "size"), [(1, 33, (32, 64)), (33, 1, (64, 32)), (32, 96, (32, 96))])
def test_padded_size_of_both_sides(height, width, size):
    assert padded_size(height, width, 32) == size


def test_padded_size_is_the_next_multiple():
    assert padded_size(64, 65, 32) == (64, 96)


def test_padding_mirrors_images_and_keeps_the_content():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    padded = pad_to(image, (3, 8))
    assert padded[:, :, 0].tolist() == [[0, 1, 2, 2, 1, 0, 0, 1], [3, 4, 5, 5, 4, 3, 3, 4], [3, 4, 5, 5, 4, 3, 3, 4]]
    assert pad_to(image, (2, 3)) is image


def test_resized_masks_are_on_where_half_is_covered():
    mask = np.array([[[1, 1, 0, 0], [0, 1, 0, 1]]], dtype=np.uint8)
    assert resize_masks(mask, (1, 2)).tolist() == [[[1, 0]]]
    assert resize_masks(mask, (4, 8)).sum() == 4 * mask.sum()


def test_shrunk_images_are_averaged_and_enlarged_ones_interpolated():
    image = np.array([[[0], [100], [10], [30]], [[40], [60], [50], [110]]], np.uint8)
    assert resize_image(image, (1, 2))[:, :, 0].tolist() == [[50, 50]]
    # A weight of 1/4 and 3/4 a pixel between two; the first and the last pixel stay.
    assert resize_image(image[:1, :2], (1, 4))[:, :, 0].tolist() == [[0, 25, 75, 100]]
    # More pixels although one side shrinks: interpolated, so the middle of two columns and rows as they are.
    assert resize_image(image[:, :2], (8, 1)).shape == (8, 1, 1)
    same = resize_image(image, (2, 4))
    assert same is image


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 9])
def test_every_channel_is_resized_alike(channels):
    image = np.random.default_rng(0).integers(0, 256, (6, 10, channels), dtype=np.uint8)
    for size in ((3, 5), (7, 20)):
        alone = [resize_image(image[:, :, k : k + 1], size) for k in range(channels)]
        assert np.array_equal(resize_image(image, size), np.concatenate(alone, axis=2))


def test_resized_images_keep_their_channel_axis():
    assert resize_image(np.zeros((4, 4, 1), np.uint8), (2, 2)).shape == (2, 2, 1)


def test_a_crop_that_must_show_something_always_does():
    masks = np.zeros((2, 50, 70), dtype=np.uint8)
    masks[1, 49, 69] = 1
    for draw in range(50):
        top, left = crop_corner((50, 70), (32, 32), masks[1], np.random.default_rng(draw))
        assert (0 <= top <= 18) and (0 <= left <= 38)
        assert masks[:, top : top + 32, left : left + 32].any()


@pytest.mark.parametrize(("shape", "size"), [((9, 5), (3, 4)), ((5, 9), (4, 3)), ((4, 9), (6, 3)), ((9, 4), (3, 6))])
def test_crops_around_a_pixel_reach_all_places_that_show_it(shape, size):
    """Every pixel of an image that is no square, alone: the corners drawn are exactly those whose crop holds it."""
    room = max(0, shape[0] - size[0]), max(0, shape[1] - size[1])
    for row in range(shape[0]):
        for column in range(shape[1]):
            shown = np.zeros(shape, np.uint8)
            shown[row, column] = 1
            drawn = {crop_corner(shape, size, shown, np.random.default_rng(seed)) for seed in range(60)}
            expected = {
                (top, left)
                for top in range(room[0] + 1)
                for left in range(room[1] + 1)
                if top <= row < top + size[0] and left <= column < left + size[1]
            }
            assert drawn == expected


def test_crops_cover_every_corner_of_a_small_room():
    corners = {crop_corner((33, 34), (32, 32), None, np.random.default_rng(draw)) for draw in range(100)}
    assert corners == {(top, left) for top in (0, 1) for left in (0, 1, 2)}


def test_a_crop_larger_than_the_image_starts_at_its_corner():
    shown = np.ones((20, 20), dtype=np.uint8)
    assert crop_corner((20, 20), (32, 32), shown, np.random.default_rng(0)) == (0, 0)


@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, [[1, 2, 3], [4, 5, 6]]),
        (2, [[3, 2, 1], [6, 5, 4]]),
        (3, [[6, 5, 4], [3, 2, 1]]),
        (4, [[4, 5, 6], [1, 2, 3]]),
        (5, [[1, 4], [2, 5], [3, 6]]),
        (6, [[4, 1], [5, 2], [6, 3]]),
        (7, [[6, 3], [5, 2], [4, 1]]),
        (8, [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_stored_pixels_are_turned_as_exif_says(orientation, shown):
    stored = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert upright(stored, orientation).tolist() == shown
    assert upright(np.stack([stored, stored], axis=2), orientation)[..., 1].tolist() == shown
