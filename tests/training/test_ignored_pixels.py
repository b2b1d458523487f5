"""Ignored pixels in training: the losses equal those of the other pixels alone, and no gradient reaches them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from maskfold.config import LossConfig, ModelConfig, Resize, SamplingConfig, TrainConfig
from maskfold.network.model import Outputs
from maskfold.pixels.geometry import resize_labels, resize_masks
from maskfold.training.losses.combined import SegmentationLoss
from maskfold.training.losses.lovasz import lovasz
from maskfold.training.losses.terms import bce, border_weights, presence_bce
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.sampling import ANY_CLASS, Draw
from maskfold.training.validation import ValidationScores

TERMS = {
    "bce": {"bce": 1.0},
    "bce_shaped": {"bce": 1.0, "positive_weight": (3.0, 1.0, 0.5), "label_smoothing": 0.1},
    "focal": {"focal": 1.0, "focal_alpha": 0.25},
    "dice": {"dice": 1.0},
    "log_dice": {"log_dice": 1.0},
    "tversky": {"tversky": 1.0},
    "lovasz": {"lovasz": 1.0},
    "lovasz_symmetric": {"lovasz_symmetric": 1.0},
    "dice_cross_entropy": {"dice_cross_entropy": 1.0},
}


def loss_of(config, logits, masks, ignored=None, class_logits=None):
    terms = {"bce": 0.0, "dice": 0.0, **config}
    return SegmentationLoss(LossConfig(**terms))(Outputs(logits, class_logits), masks, ignored)


@pytest.fixture
def batch():
    """Logits and masks (4, 3, 8, 8), and ignored pixels (4, 1, 8, 8) under parts of the masks: a third of all."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(4, 3, 8, 8)
    truth[:2, 0, 1:5, 2:7] = 1
    truth[:, 2] = 1
    ignored = (torch.rand(4, 1, 8, 8, generator=generator) < 0.35).float()
    return 3 * torch.randn(4, 3, 8, 8, generator=generator), truth, ignored


@pytest.mark.parametrize("name", TERMS)
def test_a_loss_is_that_of_the_labelled_pixels_alone(name, batch):
    logits, truth, ignored = batch
    keep = (ignored[:, 0] == 0).flatten()
    alone = [plane.transpose(0, 1).reshape(3, -1)[:, keep].view(1, 3, 1, -1) for plane in (logits, truth)]
    assert loss_of(TERMS[name], logits, truth, ignored).item() == pytest.approx(loss_of(TERMS[name], *alone).item())


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("name", TERMS)
def test_no_gradient_reaches_an_ignored_pixel(name, extreme, batch):
    logits, truth, ignored = batch
    out = ignored.bool().expand_as(logits)
    logits = logits.masked_fill(out, math.inf) if extreme else logits
    logits.requires_grad_()
    loss = loss_of(TERMS[name], logits, truth, ignored)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    assert not logits.grad[out].any() and logits.grad[~out].any()


@pytest.mark.parametrize("name", TERMS)
def test_what_ignored_pixels_hold_makes_no_difference(name, batch):
    logits, truth, ignored = batch
    out = ignored.bool().expand_as(logits)
    other = loss_of(TERMS[name], torch.where(out, -logits, logits), torch.where(out, 1 - truth, truth), ignored)
    assert loss_of(TERMS[name], logits, truth, ignored).item() == other.item()


@pytest.mark.parametrize("name", TERMS)
def test_a_batch_without_labelled_pixels_costs_nothing(name, batch):
    logits, truth, ignored = batch
    logits.requires_grad_()
    loss = loss_of(TERMS[name], logits, truth, torch.ones_like(ignored))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-10) and not logits.grad.any()


