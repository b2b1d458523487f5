"""Metrics of outlines against values worked out by hand, and against distances between all pairs of pixels."""

import numpy as np
import pytest

from maskfold.mask_metrics.outlines import BoundaryIou, NegativeHausdorff95, SurfaceDice, band, outline

EMPTY = np.zeros((8, 9), np.uint8)


def square(top, left, size=4):
    """A full square on a map of 8 x 9 px."""
    mask = EMPTY.copy()
    mask[top : top + size, left : left + size] = 1
    return mask


def test_the_outline_of_a_square_are_its_12_border_pixels():
    mask = square(2, 3)
    inner = square(3, 4, 2)
    assert np.array_equal(outline(mask), (mask - inner) == 1)
    at_the_edge = square(0, 0)  # beyond the image is outside
    assert outline(at_the_edge).sum() == 12


def test_a_band_is_the_mask_without_its_erosion():
    mask = square(1, 1, 6)
    assert np.array_equal(band(mask, 1), (mask - square(2, 2, 4)) == 1)
    assert np.array_equal(band(mask, 2), (mask - square(3, 3, 2)) == 1)
    assert np.array_equal(band(mask, 3), mask == 1)


def test_surface_dice_of_a_square_moved_by_one_and_by_two_pixels():
    truth = square(2, 2)
    assert SurfaceDice(truth, 0)(truth) == 1
    # Moved right by 1: of either outline the 6 pixels of rows 2 and 5 that both have are at distance 0, all at most 1.
    assert SurfaceDice(truth, 1)(square(2, 3)) == 1
    assert SurfaceDice(truth, 0.5)(square(2, 3)) == pytest.approx(12 / 24)
    # Moved by 2: no pixel is farther than that.
    assert SurfaceDice(truth, 2)(square(2, 4)) == 1


def test_hausdorff_95_of_single_pixels_is_their_distance():
    truth, predicted = EMPTY.copy(), EMPTY.copy()
    truth[1, 1] = predicted[4, 5] = 1
    assert NegativeHausdorff95(truth)(predicted) == -5
    assert SurfaceDice(truth, 5)(predicted) == 1
    assert SurfaceDice(truth, 4.99)(predicted) == 0


def test_boundary_iou_by_hand():
    truth = square(1, 1, 6)  # the diagonal is 12.04 px: a share of 0.1 makes bands of 1 px, with 20 pixels
    assert BoundaryIou(truth, 0.1)(truth) == 1
    # The band of the square moved down by 1 has 2 x 5 pixels of its columns and 4 + 4 of two rows in common with none:
    # rows 1 and 6 against rows 2 and 7.
    moved = square(2, 1, 6)
    shared = 2 * 5
    assert BoundaryIou(truth, 0.1)(moved) == pytest.approx(shared / (20 + 20 - shared))
    assert BoundaryIou(truth, 0.001).width_px == 1


@pytest.mark.parametrize(
    ("metric", "best", "worst"),
    [
        (lambda truth: SurfaceDice(truth, 1), 1, 0),
        (NegativeHausdorff95, 0, -np.hypot(8, 9)),
        (lambda truth: BoundaryIou(truth, 0.02), 1, 0),
    ],
)
def test_empty_masks(metric, best, worst):
    assert metric(EMPTY)(EMPTY) == best
    assert metric(EMPTY)(square(2, 2)) == worst
    assert metric(square(2, 2))(EMPTY) == worst


def brute_outline(mask):
    """The pixels of a mask, (n, 2), with a neighbour that is off or beyond the image."""
    padded = np.pad(mask, 1)
    return np.array([
        (row, column)
        for row, column in np.argwhere(mask)
        if not (padded[row, column + 1] and padded[row + 2, column + 1] and padded[row + 1, column])
        or not padded[row + 1, column + 2]
    ])  # fmt: skip


def test_random_masks_against_all_pairs_of_pixels():
    rng = np.random.default_rng(3)
    for _ in range(30):
        truth, predicted = (rng.random((2, 13, 17)) < rng.uniform(0.02, 0.9)).astype(np.uint8)
        truth[6, 8] = predicted[5, 2] = 1
        ours, theirs = brute_outline(predicted), brute_outline(truth)
        apart = np.hypot(*(ours[:, None] - theirs[None]).transpose(2, 0, 1))
        there, back = apart.min(axis=1), apart.min(axis=0)
        for tolerance in (0, 1, 2.3):
            near = (there <= tolerance).sum() + (back <= tolerance).sum()
            found = SurfaceDice(truth, tolerance)(predicted)
            assert found == pytest.approx(near / (len(there) + len(back)), abs=1e-12)
        worst = max(np.percentile(there, 95), np.percentile(back, 95))
        assert NegativeHausdorff95(truth)(predicted) == pytest.approx(-worst, abs=1e-5)
