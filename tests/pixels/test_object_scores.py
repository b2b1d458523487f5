"""Scores of objects by hand, added over images, and against matching pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.pixels.object_scores import no_objects, object_counts
from maskfold.pixels.objects import numbered_objects


def bars(*spans, width=40):
    """(1, 1, width): one object for each (start, end)."""
    mask = np.zeros((1, 1, width), np.uint8)
    for start, end in spans:
        mask[..., start:end] = 1
    return mask


def test_by_hand():
    # IoU 1, 6/8 (no match at 0.75 itself), 1/2 (no match); one true object is missed, one is false.
    truth = bars((0, 4), (5, 13), (15, 17), (20, 22))
    predicted = bars((0, 4), (7, 13), (15, 16), (30, 31))
    found = object_counts(truth, predicted)
    assert (found.images, found.true.tolist(), found.predicted.tolist()) == (1, [4], [4])
    assert found.found.tolist() == [[2] * 5 + [1] * 5]
    assert found.ious.tolist() == [1.75]
    assert found.panoptic_quality.tolist() == [1.75 / 4]
    # TP 2, FP 2, FN 2 at five thresholds, then TP 1, FP 3, FN 3.
    assert found.mean_precision[0] == pytest.approx((2 / 6 + 1 / 7) / 2)
    assert found.f2[0] == pytest.approx((10 / (10 + 8 + 2) + 5 / (5 + 12 + 3)) / 2)


def test_empty_masks():
    nothing, one = bars(), bars((0, 3))
    for truth, predicted, score in ((nothing, nothing, 1.0), (nothing, one, 0.0), (one, nothing, 0.0), (one, one, 1.0)):
        found = object_counts(truth, predicted)
        assert (found.mean_precision[0], found.f2[0]) == (score, score)
    assert np.isnan(object_counts(nothing, nothing).panoptic_quality[0])
    assert object_counts(one, nothing).panoptic_quality[0] == 0


def test_classes_and_images_add_up():
    truth, predicted = np.concatenate([bars((0, 4)), bars()]), np.concatenate([bars((0, 4)), bars((7, 9))])
    both = object_counts(truth, predicted) + object_counts(truth[::-1], predicted) + no_objects(2)
    assert (both.images, both.true.tolist(), both.predicted.tolist()) == (2, [1, 1], [2, 2])
    assert both.found[:, 0].tolist() == [1, 0]
    assert both.mean_precision.tolist() == [0.5, 0.0]
    assert both.panoptic_quality.tolist() == [1 / 1.5, 0]


def test_random_masks_against_matching_pair_by_pair():
    rng = np.random.default_rng(0)
    for _ in range(40):
        truth = (rng.random((1, 12, 15)) < 0.3).astype(np.uint8)
        predicted = np.where(rng.random(truth.shape) < 0.9, truth, rng.random(truth.shape) < 0.3).astype(np.uint8)
        first, second = (numbered_objects(mask[0]) for mask in (truth, predicted))
        ious = np.array(
            [
                [
                    ((first == i) & (second == j)).sum() / ((first == i) | (second == j)).sum()
                    for j in range(1, second.max() + 1)
                ]
                for i in range(1, first.max() + 1)
            ]
        )
        found = object_counts(truth, predicted)
        for place, threshold in enumerate(np.arange(10, 20) / 20):
            assert found.found[0, place] == (ious > threshold + 1e-9).sum()
        assert found.ious[0] == pytest.approx(ious[ious > 0.5 + 1e-9].sum())