def test_bce_by_hand():
    # log 2 for the first pixel and log 4 for the second; the third is ignored.
    logits = torch.tensor([0.0, math.log(3), 50.0]).view(1, 1, 1, 3)
    truth, ignored = torch.tensor([1.0, 0, 0]).view(1, 1, 1, 3), torch.tensor([0.0, 0, 1]).view(1, 1, 1, 3)
    assert loss_of({"bce": 1.0}, logits, truth, ignored).item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_where_a_mask_meets_ignored_pixels_is_no_border():
    truth = torch.tensor([1.0, 1, 1, 0, 0, 1, 1]).view(1, 1, 1, 7)
    labelled = torch.tensor([1.0, 1, 1, 0, 0, 1, 1]).view(1, 1, 1, 7)
    assert border_weights(truth, 4.0, 3).flatten().tolist() == [1, 1, 5, 1, 1, 5, 1]
    assert border_weights(truth, 4.0, 3, labelled).flatten().tolist() == [1, 1, 1, 0, 0, 1, 1]
    beside = torch.tensor([1.0, 1, 1, 1, 0, 1, 1]).view(1, 1, 1, 7)  # the fourth pixel is labelled background
    assert border_weights(truth, 4.0, 3, beside).flatten().tolist() == [1, 1, 5, 1, 0, 1, 1]


def test_the_border_weighs_the_labelled_pixels(batch):
    logits, truth, ignored = batch
    labelled = (1 - ignored).expand_as(truth)
    weights = border_weights(truth * labelled, 4.0, 3, labelled)
    expected = bce(logits.masked_fill(labelled == 0, -1e4), truth * labelled, weights).mean()
    assert loss_of({"bce": 1.0, "border_weight": 4.0, "border_kernel": 3}, logits, truth, ignored) == expected


def test_the_classification_head_learns_what_the_labelled_pixels_show():
    truth = torch.zeros(2, 1, 1, 4)
    truth[0, 0, 0, :2] = 1
    logits, class_logits = torch.zeros(2, 1, 1, 4), torch.tensor([[2.0], [2.0]])
    ignored = torch.tensor([1.0, 1, 0, 0]).view(1, 1, 1, 4).repeat(2, 1, 1, 1)
    config = {"bce": 1.0, "classification": 1.0}
    absent = math.log(1 + math.exp(2))  # the mask lies in ignored pixels, so no image shows the class
    found = loss_of(config, logits, truth, ignored, class_logits)
    assert found.item() == pytest.approx(math.log(2) + absent)
    ignored[1] = 1  # nothing is labelled in the second image, so that only the first counts
    assert presence_bce(class_logits * torch.tensor([[1.0], [9.0]]), 0 * truth, 1 - ignored).item() == pytest.approx(
        absent
    )


def test_plain_losses_take_the_same_path_as_before(batch):
    logits, truth, _ = batch
    everything = torch.ones_like(truth)
    assert lovasz(logits, truth, True).tolist() == lovasz(logits, truth, True, everything).tolist()
    assert bce(logits, truth).tolist() == pytest.approx(bce(logits, truth, everything).tolist())


def dataset_of(competition, model=None, **train):
    config = TrainConfig(**{"crop_size": (32, 32), "augmentation": "heavy", **train})
    model, ignored = model or ModelConfig(), competition.ignored
    return TrainingDataset(competition.train, competition.masks, config, model, seed=1, fold=0, ignored=ignored)


@pytest.mark.parametrize("augmentation", ["none", "heavy", "people"])
def test_augmentation_moves_ignored_pixels_as_it_moves_masks(tiny_competition, augmentation):
    same = replace(tiny_competition, ignored=lambda image_id: tiny_competition.masks(image_id).max(axis=0))
    dataset = dataset_of(same, augmentation=augmentation)
    shown = 0
    for number in range(24):
        masks = dataset[Draw(0, number, number % 12, ANY_CLASS)].masks
        assert masks.shape == (32, 32, 3)
        assert torch.equal(masks[..., 2], masks[..., :2].amax(dim=-1))
        shown += int(masks[..., 2].any())
    assert shown > 5


