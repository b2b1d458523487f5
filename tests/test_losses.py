"""The loss: hand-computed values, the weighted sum, and what empty masks cost."""

import math

import pytest
import torch

from maskfold.config import LossConfig
from maskfold.losses import SegmentationLoss
from maskfold.models import Outputs


def loss_of(logits, masks, class_logits=None, **weights):
    config = LossConfig(**{"bce": 0.0, "dice": 0.0, **weights})
    return SegmentationLoss(config)(Outputs(logits, class_logits), masks).item()


def test_bce_of_zero_logits_is_log_two():
    logits, masks = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4, dtype=torch.uint8)
    assert loss_of(logits, masks, bce=1.0) == pytest.approx(math.log(2), rel=1e-6)


def test_dice_by_hand():
    # Probabilities 0.5 everywhere, half of the pixels on: 2 * (0.5 * 8) / (0.5 * 16 + 8) = 0.5.
    logits, masks = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    masks[:, :, :2] = 1
    assert loss_of(logits, masks, dice=1.0) == pytest.approx(0.5, abs=1e-6)


def test_terms_add_up_with_their_weights():
    torch.manual_seed(0)
    logits, masks = torch.randn(2, 3, 8, 8), torch.randint(0, 2, (2, 3, 8, 8), dtype=torch.uint8)
    parts = {name: loss_of(logits, masks, **{name: 1.0}) for name in ("bce", "dice", "focal", "lovasz")}
    together = loss_of(logits, masks, bce=2.0, dice=1.0, focal=3.0, lovasz=0.5)
    expected = 2 * parts["bce"] + parts["dice"] + 3 * parts["focal"] + 0.5 * parts["lovasz"]
    assert together == pytest.approx(expected, rel=1e-5)


def test_a_perfect_answer_costs_nothing_and_an_empty_mask_is_defined():
    masks = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    logits = torch.full((1, 1, 4, 4), -30.0)
    for name in ("bce", "dice", "focal", "lovasz"):
        assert loss_of(logits, masks, **{name: 1.0}) == pytest.approx(0, abs=1e-5)


def test_the_classification_head_learns_presence():
    masks = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    masks[0, 1, 2, 2] = 1
    logits = torch.full((1, 2, 4, 4), -30.0)
    right = loss_of(logits, masks, torch.tensor([[-30.0, 30.0]]), bce=1e-9, classification=1.0)
    wrong = loss_of(logits, masks, torch.tensor([[30.0, 30.0]]), bce=1e-9, classification=1.0)
    assert right == pytest.approx(0, abs=1e-5)
    assert wrong == pytest.approx(15, rel=1e-4)


def test_gradients_reach_the_logits():
    logits = torch.zeros(1, 1, 4, 4, requires_grad=True)
    masks = torch.ones(1, 1, 4, 4, dtype=torch.uint8)
    SegmentationLoss(LossConfig())(Outputs(logits, None), masks).backward()
    assert (logits.grad < 0).all()
