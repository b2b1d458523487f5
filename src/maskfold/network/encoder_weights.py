"""Encoder weights from a local file: plain state dicts, and those of classifiers and of networks around an encoder."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from timm.models import adapt_input_conv, load_state_dict
from torch import Tensor, nn

from maskfold.artefacts.paths import resolve
from maskfold.config import ModelConfig
from maskfold.errors import ConfigError

_ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")

_DEEPEST_PREFIX = 3  # as in module.network.encoder.


def local_weights(config: ModelConfig) -> Path | None:
    """The path in model.encoder_weights, or None if it is a name or null; ConfigError for a missing file."""
    value = config.encoder_weights
    if value is None:
        return None
    path = resolve(value)
    if path.is_file():
        return path
    if "/" in value or value.endswith(_ENDINGS):
        raise ConfigError(f"model.encoder_weights: no such file: {path}")
    return None


def load_encoder(encoder: nn.Module, path: Path, config: ModelConfig) -> None:
    """Fill an encoder from a file and adapt its stem to the number of input channels.

    The file holds a state dict, plain or under `state_dict`, `model` and the like, of an smp encoder, of a torchvision
    or timm classifier (its head is left out), or of a network around one (`encoder.`, `model.`, `module.` before every
    name). A stem for three channels is summed for one and repeated for others, as smp and timm do with weights they
    download. Raises ConfigError with the names that are missing or unknown when the file does not fit.
    """
    wanted = encoder.state_dict()
    state = part_of(read_state(path, "model.encoder_weights"), wanted)
    beyond = _beyond_the_encoder(config.encoder, state, wanted)
    inside = {name: value for name, value in state.items() if name not in beyond}
    try:
        encoder.load_state_dict(_adapted_stem(inside, wanted, config.input_channels))
    except (RuntimeError, TypeError, AttributeError) as error:
        detail = _misfit(state, wanted, error)
        raise ConfigError(f"model.encoder_weights: {path} does not fit encoder {config.encoder}: {detail}") from None


def read_state(path: Path, key: str) -> dict[str, Tensor]:
    """The tensors of a file with one state dict, plain or under `state_dict`, `model` and the like.

    key: of the config, for messages. Raises ConfigError for a file that cannot be read or holds none.
    """
    try:
        entries = load_state_dict(str(path))
    except (OSError, RuntimeError, pickle.UnpicklingError, ValueError, AttributeError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{key}: {path} is not a readable state dict: {reason}") from None
    state = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    if not state:
        raise ConfigError(f"{key}: {path} is not a readable state dict: it holds no tensors")
    return state


def part_of(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a state dict that belong to a network or its encoder, renamed as `wanted` names them.

    If most of the wanted names follow one prefix, the prefix is removed, and entries without it are left out.
    """
    own = {_plain(name.removeprefix("model.")): name for name in wanted}
    hits: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for depth in range(min(_DEEPEST_PREFIX, len(parts) - 1) + 1):
            prefix = "".join(f"{part}." for part in parts[:depth])
            hits[prefix] += _plain(name.removeprefix(prefix)) in own
    best = max(hits, key=lambda prefix: (hits[prefix], -len(prefix)))
    inside = {name.removeprefix(best): value for name, value in state.items() if name.startswith(best)}
    return {own.get(_plain(name), name): value for name, value in inside.items()}


def _plain(name: str) -> str:
    """A name that is the same in a timm classifier (stages.0.) and in its feature extractor (stages_0.)."""
    return name.replace(".", "_")


def _beyond_the_encoder(encoder_name: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> set[str]:
    """Names in a whole classifier's state dict that its encoder lacks: the head, and stages below encoder_depth."""
    unknown = state.keys() - wanted.keys()
    if not unknown:
        return set()
    if encoder_name.startswith("tu-"):
        with torch.device("meta"):
            whole = {_plain(name) for name in timm.create_model(encoder_name.removeprefix("tu-")).state_dict()}
        return {name for name in unknown if _plain(name) in whole}
    rooms = {name.split(".")[0] for name in wanted}
    return {name for name in unknown if name.split(".")[0] not in rooms}


def _adapted_stem(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], in_channels: int) -> dict[str, Tensor]:
    """The state dict with the convolutions that see the image, made for three channels, fitted to `in_channels`."""
    stem = {
        name: adapt_input_conv(in_channels, weight)
        for name, weight in state.items()
        if weight.ndim == 4 and weight.shape[1] == 3 and name in wanted and wanted[name].shape[1] == in_channels
    }
    return {**state, **stem}


def _misfit(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], error: Exception) -> str:
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unknown:
        return f"missing {missing[:3]} … ({len(missing)}), unknown {unknown[:3]} … ({len(unknown)})"
    lines = [line.strip() for line in str(error).splitlines() if "size mismatch" in line]
    return "; ".join(lines[:3]) + f" … ({len(lines)})" if lines else str(error)
