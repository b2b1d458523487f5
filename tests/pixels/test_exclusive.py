"""Exclusive classes: the decision by hand, and masks resized by the largest share."""

import numpy as np

from maskfold.pixels.exclusive import decided_maps
from maskfold.pixels.geometry import resize_labels, resize_masks


def test_the_most_probable_class_against_the_background_by_hand():
    # Four pixels of the classes a, b: the background has 255 less their sum.
    a, b = [100, 60, 0, 127], [90, 70, 0, 128]
    decided = decided_maps(np.array([[a], [b]], np.uint8))
    # Background 65, 125, 255, 0: 255 * 100/165 = 154.5, 255 * 70/195 = 91.5, nothing, 255.
    assert decided.tolist() == [[[155, 0, 0, 0]], [[0, 92, 0, 255]]]
    assert np.array_equal(decided_maps(decided), decided)  # decided already


def test_the_first_of_equal_classes_and_a_class_as_probable_as_the_background():
    decided = decided_maps(np.array([[[80, 85, 100]], [[80, 85, 100]]], np.uint8))
    # Background 95, 85, 55: below it, equal (127.5, rounded up: on at 128) and above.
    assert decided.tolist() == [[[117, 128, 165]], [[0, 0, 0]]]


def test_at_the_default_threshold_it_is_the_argmax_over_classes_and_background():
    prob = np.random.default_rng(0).dirichlet([1, 1, 1, 1], (40, 50)).transpose(2, 0, 1)
    levels = np.rint(255 * prob).astype(np.uint8)
    on = decided_maps(levels[1:]) >= 128
    found = np.where(on.any(axis=0), 1 + on.argmax(axis=0), 0)
    assert (on.sum(axis=0) <= 1).all()
    ordered = np.sort(levels.astype(int), axis=0)
    clear = ordered[-1] - ordered[-2] > 2  # closer ones are decided by rounding
    assert clear.mean() > 0.9
    assert np.array_equal(found[clear], prob.argmax(axis=0)[clear])


def test_masks_are_resized_to_the_class_with_the_largest_share():
    # Of 2x2 pixels: 2 of a and 2 of b; 1 of a, 1 of b and 2 of none; 2 of a, 1 of b, 1 of none; 1 of a.
    a = np.array([[1, 1, 1, 0, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0]], np.uint8)
    b = np.array([[0, 0, 0, 1, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0, 0, 0]], np.uint8)
    masks = np.stack([a, b])
    assert resize_masks(masks, (1, 4), exclusive=True).tolist() == [[[1, 0, 1, 0]], [[0, 0, 0, 0]]]
    assert resize_masks(masks, (1, 4)).tolist() == [[[1, 0, 1, 0]], [[1, 0, 0, 0]]]  # both where half is of either


def test_ignored_pixels_are_no_background():
    # Of 2x2 pixels: one of a, one of none and two ignored, then two of a, one of none and one ignored.
    a = np.array([[1, 0, 1, 1], [0, 0, 0, 0]], np.uint8)
    ignored = np.array([[0, 0, 0, 0], [1, 1, 1, 0]], np.uint8)
    planes = resize_labels(np.stack([a, 0 * a]), ignored, (1, 2), exclusive=True)
    assert planes.tolist() == [[[0, 1]], [[0, 0]], [[1, 0]]]
    # Of three labelled pixels one of a, one of b and one of none: equal, so the class.
    a, b = np.array([[1, 0], [0, 0]], np.uint8), np.array([[0, 1], [0, 0]], np.uint8)
    ignored = np.array([[0, 0], [0, 1]], np.uint8)
    assert resize_labels(np.stack([a, b]), ignored, (1, 1), exclusive=True).tolist() == [[[1]], [[0]], [[0]]]
