"""Optimisers: which parameters decay, which rates they have, and that each of them trains."""

import itertools

import pandas as pd
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.config import ModelConfig, TrainConfig
from maskfold.errors import ConfigError
from maskfold.network.model import build_model
from maskfold.training.fit import train_fold
from maskfold.training.optimisers import build_optimizer
from maskfold.training.schedule import decoder_rate, encoder_rate
from support.trainings import MADE_FROM, config_of, halves

SMALL = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "encoder_depth": 3}


@pytest.fixture(scope="module")
def small():
    return build_model(ModelConfig(**SMALL, decoder_channels=(16, 8, 8)), 2)


@pytest.fixture(scope="module")
def vit():
    encoder = {"encoder": "tu-vit_tiny_patch16_224", "encoder_weights": None, "encoder_depth": 4}
    return build_model(ModelConfig(architecture="DPT", **encoder), 2)


def test_the_default_is_adamw_with_one_group_for_the_encoder_and_one_for_the_rest(small):
    train = TrainConfig(learning_rate=1e-2, encoder_learning_rate=1e-3, weight_decay=0.1)
    optimizer, rates = build_optimizer(small, train)
    assert type(optimizer) is torch.optim.AdamW and rates == [decoder_rate, encoder_rate]
    assert [group["lr"] for group in optimizer.param_groups] == [1e-2, 1e-3]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.1]
    by_hand = torch.optim.AdamW(small.parameters(), weight_decay=0.1).param_groups[0]
    rest = by_hand.keys() - {"params", "lr"}
    assert all(group[key] == by_hand[key] for group in optimizer.param_groups for key in rest)
    grouped = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    others = [each for name, each in small.named_parameters() if ".encoder." not in name]
    assert [id(each) for each in grouped] == [id(each) for each in (*others, *small.encoder_parameters())]


def test_without_decay_of_norms_only_matrices_shrink(small):
    train = TrainConfig(optimizer="sgd", learning_rate=0.5, weight_decay=0.2, momentum=0.5, decay_norms=False)
    model = build_model(ModelConfig(**SMALL, decoder_channels=(16, 8, 8)), 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1)
            parameter.grad = torch.zeros_like(parameter)
    optimizer, _ = build_optimizer(model, train)
    optimizer.step()
    for name, parameter in model.named_parameters():
        expected = 1 - 0.5 * 0.2 * (1 + 0.5) if parameter.ndim > 1 else 1  # Nesterov's first step: rate * decay * 1.5
        assert parameter.flatten()[0].item() == pytest.approx(expected), name


def test_each_layer_of_a_vit_has_half_the_rate_of_the_one_above_it(vit):
    train = TrainConfig(layer_decay=0.5, learning_rate=1e-2, encoder_learning_rate=1e-3)
    optimizer, rates = build_optimizer(vit, train)
    assert rates[0] is decoder_rate and set(rates[1:]) == {encoder_rate}
    rate_of = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    named = {name: rate_of[id(parameter)] for name, parameter in vit.named_parameters()}
    blocks = [named[f"network.encoder.model.blocks.{block}.attn.qkv.weight"] for block in range(12)]
    assert blocks[-1] == pytest.approx(0.5e-3)
    assert all(above == pytest.approx(2 * below) for below, above in itertools.pairwise(blocks))
    assert named["network.encoder.model.pos_embed"] == pytest.approx(blocks[0] / 2)
    assert {rate for name, rate in named.items() if ".encoder." not in name} == {1e-2}


def test_position_embeddings_have_no_decay_either(vit):
    optimizer, _ = build_optimizer(vit, TrainConfig(decay_norms=False, layer_decay=0.9))
    decay_of = {
        id(parameter): group["weight_decay"] for group in optimizer.param_groups for parameter in group["params"]
    }
    named = {name.removeprefix("network.encoder.model."): decay_of[id(each)] for name, each in vit.named_parameters()}
    assert named["pos_embed"] == named["blocks.0.norm1.weight"] == named["blocks.0.attn.qkv.bias"] == 0
    assert named["blocks.0.attn.qkv.weight"] == named["patch_embed.proj.weight"] == 1e-4


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.1), ("lion", 5e-4), ("muon", 3e-3)])
def test_a_network_learns_with_every_kind(tmp_path, tiny_competition, optimizer, rate):
    config = config_of(tmp_path, epochs=2, optimizer=optimizer, learning_rate=rate, decay_norms=False, ema_decay=None)
    train_fold(config, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
    losses = pd.read_csv(RunPaths.of(config).history_csv(0))["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_checkpointed_gradients_are_the_same_and_keep_less(vit):
    encoder, pixels = vit.network.encoder, torch.rand(1, 3, 224, 224)

    def gradients():
        """Of a loss of all features, and the bytes that autograd keeps for them."""
        kept = []
        vit.zero_grad()
        with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each.nbytes) or each, lambda each: each):
            loss = sum(features.square().mean() for features in encoder(pixels)[0])
        loss.backward()
        named = encoder.named_parameters()
        return {name: each.grad.clone() for name, each in named if each.grad is not None}, sum(kept)

    vit.eval()  # dropout would draw anew
    plain, before = gradients()
    vit.checkpoint_gradients()
    checkpointed, after = gradients()
    assert plain.keys() == checkpointed.keys() and len(plain) > 100
    assert all(torch.allclose(plain[name], checkpointed[name], rtol=1e-3, atol=1e-8) for name in plain)
    assert after < 0.7 * before


def test_an_encoder_that_cannot_compute_twice_is_refused():
    model = build_model(ModelConfig(encoder="resnet18", encoder_weights=None), 2)
    with pytest.raises(ConfigError, match=r"train\.gradient_checkpointing: this encoder has none"):
        model.checkpoint_gradients()


def test_runs_without_the_new_keys_have_the_record_of_before():
    assert not {"optimizer", "momentum", "decay_norms", "layer_decay"} & TrainConfig().settings().keys()
    assert TrainConfig(optimizer="lion").settings()["optimizer"] == "lion"