def test_ignoring_no_pixel_leaves_pixels_and_masks_as_they_are(tiny_competition):
    none = replace(tiny_competition, ignored=lambda image_id: 0 * tiny_competition.masks(image_id)[0])
    plain, with_plane = dataset_of(tiny_competition), dataset_of(none)
    for number in range(12):
        draw = Draw(0, number, number, ANY_CLASS)
        assert torch.equal(plain[draw].pixels, with_plane[draw].pixels)
        assert torch.equal(plain[draw].masks, with_plane[draw].masks[..., :2])
        assert not with_plane[draw].masks[..., 2].any()


def test_crops_on_objects_do_not_look_for_ignored_pixels(tiny_competition):
    everywhere = replace(tiny_competition, ignored=lambda image_id: np.ones_like(tiny_competition.masks(image_id)[0]))
    sampling = SamplingConfig(defect_crop_share=1.0)
    dataset = dataset_of(everywhere, augmentation="none", sampling=sampling)
    assert all(dataset[Draw(0, number, 1, 1)].masks[..., 1].any() for number in range(20))


def test_resized_labels_by_hand():
    # Each new pixel is four old ones. Class, ignored: (2, 0), (1, 0), (1, 2), (1, 1), (2, 1).
    masks = np.array([[[1, 1, 1, 0, 1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]], np.uint8)
    ignored = np.array([[0, 0, 0, 0, 0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0, 1, 0]], np.uint8)
    found = resize_labels(masks, ignored, (1, 5))
    assert found[1].tolist() == [[0, 0, 1, 0, 0]]
    assert found[0].tolist() == [[1, 0, 0, 0, 1]]  # a third of the labelled area is too little, two thirds are enough
    half = np.array([[[1, 1, 1, 0], [0, 0, 0, 0]]], np.uint8)
    out = np.array([[0, 0, 0, 1], [1, 0, 0, 1]], np.uint8)
    assert resize_labels(half, out, (1, 2)).tolist() == [[[1, 0]], [[0, 1]]]


def test_labels_without_ignored_pixels_are_resized_as_masks():
    rng = np.random.default_rng(0)
    masks = (rng.random((3, 37, 53)) < 0.5).astype(np.uint8)
    for size in ((20, 31), (64, 80), (37, 53)):
        expected = resize_masks(masks, size)
        assert np.array_equal(resize_labels(masks, None, size), expected)
        with_plane = resize_labels(masks, np.zeros((37, 53), np.uint8), size)
        assert np.array_equal(with_plane[:3], expected) and not with_plane[3].any()


def test_the_network_gets_ignored_pixels_at_its_own_size(tiny_competition):
    left = np.zeros_like(tiny_competition.masks(tiny_competition.train["image_id"][0])[0])
    left[:, : left.shape[1] // 2] = 1
    half = replace(tiny_competition, ignored=lambda image_id: left)
    middle = left.shape[1] // 4
    dataset = dataset_of(half, ModelConfig(resize=Resize(scale=0.5)), crop_size=(64, 64), augmentation="none", flips=())
    ignored = dataset[Draw(0, 0, 0, ANY_CLASS)].masks[..., 2]
    assert ignored[:, :middle].all() and not ignored[:, middle : 2 * middle].any()


def test_validation_scores_leave_ignored_pixels_out():
    prob = np.array([[[200, 200, 200, 0]]], np.uint8)
    truth, ignored = np.array([[[1, 0, 0, 0]]], np.uint8), np.array([[0, 0, 1, 1]], np.uint8)
    scores = ValidationScores("dice")
    scores.add(prob, truth, ignored)
    assert scores.mean() == pytest.approx(2 / 3)  # one of two predicted pixels is true, the third does not count
    assert scores.non_empty_dice() == [pytest.approx(2 / 3)]
    scores.reset()
    scores.add(prob, truth)
    assert scores.mean() == pytest.approx(1 / 2)
