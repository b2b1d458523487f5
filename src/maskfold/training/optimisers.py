"""The optimiser and its groups of parameters: rates of encoder, decoder and layers, and what has weight decay."""

from __future__ import annotations

from collections.abc import Callable

import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from maskfold.config import TrainConfig
from maskfold.network.model import SegmentationModel
from maskfold.training.schedule import decoder_rate, encoder_rate


def build_optimizer(
    model: SegmentationModel, train: TrainConfig, heads: nn.Module | None = None
) -> tuple[torch.optim.Optimizer, list[Callable[[TrainConfig], float]]]:
    """The optimiser of a network, and for each of its groups what the schedule of its rate follows.

    The first groups hold everything but the encoder. By default there are two, one of them of the encoder.
    heads: what is trained beside the network, as the decoder is.
    """
    undecayed, scales = _undecayed(model, train), _layer_scales(model, train)
    encoder = model.encoder_parameters()
    in_encoder = {id(parameter) for parameter in encoder}
    others = [parameter for parameter in model.parameters() if id(parameter) not in in_encoder]
    if heads is not None:
        others += list(heads.parameters())
        undecayed |= {id(each) for each in heads.parameters() if each.ndim < 2 and not train.decay_norms}
    groups: list[dict[str, object]] = []
    rates: list[Callable[[TrainConfig], float]] = []
    for parameters, rate in ((others, decoder_rate), (encoder, encoder_rate)):
        alike: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for parameter in parameters:
            key = (scales.get(id(parameter), 1.0), id(parameter) in undecayed)
            alike.setdefault(key, []).append(parameter)
        for (scale, without), members in alike.items():
            groups.append({"params": members, "lr": scale * rate(train), **({"weight_decay": 0.0} if without else {})})
            rates.append(rate)
    optimizer = create_optimizer_v2(groups, train.optimizer, weight_decay=train.weight_decay, momentum=train.momentum)
    return optimizer, rates


def _undecayed(model: SegmentationModel, train: TrainConfig) -> set[int]:
    """The ids of the parameters without weight decay: by `decay_norms: false` those that timm leaves out."""
    if train.decay_norms:
        return set()
    own: set[str] = getattr(_timm_encoder(model), "no_weight_decay", set)()  # position embeddings and the like
    groups = param_groups_weight_decay(model, weight_decay=1.0, no_weight_decay_list=[f"*.{name}" for name in own])
    return {id(parameter) for group in groups if not group["weight_decay"] for parameter in group["params"]}


def _layer_scales(model: SegmentationModel, train: TrainConfig) -> dict[int, float]:
    """Id of a parameter of the encoder -> factor on its rate; by timm's layers, in its order where it names none."""
    if train.layer_decay is None:
        return {}
    groups = param_groups_layer_decay(_timm_encoder(model), layer_decay=train.layer_decay)
    return {id(parameter): group["lr_scale"] for group in groups for parameter in group["params"]}


def _timm_encoder(model: SegmentationModel) -> nn.Module:
    """The innermost module of the encoder that knows its layers, or the encoder itself."""
    encoder = module = model.network.get_submodule("encoder")
    while not hasattr(module, "group_matcher"):
        inner = getattr(module, "model", None)
        if not isinstance(inner, nn.Module):
            return encoder
        module = inner
    return module
