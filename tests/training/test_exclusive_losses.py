"""The cross-entropy of exclusive classes: by hand, against torch's, with soft truths and with ignored pixels."""

import math

import pytest
import torch
import torch.nn.functional as F

from maskfold.config import LossConfig
from maskfold.network.exclusive import against_rest
from maskfold.network.model import Outputs
from maskfold.training.losses.combined import SegmentationLoss


def loss_of(scores, truth, ignored=None, **terms):
    logits, background = against_rest(scores)
    config = LossConfig(**{"bce": 1.0, "dice": 0.0, **terms})
    return SegmentationLoss(config)(Outputs(logits, None, background), truth, ignored)


@pytest.fixture
def batch():
    """Scores (2, 3, 8, 8), labels (2, 8, 8) in 0..3 (0: background), and the masks of the classes."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (2, 8, 8), generator=draws)
    masks = F.one_hot(labels, 4).permute(0, 3, 1, 2)[:, 1:].float()
    return 3 * torch.randn(2, 3, 8, 8, generator=draws), labels, masks


def with_background(scores):
    return torch.cat([torch.zeros_like(scores[:, :1]), scores], dim=1)


def test_by_hand():
    # Scores 0 and log 2: softmax 1/4 (background), 1/4, 1/2; one pixel of each.
    scores = torch.tensor([0.0, math.log(2)]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    truth = torch.tensor([[[[0.0, 1, 0]], [[0, 0, 1]]]])
    assert loss_of(scores, truth).item() == pytest.approx((2 * math.log(4) + math.log(2)) / 3)


def test_it_is_torchs_cross_entropy_and_so_is_its_gradient(batch):
    scores, labels, masks = batch
    ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found, expected = loss_of(ours, masks), F.cross_entropy(with_background(theirs), labels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    expected.backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-7)


def test_a_surely_wrong_pixel_has_a_finite_loss_and_gradient():
    scores = torch.tensor([90.0, -90.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2).clone().requires_grad_()
    loss = loss_of(scores, torch.tensor([[[[0.0, 0]], [[0, 1]]]]), dice=1.0)
    loss.backward()
    # The background costs 90, class b 180; Dice of the absent a is 0, of b 1.
    assert loss.item() == pytest.approx((90 + 180) / 2 + 1 / 2, rel=1e-5)
    assert bool(scores.grad.isfinite().all())


def test_weights_of_classes_and_of_their_pixels_by_hand():
    scores = torch.zeros(1, 2, 1, 3)  # every probability is 1/3
    truth = torch.tensor([[[[0.0, 1, 0]], [[0, 0, 1]]]])
    third = math.log(3) / 3  # the share of each pixel
    assert loss_of(scores, truth, positive_weight=(2.0, 4.0)).item() == pytest.approx((1 + 2 + 4) * third)
    # Class weights 3 and 1 are 1.5 and 0.5 of their mean; the background keeps 1.
    assert loss_of(scores, truth, class_weights=(3.0, 1.0)).item() == pytest.approx((1 + 1.5 + 0.5) * third)


def test_label_smoothing_is_torchs(batch):
    scores, labels, masks = batch
    expected = F.cross_entropy(with_background(scores), labels, label_smoothing=4 * 0.02)  # of 4 targets in all
    assert loss_of(scores, masks, label_smoothing=0.02).item() == pytest.approx(expected.item(), rel=1e-5)


def test_soft_truths_are_torchs_and_sums_above_one_are_scaled(batch):
    scores = batch[0]
    shares = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    expected = F.cross_entropy(with_background(scores), shares)
    assert loss_of(scores, shares[:, 1:]).item() == pytest.approx(expected.item(), rel=1e-5)
    both = torch.ones(2, 3, 8, 8)  # as where resized masks meet
    thirds = F.cross_entropy(with_background(scores), with_background(both / 3))
    assert loss_of(scores, both).item() == pytest.approx(thirds.item(), rel=1e-5)


@pytest.mark.parametrize("terms", [{}, {"border_weight": 2.0, "border_kernel": 3}, {"dice": 1.0, "focal": 1.0}])
def test_ignored_pixels_cost_nothing(batch, terms):
    scores, _, masks = batch
    ignored = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2)) < 0.4).float()
    given = scores.clone().requires_grad_()
    loss = loss_of(given, masks, ignored, **terms)
    loss.backward()
    assert not given.grad[ignored.bool().expand_as(scores)].any()
    wild = torch.where(ignored.bool(), 50.0, scores)
    other = torch.where(ignored.bool(), 1 - masks, masks)
    assert loss_of(wild, other, ignored, **terms).item() == pytest.approx(loss.item(), rel=1e-6)
    if not terms:
        keep = ignored[:, 0] == 0
        alone = F.cross_entropy(with_background(scores).permute(0, 2, 3, 1)[keep], batch[1][keep])
        assert loss.item() == pytest.approx(alone.item(), rel=1e-5)
    assert loss_of(scores, masks, torch.ones_like(ignored), **terms).item() == 0
