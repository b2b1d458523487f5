"""The losses: hand-computed values, gradients, what empty and full masks cost, and how the terms and classes add up."""

import math
from functools import partial

import pytest
import segmentation_models_pytorch as smp
import torch
from pydantic import ValidationError

from maskfold.config import LossConfig
from maskfold.errors import ConfigError
from maskfold.network.model import Outputs
from maskfold.training.losses.combined import SegmentationLoss, check_loss
from maskfold.training.losses.lovasz import lovasz
from maskfold.training.losses.terms import (
    bce,
    border_weights,
    boundary,
    dice,
    dice_cross_entropy,
    focal,
    log_dice,
    presence_bce,
    tversky,
)

LOG3 = math.log(3)  # the logit of probability 3/4; minus that is the logit of 1/4
TERMS = {
    "bce": bce,
    "bce_shaped": partial(bce, positive_weight=torch.tensor([3.0, 1.0, 0.5]), label_smoothing=0.1),
    "focal": partial(focal, alpha=0.25),
    "focal_flat": partial(focal, gamma=0.0),
    "focal_root": partial(focal, gamma=0.5),
    "dice": dice,
    "log_dice": log_dice,
    "tversky": partial(tversky, alpha=0.3),
    "lovasz": lovasz,
    "lovasz_symmetric": partial(lovasz, symmetric=True),
    "dice_cross_entropy": dice_cross_entropy,
    "boundary": boundary,
}
CONFIG_TERMS = (
    *("bce", "focal", "dice", "log_dice", "tversky"),
    *("lovasz", "lovasz_symmetric", "dice_cross_entropy", "boundary"),
)


def row(*values, dtype=torch.float32):
    """(1, 1, 1, W): one image of one class, a single row of pixels."""
    return torch.tensor(values, dtype=dtype).view(1, 1, 1, -1)


def segmentation_loss(logits, masks, class_logits=None, **config):
    loss = SegmentationLoss(LossConfig(**{"bce": 0.0, "dice": 0.0, **config}))
    return loss(Outputs(logits, class_logits), masks)


