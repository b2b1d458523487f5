"""Deep supervision: which stages, what it costs by hand, and a network that is saved without its heads."""

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from maskfold.artefacts.paths import RunPaths
from maskfold.config import LossConfig, ModelConfig, TrainPhase
from maskfold.errors import ConfigError
from maskfold.network.model import Outputs, build_model, load_model
from maskfold.training.deep_supervision import DeepSupervision, deep_supervision_of, supervised_loss
from maskfold.training.fit import train_fold
from maskfold.training.losses.combined import SegmentationLoss
from maskfold.training.optimisers import build_optimizer
from support.trainings import MADE_FROM, config_of, halves

DEEP = LossConfig(deep_supervision=2)


def with_model(config, **changes):
    return config.model_copy(update={"model": ModelConfig(**config.model.model_dump() | changes)})


def test_weights_halve_or_are_as_given():
    assert LossConfig().level_weights == ()
    assert LossConfig(deep_supervision=3).level_weights == (0.5, 0.25, 0.125)
    assert LossConfig(deep_supervision=(0.3, 0)).level_weights == (0.3, 0)
    for wrong in (0, 9, (), (-1,), "two"):
        with pytest.raises(ValidationError):
            LossConfig(deep_supervision=wrong)


def test_older_runs_stay_as_they_are():
    assert "deep_supervision" not in LossConfig().settings()
    assert LossConfig(deep_supervision=1).settings()["deep_supervision"] == 1


def test_the_loss_by_hand():
    # One image of 2 x 4 px whose left half is true; the level has 1 x 2 px, read at pixels that lie in either half.
    planes = torch.tensor([[[[1.0, 1, 0, 0], [1, 1, 0, 0]]]])
    config = LossConfig(dice=0, deep_supervision=(0.5,))
    bce = SegmentationLoss(config)
    sure = math.log(3)  # the logit of 3/4
    level = Outputs(torch.tensor([[[[sure, sure]]]]), None)
    full = bce(Outputs(torch.zeros(1, 1, 2, 4), None), planes)
    found = supervised_loss(full, [level], planes, config, lambda outputs, masks: bce(outputs, masks))
    of_level = (math.log(4 / 3) + math.log(4)) / 2
    assert found.item() == pytest.approx((math.log(2) + 0.5 * of_level) / 1.5)


def test_levels_see_masks_and_ignored_pixels_at_their_own_size():
    seen = []
    planes = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).repeat(1, 3, 1, 1)
    levels = [Outputs(torch.zeros(1, 2, size, size), None) for size in (4, 2)]
    supervised_loss(torch.tensor(0.0), levels, planes, DEEP, lambda _, small: seen.append(small) or torch.tensor(1.0))
    assert [tuple(small.shape) for small in seen] == [(1, 3, 4, 4), (1, 3, 2, 2)]
    assert seen[0].dtype == torch.uint8 and set(seen[1].unique().tolist()) <= set(range(64))
    assert seen[1][0, 2].tolist() == [[18, 22], [50, 54]]  # rows and columns 2 and 6


@pytest.mark.parametrize("architecture", ["unet", "manet", "linknet"])
def test_stages_are_those_of_half_and_a_quarter_of_the_resolution(tmp_path, architecture):
    channels = None if architecture == "linknet" else (32, 24, 16, 8, 8)
    config = with_model(config_of(tmp_path, loss=DEEP), architecture=architecture, decoder_channels=channels)
    model = build_model(config.model, 2)
    heads = deep_supervision_of(model, config)
    pixels = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    plain = model.eval()(pixels)
    with heads.recorded() as stages:
        assert torch.equal(model(pixels).mask_logits, plain.mask_logits)
    assert [tuple(each.mask_logits.shape) for each in heads.outputs(stages, 2)] == [(2, 2, 32, 48), (2, 2, 16, 24)]
    assert len(heads.outputs(stages, 1)) == 1
    assert sum(1 for _ in heads.parameters()) == 4  # weights and biases of two heads, nothing of the network
    assert not any(module._forward_hooks for module in model.modules())


def test_heads_of_exclusive_classes_have_a_background():
    heads = DeepSupervision([], [4], 2, exclusive=True)
    (found,) = heads.outputs([torch.randn(1, 4, 3, 3)], 1)
    total = found.mask_logits.sigmoid().sum(1) + found.background_logits.sigmoid().sum(1)
    assert torch.allclose(total, torch.ones(1, 3, 3), atol=1e-5)


def test_heads_learn_at_the_rate_of_the_decoder(tmp_path):
    config = config_of(tmp_path, loss=DEEP, learning_rate=0.01, encoder_learning_rate=0.001)
    model = build_model(config.model, 2)
    heads = deep_supervision_of(model, config)
    optimizer, _ = build_optimizer(model, config.train, heads)
    rates = {id(each): group["lr"] for group in optimizer.param_groups for each in group["params"]}
    assert {rates[id(each)] for each in heads.parameters()} == {0.01}
    assert len(rates) == len(list(model.parameters())) + 4


def test_two_epochs_train_heads_that_the_saved_network_does_not_have(tmp_path, tiny_competition):
    config = config_of(tmp_path, epochs=2, loss=DEEP)
    train_fold(config, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
    paths = RunPaths.of(config)
    state = torch.load(paths.model(0), weights_only=True)
    assert state.keys() == build_model(config.model, 2).state_dict().keys()
    assert load_model(paths.model(0), config.model, 2)
    last = torch.load(paths.training(0) / "last.ckpt", weights_only=True)["state_dict"]
    assert {name for name in last if name.startswith("supervision.")} == {
        f"supervision.heads.{head}.{part}" for head in range(2) for part in ("weight", "bias")
    }
    plain = config_of(tmp_path, name="plain", epochs=2)
    train_fold(plain, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
    other = torch.load(RunPaths.of(plain).model(0), weights_only=True)
    name = "network.decoder.blocks.0.conv1.0.weight"
    assert not np.allclose(state[name], other[name])


@pytest.mark.parametrize(
    ("model", "train", "message"),
    [
        (
            {"architecture": "fpn", "decoder_channels": None},
            {},
            r"decoder of fpn has no stages .* unet, manet or linknet",
        ),
        ({}, {"loss": LossConfig(deep_supervision=5)}, "5 levels, but the decoder of Unet has 4"),
        ({}, {"compile": True}, r"not together with train\.compile"),
        (
            {},
            {"loss": LossConfig(), "then": (TrainPhase(epochs=1, loss=DEEP),)},
            r"train\.then\[0\]\.loss\.deep_supervision: 2 levels, but the first phase has 0",
        ),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, model, train, message):
    config = with_model(config_of(tmp_path, **{"loss": DEEP, **train}), **model)
    with pytest.raises(ConfigError, match=message):
        deep_supervision_of(build_model(config.model, 2), config)
