"""Tiles cover an image, overlap, and blend to a mean."""

import itertools

import pytest
import torch

from maskfold.inference.tiling import blend_weights, predict_tiled, tile_starts


@pytest.mark.parametrize(
    ("length", "expected"), [(50, [0]), (64, [0]), (65, [0, 1]), (112, [0, 48]), (113, [0, 24, 49]), (160, [0, 48, 96])]
)
def test_starts_by_hand(length, expected):
    assert tile_starts(length, tile=64, overlap=16) == expected


@pytest.mark.parametrize("length", range(65, 400, 7))
def test_tiles_cover_every_pixel_and_overlap_enough(length):
    starts = tile_starts(length, 64, 16)
    assert starts[0] == 0
    assert starts[-1] == length - 64
    assert all(later - earlier <= 48 for earlier, later in itertools.pairwise(starts))


def test_blend_weights_by_hand():
    weights = blend_weights(1, 6, overlap=2, device=torch.device("cpu"))
    assert weights.tolist() == [[0.0625, 0.1875, 0.25, 0.25, 0.1875, 0.0625]]


def test_a_pixelwise_network_answers_the_same_in_tiles():
    pixels = torch.rand(2, 1, 100, 150)
    tiled, present = predict_tiled(lambda part: (part * 0.5, None), pixels, (64, 64), 16)
    assert torch.allclose(tiled, pixels * 0.5, atol=1e-6)
    assert present is None


@pytest.mark.parametrize("tile_size", [(32, 64), (64, 32)])
@pytest.mark.parametrize("size", [(100, 150), (150, 100), (40, 150), (150, 40), (32, 100), (100, 32)])
def test_tiles_that_are_no_squares_lie_the_way_they_are_given(tile_size, size):
    pixels = torch.rand(1, 1, *size)
    shapes = []

    def predict(part):
        shapes.append(tuple(part.shape[2:]))
        return part * 0.5, None

    tiled, _ = predict_tiled(predict, pixels, tile_size, 16)
    assert torch.allclose(tiled, pixels * 0.5, atol=1e-6)
    assert set(shapes) == {(min(size[0], tile_size[0]), min(size[1], tile_size[1]))}
    down, across = (len(tile_starts(size[axis], min(size[axis], tile_size[axis]), 16)) for axis in (0, 1))
    assert len(shapes) == down * across


@pytest.mark.parametrize(("size", "tiles"), [((32, 64), 1), ((20, 64), 1), ((64, 32), 3), ((33, 64), 2), ((32, 65), 2)])
def test_only_what_fits_into_a_tile_on_both_sides_goes_through_whole(size, tiles):
    shapes = []

    def predict(part):
        shapes.append(tuple(part.shape[2:]))
        return part, None

    pixels = torch.rand(1, 1, *size)
    found, _ = predict_tiled(predict, pixels, (32, 64), 16)
    assert len(shapes) == tiles
    assert tiles > 1 or torch.equal(found, predict(pixels)[0])  # to the last bit, as nothing is weighted
    assert (shapes[0] == size) == (tiles == 1 or size[0] < 32)


def test_blended_tiles_by_hand():
    """Tiles of 2 x 4 px on 2 x 6 px, the left one says 0 and the right one 1; over two columns both count."""
    answers = iter((0.0, 1.0))
    tiled, _ = predict_tiled(
        lambda part: (torch.full_like(part, next(answers)), None), torch.zeros(1, 1, 2, 6), (2, 4), 2
    )
    # Over 2 px the weight rises as 1/4, 3/4: in column 2 the left tile counts 3/4 and the right one 1/4.
    assert tiled[0, 0].tolist() == [[0, 0, pytest.approx(0.25), pytest.approx(0.75), 1, 1]] * 2
    answers = iter((0.0, 1.0))
    tiled, _ = predict_tiled(
        lambda part: (torch.full_like(part, next(answers)), None), torch.zeros(1, 1, 6, 2), (4, 2), 2
    )
    assert tiled[0, 0, :, 1].tolist() == [0, 0, pytest.approx(0.25), pytest.approx(0.75), 1, 1]


def test_blend_weights_of_both_sides_multiply():
    weights = blend_weights(2, 4, overlap=2, device=torch.device("cpu"))
    assert weights.tolist() == [[0.25 * side for side in (0.25, 0.75, 0.75, 0.25)]] * 2
    flat = blend_weights(3, 2, overlap=0, device=torch.device("cpu"))
    assert flat.tolist() == [[0.25, 0.25], [0.5, 0.5], [0.25, 0.25]]


def test_where_tiles_disagree_the_answer_moves_from_one_to_the_other():
    answers = iter((0.0, 1.0))
    tiled, _ = predict_tiled(
        lambda part: (torch.full_like(part, next(answers)), None), torch.zeros(1, 1, 64, 112), (64, 64), 16
    )
    row = tiled[0, 0, 32]
    assert row[:48].eq(0).all()
    assert row[64:].eq(1).all()
    assert (row[48:64].diff() > 0).all()


def test_a_class_is_as_present_as_in_the_tile_that_shows_it_best():
    def predict(part):
        return part, part.amax(dim=(2, 3))

    pixels = torch.zeros(1, 2, 64, 160)
    pixels[0, 1, 3, 155] = 0.9
    assert predict_tiled(predict, pixels, (64, 64), 16)[1].tolist() == [[0.0, pytest.approx(0.9)]]
