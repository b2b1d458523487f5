"""The network: normalisation, a segmentation-models-pytorch net, and its encoder weights from three possible places."""

from __future__ import annotations

import difflib
import pickle
from pathlib import Path
from typing import NamedTuple

import segmentation_models_pytorch as smp
import torch
from huggingface_hub.errors import HfHubHTTPError
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import adapt_input_conv
from torch import Tensor, nn

from maskfold.config import ConfigError, ModelConfig
from maskfold.paths import display, resolve
from maskfold.provenance import StaleError

STRIDE = 32  # every side of a network input must be a multiple of this, whatever the encoder depth
_WEIGHT_FILE_ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")


class Outputs(NamedTuple):
    """What the network returns.

    mask_logits: (B, C, H, W) float; class_logits: (B, C) float, or None without a classification head.
    """

    mask_logits: Tensor
    class_logits: Tensor | None


class SegmentationModel(nn.Module):
    """An smp network that takes raw uint8 pixels, so that normalisation travels with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, in_channels: int) -> None:
        super().__init__()
        self.network = network
        mean, std = torch.tensor(IMAGENET_DEFAULT_MEAN), torch.tensor(IMAGENET_DEFAULT_STD)
        if in_channels != 3:
            mean, std = mean.mean().repeat(in_channels), std.mean().repeat(in_channels)
        self.register_buffer("mean", 255 * mean.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", 255 * std.view(1, -1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Outputs:
        """pixels: (B, in_channels, H, W) uint8, H and W multiples of STRIDE."""
        normalised = (pixels.float() - self.mean) / self.std
        result = self.network(normalised.contiguous(memory_format=torch.channels_last))
        return Outputs(*result) if isinstance(result, tuple) else Outputs(result, None)

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The parameters that may come pretrained."""
        encoder = self.network.encoder
        assert isinstance(encoder, nn.Module)
        return list(encoder.parameters())


def build_model(config: ModelConfig, class_count: int, with_encoder_weights: bool = True) -> SegmentationModel:
    """The network of a config, in channels_last memory.

    with_encoder_weights=False leaves the encoder random, for when all weights are loaded from a checkpoint right after.
    Raises ConfigError for an unknown architecture or encoder (naming the nearest), and for encoder weights that cannot
    be had or do not fit.
    """
    _check_names(config)
    local_file = _local_weights(config) if with_encoder_weights else None
    named = config.encoder_weights if with_encoder_weights and local_file is None else None
    arguments: dict[str, object] = {"encoder_depth": config.encoder_depth}
    if config.decoder_channels is not None:
        arguments["decoder_channels"] = config.decoder_channels
    elif config.encoder_depth != 5:
        arguments["decoder_channels"] = (256, 128, 64, 32, 16)[: config.encoder_depth]
    if config.classification_head:
        arguments["aux_params"] = {"classes": class_count, "pooling": "avg"}
    try:
        network = smp.create_model(
            config.architecture,
            config.encoder,
            encoder_weights=named,
            in_channels=config.in_channels,
            classes=class_count,
            **arguments,
        )
    except (OSError, HfHubHTTPError, RuntimeError) as error:
        if named is None:
            raise
        raise ConfigError(
            f"model.encoder_weights: could not get {named!r} for {config.encoder}: {error}\n"
            "On a machine without internet give a local file instead: --set model.encoder_weights=/path/to/encoder.pth "
            "(a state dict of the smp encoder), or null for random weights."
        ) from error
    if local_file is not None:
        _load_encoder(network, local_file, config)
    model = SegmentationModel(network, config.in_channels)
    return model.to(memory_format=torch.channels_last)


def _check_names(config: ModelConfig) -> None:
    architectures = {name.lower(): name for name in _architectures()}
    if config.architecture.lower() not in architectures:
        near = difflib.get_close_matches(config.architecture.lower(), architectures, n=3, cutoff=0.4)
        names = ", ".join(architectures[name] for name in near or sorted(architectures))
        raise ConfigError(f"model.architecture: unknown {config.architecture!r}; nearest: {names}")
    encoders = smp.encoders.get_encoder_names()
    if config.encoder not in encoders and not config.encoder.startswith("tu-"):
        near = difflib.get_close_matches(config.encoder, encoders, n=3, cutoff=0.4)
        raise ConfigError(
            f"model.encoder: unknown {config.encoder!r}; nearest: {', '.join(near) or ', '.join(encoders)} "
            "(a timm encoder is written tu-<name>)"
        )


def _architectures() -> list[str]:
    return [
        name
        for name, value in vars(smp).items()
        if isinstance(value, type) and issubclass(value, smp.base.SegmentationModel) and value.__module__ != smp.base
    ]


def _local_weights(config: ModelConfig) -> Path | None:
    """The path in encoder_weights when it is one; ConfigError when it looks like a file that is not there."""
    value = config.encoder_weights
    if value is None:
        return None
    path = resolve(value)
    if path.is_file():
        return path
    if "/" in value or value.endswith(_WEIGHT_FILE_ENDINGS):
        raise ConfigError(f"model.encoder_weights: no such file: {path}")
    return None


def _load_encoder(network: nn.Module, path: Path, config: ModelConfig) -> None:
    """Load a local state dict into the encoder and adapt its stem to the number of input channels."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, ValueError) as error:
        raise ConfigError(f"model.encoder_weights: {path} is not a readable state dict: {error}") from None
    encoder = network.encoder
    assert isinstance(encoder, nn.Module)
    if isinstance(state, dict):
        state = _adapted_stem(state, config.in_channels)
    try:
        encoder.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        wanted = set(encoder.state_dict())
        found = set(state) if isinstance(state, dict) else set()
        missing, unknown = sorted(wanted - found), sorted(found - wanted)
        detail = f"missing {missing[:3]} … ({len(missing)}), unknown {unknown[:3]} … ({len(unknown)})"
        if not missing and not unknown:
            detail = str(error).splitlines()[-1].strip()
        raise ConfigError(f"model.encoder_weights: {path} does not fit encoder {config.encoder}: {detail}") from None


def _adapted_stem(state: dict[str, Tensor], in_channels: int) -> dict[str, Tensor]:
    """The state dict with its first convolution, made for three channels, summed or repeated to `in_channels`."""
    for name, weight in state.items():
        if weight.ndim == 4:
            return {**state, name: adapt_input_conv(in_channels, weight)} if weight.shape[1] == 3 else state
    return state


def load_model(path: Path, config: ModelConfig, class_count: int) -> SegmentationModel:
    """The network of a config with the trained weights of a model.pt.

    Raises StaleError when the file is missing, unreadable, or of another network.
    """
    if not path.is_file():
        raise StaleError(f"{display(path)}: no such weights; run src/train.py with this config")
    model = build_model(config, class_count, with_encoder_weights=False)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise StaleError(
            f"{display(path)}: not the weights of this config's network ({reason}); run src/train.py with this config"
        ) from None
    return model
