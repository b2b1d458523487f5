"""Whether masks have a fixed place in the image: hand-made positions."""

import numpy as np
import pytest

from maskfold.planning.facts.symmetry import asymmetry, group_means, mask_places, plausible


def image(top, left, side=12, size=48):
    """(1, 48, 48) with a square."""
    mask = np.zeros((1, size, size), np.uint8)
    mask[0, top : top + side, left : left + side] = 1
    return mask


def places(corners):
    return np.stack([mask_places(image(*corner)) for corner in corners])


def test_places_are_covered_shares():
    cells = mask_places(image(4, 8, side=4))
    assert cells.shape == (1, 12, 12)
    assert cells[0, 1, 2] == 1
    assert cells.sum() == 1


def test_masks_at_one_place_differ_from_their_flips_in_one_way():
    found = places([(0, 0)] * 10)
    assert asymmetry(found, "vertical") == (pytest.approx(1.0), 10)
    assert asymmetry(found, "horizontal") == (pytest.approx(1.0), 10)
    assert not plausible(*asymmetry(found, "vertical"), "vertical")


def test_as_many_above_as_below_cancel():
    found = places([(0, 0), (36, 0)] * 5)
    assert asymmetry(found, "vertical") == (pytest.approx(0.0), 10)
    # Left in two rows: the mean of two differences that share no cell has half the energy of one.
    assert asymmetry(found, "horizontal")[0] == pytest.approx(0.5)
    assert plausible(*asymmetry(found, "vertical"), "vertical")


def test_three_of_four_above():
    # The difference d of every image is the same but for its sign: |(3 - 1) / 4 d|² / |d|² = 1 / 4.
    assert asymmetry(places([(0, 0)] * 3 + [(36, 0)]), "vertical") == (pytest.approx(0.25), 4)


def test_centred_and_empty_masks_say_nothing():
    found = np.concatenate([places([(18, 18)] * 5), np.zeros((5, 1, 12, 12), np.float32)])
    assert asymmetry(found, "vertical") == (0.0, 0)
    assert plausible(0.0, 0, "vertical")


def test_random_places_allow_both_flips():
    rng = np.random.default_rng(0)
    found = places(rng.integers(0, 37, (300, 2)))
    for flip in ("horizontal", "vertical"):
        share, images = asymmetry(found, flip)
        assert share < 2 / 300
        assert plausible(share, images, flip)


def test_a_vertical_asymmetry_of_a_few_times_chance_forbids_the_flip():
    assert not plausible(0.012, 300, "vertical")
    assert plausible(0.012, 300, "horizontal")
    assert plausible(0.006, 300, "vertical")


def test_images_of_a_group_count_once():
    found = group_means(places([(0, 0), (0, 0), (0, 0), (36, 0)]), ["a", "a", "a", "b"])
    assert len(found) == 2
    # One group above, one below: they cancel, though three of four images have it above.
    assert asymmetry(found, "vertical") == (pytest.approx(0.0), 2)
    assert group_means(found, None) is found
