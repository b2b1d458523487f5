"""Tiles cover an image, overlap, and blend to a mean."""

import itertools

import pytest
import torch

from maskfold.tiling import blend_weights, predict_tiled, tile_starts


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