@pytest.fixture
def batch():
    """Logits and masks (4, 3, 8, 8): class 0 on half the images, class 1 absent, class 2 full."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(4, 3, 8, 8)
    truth[:2, 0, 1:5, 2:7] = 1
    truth[:, 2] = 1
    return torch.randn(4, 3, 8, 8, generator=generator), truth


def test_bce_by_hand():
    assert bce(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)).tolist() == pytest.approx([math.log(2)] * 3)
    # Half the pixels are mask, at a triple cost: (3 log 2 + log 2) / 2.
    weighted = bce(row(0.0, 0.0), row(1.0, 0.0), positive_weight=torch.tensor([3.0]))
    assert weighted.item() == pytest.approx(2 * math.log(2))
    smoothed = bce(row(LOG3), row(1.0), label_smoothing=0.1)
    assert smoothed.item() == pytest.approx(-(0.9 * math.log(0.75) + 0.1 * math.log(0.25)))


def test_focal_by_hand():
    logits, truth = row(LOG3, LOG3), row(1.0, 0.0)
    sure, wrong = 0.25**2 * math.log(4 / 3), 0.75**2 * math.log(4)
    assert focal(logits, truth).item() == pytest.approx((sure + wrong) / 2)
    assert focal(logits, truth, alpha=0.2).item() == pytest.approx((0.2 * sure + 0.8 * wrong) / 2)
    assert focal(logits, truth, gamma=0.0).item() == pytest.approx(bce(logits, truth).item())


def test_dice_and_its_logarithm_by_hand():
    # True positives 0.75, all predicted 2, all true 1: 2 * 0.75 / 3 = 0.5.
    logits, truth = row(LOG3, LOG3, -LOG3, -LOG3), row(1.0, 0.0, 0.0, 0.0)
    assert dice(logits, truth).item() == pytest.approx(0.5)
    assert log_dice(logits, truth).item() == pytest.approx(math.log(2))


def test_overlaps_of_less_than_a_pixel_by_hand():
    # True positives 0.75, all predicted 0.75, all true 1: the sum weighted by halves is 0.875, so 6/7 overlap.
    logits, truth = row(LOG3), row(1.0)
    assert dice(logits, truth).item() == pytest.approx(1 / 7)
    assert log_dice(logits, truth).item() == pytest.approx(math.log(7 / 6))
    # All but nothing predicted: 2e-4 / (1e-4 + 1).
    faint = math.log(1e-4 / (1 - 1e-4))
    assert dice(row(faint), truth).item() == pytest.approx(1 - 2e-4 / 1.0001)


def test_tversky_by_hand():
    # True positives 0.75, false positives 1.25, false negatives 0.25.
    logits, truth = row(LOG3, LOG3, -LOG3, -LOG3), row(1.0, 0.0, 0.0, 0.0)
    expected = 1 - 0.75 / (0.75 + 0.3 * 1.25 + 0.7 * 0.25)
    assert tversky(logits, truth, alpha=0.3).item() == pytest.approx(expected)


def test_lovasz_by_hand():
    # Errors 0.5, 1.2 and -1. Wrong in turn: pixel 1 takes IoU from 1 to 1/2, pixel 0 then to 0.
    logits, truth = row(0.5, 0.2, -2.0), row(1.0, 0.0, 0.0)
    assert lovasz(logits, truth).item() == pytest.approx(1.2 / 2 + 0.5 / 2)
    # Of the background: pixel 1 takes IoU from 1 to 1/2, pixel 0 then to 1/3.
    exchanged = 1.2 / 2 + 0.5 / 6
    assert lovasz(-logits, 1 - truth).item() == pytest.approx(exchanged)
    assert lovasz(logits, truth, symmetric=True).item() == pytest.approx((0.85 + exchanged) / 2)


def test_dice_cross_entropy_by_hand():
    logits, truth = row(LOG3, LOG3, -LOG3, -LOG3), row(1.0, 0.0, 1.0, 0.0)
    cross_entropy = (math.log(4 / 3) + math.log(4)) / 2
    assert dice_cross_entropy(logits, truth).item() == pytest.approx(math.sqrt(0.5 * cross_entropy), abs=2e-4)


def test_boundary_by_hand():
    logits, truth = row(0.0, LOG3, 0.0, -LOG3), row(1.0, 1.0, 0.0, 0.0)
    # Distances to the border between the middle pixels are 1.5, 0.5, 0.5, 1.5 px of 4; the errors 1/2, 1/4, 1/2, 1/4.
    assert boundary(logits, truth).item() == pytest.approx((0.75 + 0.125 + 0.25 + 0.375) / 4 / 4)
    # With the last pixel ignored, whose probability and truth are 0, the mean is over three.
    masked = row(0.0, LOG3, 0.0, -1e4)
    assert boundary(masked, truth, row(1, 1, 1, 0)).item() == pytest.approx((0.75 + 0.125 + 0.25) / 4 / 3)


def test_presence_by_hand():
    truth = torch.zeros(2, 2, 3, 3)
    truth[1, 0, 2, 2] = 1
    class_logits = torch.tensor([[LOG3, 0.0], [LOG3, 0.0]])
    expected = [(math.log(4) + math.log(4 / 3)) / 2, math.log(2)]
    assert presence_bce(class_logits, truth).tolist() == pytest.approx(expected)


def test_the_border_by_hand():
    mask = torch.tensor(
        [
            [1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [0, 0, 0, 0, 0, 1],
        ]
    )
    # The mask's own edge is a border, the image's edge is not; a lone pixel is all border.
    border = [
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1],
    ]
    weights = border_weights(mask.float()[None, None], border_weight=2.0, kernel=3)
    assert weights[0, 0].tolist() == (1 + 2 * torch.tensor(border)).tolist()
    wider = border_weights(mask.float()[None, None], border_weight=1.0, kernel=5) - 1
    assert wider[0, 0, :2].tolist() == [[0, 0, 1, 1, 0, 0]] * 2
    assert wider[0, 0, 2:4].tolist() == [[1, 1, 1, 1, 0, 0]] * 2


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_masks_have_no_border(value):
    assert (border_weights(torch.full((1, 2, 8, 8), value), 4.0, 5) == 1).all()


def test_the_pixel_losses_weigh_the_border():
    # Row 1 1 0: the pixel beside the background weighs 1 + 2, the sum of weights is 5.
    logits, masks = row(LOG3, -LOG3, LOG3), row(1, 1, 0, dtype=torch.uint8)
    right, wrong = math.log(4 / 3), math.log(4)
    shaped = {"border_weight": 2.0, "border_kernel": 3}
    expected = (right + 3 * wrong + wrong) / 5
    assert segmentation_loss(logits, masks, bce=1.0, **shaped).item() == pytest.approx(expected)
    expected = (0.25**2 * right + 4 * 0.75**2 * wrong) / 5
    assert segmentation_loss(logits, masks, focal=1.0, **shaped).item() == pytest.approx(expected)
    assert segmentation_loss(logits, masks, bce=1e-9, dice=1.0, **shaped).item() == pytest.approx(
        dice(logits, masks.float()).item()
    )


def test_terms_equal_the_library_where_it_has_them(batch):
    logits, truth = batch
    mode = smp.losses.MULTILABEL_MODE
    theirs = {
        "bce": smp.losses.SoftBCEWithLogitsLoss(),
        "focal": smp.losses.FocalLoss(mode, alpha=0.25),
        "dice": smp.losses.DiceLoss(mode),
        "log_dice": smp.losses.DiceLoss(mode, log_loss=True),
        "tversky": smp.losses.TverskyLoss(mode, alpha=0.3, beta=0.7),
    }
    for name, term in theirs.items():
        assert TERMS[name](logits, truth).mean().item() == pytest.approx(term(logits, truth).item(), rel=1e-5), name
    for index in (0, 2):  # smp pools the classes
        expected = smp.losses.LovaszLoss(smp.losses.BINARY_MODE)(
            logits[:, index].contiguous(), truth[:, index].contiguous()
        )
        assert lovasz(logits, truth)[index].item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_those_of_the_values(name, batch):
    logits, truth = batch[0][:2, :, :3, :3].double(), batch[1][:2, :, :3, :3].double()
    assert torch.autograd.gradcheck(lambda logits: TERMS[name](logits, truth), logits.requires_grad_())


def test_gradients_through_the_border_and_the_head_are_those_of_the_values(batch):
    logits, truth = batch[0][:2, :, :3, :3].double(), batch[1][:2, :, :3, :3].double()
    weights = border_weights(truth, 3.0, 3)
    for term in (bce, focal):
        assert torch.autograd.gradcheck(
            lambda logits, term=term: term(logits, truth, weights), logits.clone().requires_grad_()
        )
    class_logits = logits[:, :, 0, 0].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: presence_bce(logits, truth), class_logits)


ABSENT_AT_ZERO = {
    "bce": math.log(2),
    "focal": 0.75 * 0.25 * math.log(2),
    "dice": 0.0,
    "log_dice": 0.0,
    "tversky": 0.0,
    "lovasz": 0.0,
    "lovasz_symmetric": 0.5,
    "dice_cross_entropy": math.sqrt(math.log(2)),
    "boundary": 0.0,
}


@pytest.mark.parametrize(("name", "expected"), ABSENT_AT_ZERO.items())
def test_an_absent_class_has_a_defined_cost(name, expected):
    logits, truth = torch.zeros(2, 1, 4, 4, requires_grad=True), torch.zeros(2, 1, 4, 4)
    loss = TERMS[name](logits, truth)
    loss.sum().backward()
    assert loss.item() == pytest.approx(expected, abs=2e-4)
    assert (logits.grad > 0).all() if expected else (logits.grad == 0).all()


FULL_AT_ZERO = {
    "bce": math.log(2),
    "focal": 0.25 * 0.25 * math.log(2),
    "dice": 1 / 3,
    "log_dice": math.log(3 / 2),
    "tversky": 1 - 0.5 / (0.5 + 0.7 * 0.5),
    "lovasz": 1.0,
    "lovasz_symmetric": 0.5,
    "dice_cross_entropy": math.sqrt(math.log(2) / 3),
}


@pytest.mark.parametrize(("name", "expected"), FULL_AT_ZERO.items())
def test_a_full_mask_by_hand(name, expected):
    logits, truth = torch.zeros(2, 1, 4, 4, requires_grad=True), torch.ones(2, 1, 4, 4)
    loss = TERMS[name](logits, truth)
    loss.sum().backward()
    assert loss.item() == pytest.approx(expected, abs=2e-4)
    assert (logits.grad < 0).all()


@pytest.mark.parametrize("name", CONFIG_TERMS)
def test_a_perfect_answer_costs_nothing(name, batch):
    truth = batch[1]
    assert segmentation_loss(60 * truth - 30, truth, **{name: 1.0}).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("scale", [50.0, -50.0, 500.0, -500.0])
def test_extreme_logits_stay_finite(name, scale, batch):
    truth = batch[1]
    for signs in (2 * truth - 1, torch.ones_like(truth)):
        logits = (scale * signs).requires_grad_()
        loss = TERMS[name](logits, truth)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert logits.grad.isfinite().all()


def test_log_dice_still_teaches_a_class_that_was_given_up():
    logits, truth = torch.full((1, 1, 4, 4), -50.0, requires_grad=True), torch.ones(1, 1, 4, 4)
    log_dice(logits, truth).sum().backward()
    assert logits.grad.sum().item() == pytest.approx(-1, rel=1e-4)


@pytest.mark.parametrize("name", CONFIG_TERMS)
def test_bf16_logits_give_a_float32_loss_and_finite_gradients(name, batch):
    logits, masks = batch[0].bfloat16().requires_grad_(), batch[1].to(torch.uint8)
    class_logits = torch.zeros(4, 3, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        loss = segmentation_loss(logits, masks, class_logits, **{name: 1.0})
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == segmentation_loss(logits.float(), masks, class_logits, **{name: 1.0}).item()
    assert logits.grad.isfinite().all()
    assert class_logits.grad.isfinite().all()


def test_terms_add_up_with_their_weights(batch):
    parts = {name: segmentation_loss(*batch, **{name: 1.0}).item() for name in CONFIG_TERMS}
    weights = {name: 0.5 + index for index, name in enumerate(CONFIG_TERMS)}
    expected = sum(weights[name] * parts[name] for name in CONFIG_TERMS)
    assert segmentation_loss(*batch, **weights).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", CONFIG_TERMS)
def test_class_weights_are_ratios(name, batch):
    each = [segmentation_loss(batch[0][:, [index]], batch[1][:, [index]], **{name: 1.0}).item() for index in range(3)]
    assert segmentation_loss(*batch, **{name: 1.0}).item() == pytest.approx(sum(each) / 3, rel=1e-5)
    for weights in ((4.0, 1.0, 3.0), (8.0, 2.0, 6.0)):
        loss = segmentation_loss(*batch, **{name: 1.0}, class_weights=weights)
        assert loss.item() == pytest.approx((4 * each[0] + each[1] + 3 * each[2]) / 8, rel=1e-5)


def test_positive_weight_is_one_number_or_one_a_class():
    logits, masks = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    one = segmentation_loss(logits, masks, bce=1.0, positive_weight=3.0)
    assert one.item() == pytest.approx(3 * math.log(2))
    each = segmentation_loss(logits, masks, bce=1.0, positive_weight=(3.0, 0.0))
    assert each.item() == pytest.approx(1.5 * math.log(2))


def test_the_classification_head_learns_presence():
    masks = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    masks[0, 1, 2, 2] = 1
    logits = torch.full((1, 2, 4, 4), -30.0)
    right, wrong = torch.tensor([[-30.0, 30.0]]), torch.tensor([[30.0, 30.0]])

    def cost(class_logits, **config):
        return segmentation_loss(logits, masks, class_logits, bce=1e-9, **config).item()

    assert cost(right, classification=1.0) == pytest.approx(0, abs=1e-5)
    assert cost(wrong, classification=1.0) == pytest.approx(15, rel=1e-4)
    assert cost(wrong, classification=1.0, class_weights=(3.0, 1.0)) == pytest.approx(22.5, rel=1e-4)
    assert cost(wrong, classification=0.0) == pytest.approx(0, abs=1e-5)


def test_weights_that_do_not_suit_the_classes_are_named_together():
    config = LossConfig(class_weights=(1.0, 2.0, 1.0), positive_weight=(1.0, 2.0))
    with pytest.raises(ConfigError) as error:
        check_loss(config, class_count=5)
    assert str(error.value).splitlines() == [
        "train.loss.class_weights: expected one number a class, 5, found 3: [1.0, 2.0, 1.0]",
        "train.loss.positive_weight: expected one number a class, 5, found 2: [1.0, 2.0]",
    ]
    with pytest.raises(ConfigError, match=r"train\.loss\.class_weights"):
        SegmentationLoss(config)(Outputs(torch.zeros(1, 2, 4, 4), None), torch.zeros(1, 2, 4, 4))


@pytest.mark.parametrize("value", [(1.0, -1.0), (0.0, 0.0), (1.0, math.nan), (1.0, math.inf)])
def test_impossible_weights_are_refused(value):
    for key in ("class_weights", "positive_weight"):
        with pytest.raises((ConfigError, ValidationError), match=rf"train\.loss\.{key}: expected|finite number"):
            check_loss(LossConfig(**{key: value}), class_count=2)


def test_usable_weights_pass():
    check_loss(LossConfig(), class_count=5)
    check_loss(LossConfig(class_weights=(1.0, 0.0), positive_weight=2.5), class_count=2)


def test_the_weights_travel_with_the_module_but_not_with_checkpoints():
    loss = SegmentationLoss(LossConfig(class_weights=(1.0, 2.0), positive_weight=2.0))
    assert {name for name, _ in loss.named_buffers()} == {"class_weights", "positive_weight"}
    assert loss.state_dict() == {}
