"""What is drawn: masks, tints, cut-outs and backgrounds with numbers worked out by hand."""

import numpy as np
import pytest

from maskfold.drawing.class_colours import PALETTE
from maskfold.media.edges import opacity
from maskfold.media.effects import (
    Effect,
    blurred,
    covering,
    mixed,
    without_fringe,
)
from maskfold.rules.rules import DEFAULT_RULE

IMAGE = np.full((6, 8, 3), (100, 150, 200), np.uint8)
MASKS = np.zeros((2, 6, 8), np.uint8)
MASKS[0, :, :4] = 1
MASKS[1, :3, 6:] = 1
PROB = MASKS * np.uint8(255)


def drawn(name, classes=(0, 1), image=IMAGE, **options):
    return Effect(name=name, classes=classes, rules=(DEFAULT_RULE, DEFAULT_RULE), **options).draw(image, PROB, MASKS)


def test_the_mask_of_one_class_is_grey_and_of_several_in_colour():
    assert np.array_equal(drawn("mask", classes=(0,)), MASKS[0] * 255)
    both = drawn("mask")
    assert tuple(both[0, 0]) == PALETTE[0]
    assert tuple(both[0, 7]) == PALETTE[1]
    assert tuple(both[5, 7]) == (0, 0, 0)


def test_a_cut_out_is_transparent_outside_or_lies_on_the_background():
    clear = drawn("cutout", transparent=True)
    assert clear.shape == (6, 8, 4)
    assert np.array_equal(clear[..., :3], IMAGE)
    assert np.array_equal(clear[..., 3], np.maximum(*MASKS) * 255)
    on_red = drawn("cutout", classes=(0,), background=(255, 0, 0))
    assert tuple(on_red[0, 0]) == (100, 150, 200)
    assert tuple(on_red[0, 7]) == (255, 0, 0)


def test_inverting_swaps_inside_and_outside():
    clear = drawn("cutout", transparent=True, invert=True)
    assert np.array_equal(clear[..., 3], 255 - np.maximum(*MASKS) * 255)


def test_replacing_fills_from_the_middle_of_the_background():
    background = np.zeros((12, 32, 3), np.uint8)  # twice as wide as needed at half the scale
    background[:, 8:24] = 80
    assert (covering(background, (6, 8)) == 80).all()
    result = drawn("replace", classes=(0,), background=background)
    assert (result[:, 4:] == 80).all()
    assert np.array_equal(result[:, :4], IMAGE[:, :4])


def test_an_overlay_tints_inside_and_leaves_the_rest():
    image = np.full((40, 40, 3), 100, np.uint8)
    masks = np.zeros((1, 40, 40), np.uint8)
    masks[0, 10:30, 10:30] = 1
    result = Effect("overlay", (0,), (DEFAULT_RULE,)).draw(image, masks * 255, masks)
    # 0.45 of the colour over 0.55 of 100; 255 * 0.45 is 114.75, which opacity rounds to 115.
    expected = [round(colour * 115 / 255 + 100 * 140 / 255) for colour in PALETTE[0]]
    assert np.abs(result[20, 20].astype(int) - expected).max() <= 1
    assert (result[:5] == 100).all()
    assert tuple(result[10, 20]) == PALETTE[0]


def test_blurring_keeps_the_inside_and_does_not_bleed_it_out():
    image = np.zeros((64, 64, 3), np.uint8)
    masks = np.zeros((1, 64, 64), np.uint8)
    masks[0, 20:44, 20:44] = 1
    image[masks[0] == 1] = 255
    result = Effect("blur", (0,), (DEFAULT_RULE,)).draw(image, masks * 255, masks)
    assert (result[masks[0] == 1] == 255).all()
    assert result[masks[0] == 0].max() <= 8
    flat = np.full((30, 50, 3), 77, np.uint8)
    assert (blurred(flat, np.full((30, 50), 255, np.uint8)) == 77).all()


def test_blurring_evens_out_what_lies_behind():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    none = np.zeros((1, 64, 64), np.uint8)
    result = Effect("blur", (0,), (DEFAULT_RULE,), blur_px=6).draw(noise, none, none)
    assert result.std() < noise.std() / 5
    assert abs(result.mean() - noise.mean()) < 4


def test_mixing_is_linear_and_exact_at_the_ends():
    front, behind = np.full((1, 3, 3), 200, np.uint8), np.full((1, 3, 3), 100, np.uint8)
    alpha = np.array([[0, 51, 255]], np.uint8)
    assert mixed(front, behind, alpha)[0, :, 0].tolist() == [100, 120, 200]


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_soft_edges_stay_near_the_edge(width):
    mask = np.zeros((60, 60), np.uint8)
    mask[20:40, 20:40] = 1
    # A probability that falls by 8 a pixel across the edge, 128 on the mask's first pixels.
    distance = np.minimum.reduce([np.arange(60) - 20, 39 - np.arange(60)])
    prob = np.clip(128 + 8 * np.minimum(distance[:, None], distance[None]), 0, 255).astype(np.uint8)
    assert np.array_equal((prob >= 128).astype(np.uint8), mask)
    soft = opacity(mask, prob, 128, width)
    assert (soft[29:31, 29:31] == 255).all()
    assert (soft[:8] == 0).all()
    assert 0 < soft[30, 19] < 255
    assert (np.diff(soft[30, :30].astype(int)) >= 0).all()


def test_without_soft_edges_opacity_is_the_mask():
    assert np.array_equal(opacity(MASKS[0], PROB[0] // 2, 128, 0), MASKS[0] * 255)
    assert not opacity(np.zeros((5, 5), np.uint8), np.full((5, 5), 127, np.uint8), 128, 3).any()


def test_soft_edges_take_their_colours_from_inside():
    image = np.full((40, 40, 3), 255, np.uint8)  # a white background
    image[:, :20] = 40
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:, :18] = 255
    alpha[:, 18:22] = 128
    clean = without_fringe(image, alpha, 2.0)
    assert (clean[:, :18] == 40).all()
    # Half of what was white has the colour from inside.
    assert (np.abs(clean[:, 20:22].astype(int) - (255 * 128 + 40 * 127) // 255) <= 2).all()
