"""Metrics by hand, and against segmentation-models-pytorch's F1 score."""

from __future__ import annotations

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from maskfold.pixels.metrics import (
    POOLED,
    class_score,
    dice,
    fixed_scores,
    from_fixed,
    intersections,
    iou,
    mask_areas,
    pooled_scores,
    scores,
    tgs_precision,
)


def test_hand_computed_values():
    intersection, predicted, true = np.array([2, 0, 0, 0]), np.array([4, 0, 3, 0]), np.array([6, 0, 0, 5])
    assert dice(intersection, predicted, true).tolist() == [0.4, 1, 0, 0]
    assert iou(intersection, predicted, true).tolist() == [0.25, 1, 0, 0]
    assert class_score("dice", intersection, predicted, true) == pytest.approx(0.35)
    assert class_score("pooled_dice", intersection, predicted, true) == 4 / 18
    assert class_score("miou", intersection, predicted, true) == 2 / 16  # 7 + 11 - 2 pixels in the union
    assert scores("f0.5", intersection, predicted, true).tolist() == [5 * 2 / (4 * 4 + 6), 1, 0, 0]
    assert scores("f2", intersection, predicted, true).tolist() == [5 * 2 / (4 + 4 * 6), 1, 0, 0]
    assert class_score("pooled_f0.5", intersection, predicted, true) == 10 / (4 * 7 + 11)
    assert class_score("pooled_f2", intersection, predicted, true) == 10 / (7 + 4 * 11)
    for metric in POOLED:
        assert class_score(metric, [0], [0], [0]) == 1


@pytest.mark.parametrize("metric", POOLED)
def test_pooled_scores_of_sums_and_the_intersections_they_come_from(metric):
    intersection, predicted, true = np.array([2, 0, 0, 12345]), np.array([4, 0, 3, 10**7]), np.array([6, 0, 0, 12346])
    found = pooled_scores(metric, intersection, predicted, true)
    first = {"pooled_dice": 4 / 10, "miou": 2 / 8, "pooled_f0.5": 10 / 22, "pooled_f2": 10 / 28}[metric]
    assert found[:3].tolist() == [first, 1, 0]
    assert found.tolist() == scores(metric, intersection, predicted, true).tolist()  # of one image the same
    assert intersections(metric, found.round(9), predicted, true).tolist() == [2, 0, 0, 12345]


def test_tgs_thresholds_are_exceeded_not_reached():
    # IoU 11/20 = 0.55 exceeds 0.5 alone; 19/20 all but 0.95; 1 all ten; 1/2 none.
    found = tgs_precision(np.array([11, 19, 20, 10]), np.array([20, 20, 20, 20]), np.array([11, 19, 20, 10]))
    assert found.tolist() == [0.1, 0.9, 1.0, 0.0]


def test_sums_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    areas = rng.integers(1, 1000, (500, 3))
    areas[:, 0] = np.minimum(areas[:, 0], areas[:, 1:].min(axis=1))
    shuffled = rng.permutation(areas)
    assert class_score("iou", *areas.T) == class_score("iou", *shuffled.T)
    total = int(fixed_scores("iou", *areas.T).sum())
    assert from_fixed(total, 500) == pytest.approx(scores("iou", *areas.T).mean(), abs=1e-12)


@pytest.mark.parametrize("empty", [False, True])
def test_agrees_with_smp(empty):
    rng = np.random.default_rng(1)
    pred = rng.integers(0, 2, (6, 1, 8, 9))
    truth = rng.integers(0, 2, (6, 1, 8, 9))
    if empty:
        pred[0], truth[0], truth[1] = 0, 0, 0
    stats = smp.metrics.get_stats(torch.from_numpy(pred), torch.from_numpy(truth), mode="multilabel")
    expected = smp.metrics.f1_score(*stats, reduction="macro-imagewise", zero_division=1).item()
    areas = np.array([mask_areas(p[0], t[0]) for p, t in zip(pred, truth, strict=True)])
    assert class_score("dice", *areas.T) == pytest.approx(expected, abs=1e-6)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        mask_areas(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="no images"):
        class_score("dice", [], [], [])


def test_ignored_pixels_count_in_no_area():
    pred, truth = np.array([[1, 1, 0, 1]], np.uint8), np.array([[1, 0, 1, 1]], np.uint8)
    ignored = np.array([[0, 0, 0, 1]], np.uint8)
    assert mask_areas(pred, truth) == (2, 3, 3)
    assert mask_areas(pred, truth, ignored) == (1, 2, 2)
    assert mask_areas(pred > 0, truth > 0, ignored > 0) == (1, 2, 2)
    signed = np.array([[-1, 0, 3], [0, -128, 0]], np.int8)  # whatever is not 0 is on
    assert mask_areas(signed, signed) == (3, 3, 3)
    assert mask_areas(signed, np.abs(signed) == 3) == (1, 3, 1)
    assert mask_areas(np.array([[1, 1, 1]]), np.array([[1, 1, 0]]), np.array([[-1, 0, 0]])) == (1, 2, 1)
