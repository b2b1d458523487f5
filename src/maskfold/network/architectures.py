"""From the model section of a config to an smp network: names, arguments, and combinations that do not work."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping

import segmentation_models_pytorch as smp
import timm
from huggingface_hub.errors import HfHubHTTPError

from maskfold.artefacts.own_code import imported, is_own
from maskfold.config import ModelConfig
from maskfold.errors import ConfigError
from maskfold.network.decoders import make_separable, use_hypercolumns

_ARCHITECTURES: dict[str, type[smp.base.SegmentationModel]] = smp.MODEL_ARCHITECTURES_MAPPING

_DECODER_CHANNELS = (256, 128, 64, 32, 16)  # smp's, from the deepest stage up
_DPT_CHANNELS = (256, 512, 1024, 1024)  # smp's, from the first stage down
_SCSE_REDUCTION = 16  # the squeeze divides the channels by it; fewer would leave none

# What smp and timm raise for an encoder and an architecture that do not go together.
UNFIT = (ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, RuntimeError)


def build_network(config: ModelConfig, class_count: int, named_weights: str | None) -> smp.base.SegmentationModel:
    """The smp network of a config; `named_weights` are downloaded into the encoder, None leaves it random.

    Raises ConfigError for unknown names (with the nearest), for keys the architecture does not take, for encoders that
    cannot be combined with it, and for weights that cannot be downloaded.
    """
    architecture = architecture_class(config.architecture)
    _check_encoder(config.encoder, named_weights)
    arguments = _arguments(architecture, config, class_count)
    weights = True if named_weights is not None and config.encoder.startswith("tu-") else named_weights
    try:
        network = _constructed(architecture, config.encoder, {**arguments, "encoder_weights": weights})
    except (OSError, HfHubHTTPError) as error:
        raise _weights_missing(config, named_weights, error) from error
    except UNFIT as error:
        if named_weights is not None and isinstance(error, RuntimeError):  # timm, for a network without weights
            raise _weights_missing(config, named_weights, error) from error
        raise does_not_fit(config, error) from error
    if config.hypercolumns:
        channels = _decoder_channels(architecture, config)
        assert isinstance(channels, tuple)
        use_hypercolumns(network, channels, class_count)
    if config.separable_decoder and not make_separable(network.decoder):
        raise ConfigError(
            f"model.separable_decoder: the decoder of {architecture.__name__} has no plain 3x3 convolution to replace"
        )
    return network


def architecture_class(name: str) -> type[smp.base.SegmentationModel]:
    """The smp class of an architecture, whatever the case of its name; ConfigError with the nearest for a typo."""
    if is_own(name):
        return _own_architecture(name)
    if name.lower() not in _ARCHITECTURES:
        near = difflib.get_close_matches(name.lower(), _ARCHITECTURES, n=3, cutoff=0.4) or _ARCHITECTURES
        names = ", ".join(_ARCHITECTURES[key].__name__ for key in near)
        raise ConfigError(f"model.architecture: unknown {name!r}; nearest: {names}")
    return _ARCHITECTURES[name.lower()]


def _own_architecture(name: str) -> type[smp.base.SegmentationModel]:
    """A network of the user's own, a class that is made as smp's are; ConfigError for anything else."""
    found = imported(name, "model.architecture")
    if not (isinstance(found, type) and issubclass(found, smp.base.SegmentationModel)):
        raise ConfigError(
            f"model.architecture: {name} is no network of smp; expected a class derived from "
            "segmentation_models_pytorch.base.SegmentationModel"
        )
    missing = {"encoder_name", "encoder_weights", "encoder_depth", "in_channels", "classes"}
    missing -= inspect.signature(found).parameters.keys()
    if missing:
        raise ConfigError(
            f"model.architecture: {name} does not take {', '.join(sorted(missing))}, as smp's networks do"
        )
    return found


def does_not_fit(config: ModelConfig, reason: Exception | str) -> ConfigError:
    """The error for an encoder that an architecture cannot use."""
    return ConfigError(
        f"model.encoder: {config.encoder} with encoder_depth={config.encoder_depth} does not work in "
        f"{architecture_class(config.architecture).__name__}: {reason}"
    )


def own_size(config: ModelConfig) -> tuple[int, int] | None:
    """(height, width) in px that a timm encoder was built for, if it works at few sizes only; None for all others."""
    if not config.encoder.startswith("tu-"):
        return None
    settings = timm.models.get_pretrained_cfg(config.encoder.removeprefix("tu-"))
    if settings is None or not settings.fixed_input_size:
        return None
    height, width = settings.input_size[1:]
    return int(height), int(width)


def _check_encoder(name: str, named_weights: str | None) -> None:
    known = smp.encoders.encoders
    if name not in known and not (name.startswith("tu-") and timm.is_model(name.removeprefix("tu-"))):
        names = [*known, *(f"tu-{model}" for model in timm.list_models())]
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or list(known)
        raise ConfigError(
            f"model.encoder: unknown {name!r}; nearest: {', '.join(near)} (a timm encoder is written tu-<name>)"
        )
    if named_weights is not None and name in known and named_weights not in known[name]["pretrained_settings"]:
        raise ConfigError(
            f"model.encoder_weights: {named_weights!r} is neither a file nor a name that smp has for {name}; "
            f"it has {', '.join(known[name]['pretrained_settings']) or 'none'}"
        )


def _arguments(architecture: type, config: ModelConfig, class_count: int) -> dict[str, object]:
    taken = inspect.signature(architecture).parameters
    depth = config.encoder_depth
    arguments: dict[str, object] = {
        "encoder_depth": depth,
        "in_channels": config.input_channels,
        "classes": class_count,
    }
    channels = _decoder_channels(architecture, config)
    if channels is not None:
        arguments["decoder_channels"] = channels
    if config.attention is not None:
        _check_attention(architecture, config)
        arguments["decoder_attention_type"] = config.attention
    if config.classification_head:
        arguments["aux_params"] = {
            "classes": class_count,
            "pooling": "avg",
            "dropout": config.classification_dropout,
        }
    if architecture is smp.DPT:
        if depth > len(_DPT_CHANNELS):
            raise ConfigError(f"model.encoder_depth: DPT takes 3 or 4, found {depth}")
        arguments["decoder_intermediate_channels"] = _DPT_CHANNELS[-depth:]
    # smp's defaults fit one depth each; the output must have the input's size at every depth.
    if architecture is smp.FPN:
        arguments["upsampling"] = 2 ** (depth - 3)
    if architecture is smp.PSPNet:
        arguments["upsampling"] = 2**depth
    assert arguments.keys() <= taken.keys()
    return arguments


def _decoder_channels(architecture: type, config: ModelConfig) -> tuple[int, ...] | int | None:
    """decoder_channels as the architecture takes them; None leaves them to smp."""
    taken = inspect.signature(architecture).parameters.get("decoder_channels")
    channels = config.decoder_channels
    if taken is None and channels is not None:
        raise _not_taken("decoder_channels", architecture, "decoder_channels")
    if taken is None:
        return None
    one_number = isinstance(taken.default, int)
    if channels is None:
        return None if one_number else _DECODER_CHANNELS[: config.encoder_depth]
    expected = 1 if one_number else config.encoder_depth
    if len(channels) != expected or min(channels) < 1:
        wanted = "one number" if one_number else f"one number a depth level ({expected})"
        raise ConfigError(
            f"model.decoder_channels: {architecture.__name__} takes {wanted}, each at least 1; found {list(channels)}"
        )
    return channels[0] if one_number else channels


def _check_attention(architecture: type, config: ModelConfig) -> None:
    if "decoder_attention_type" not in inspect.signature(architecture).parameters:
        raise _not_taken("attention", architecture, "decoder_attention_type")
    if config.decoder_channels is not None and min(config.decoder_channels) < _SCSE_REDUCTION:
        raise ConfigError(
            f"model.attention: scse needs decoder_channels of at least {_SCSE_REDUCTION}; "
            f"found {list(config.decoder_channels)}"
        )


def _not_taken(key: str, architecture: type, argument: str) -> ConfigError:
    takers = [each.__name__ for each in _ARCHITECTURES.values() if argument in inspect.signature(each).parameters]
    return ConfigError(f"model.{key}: {architecture.__name__} does not take it; these do: {', '.join(takers)}")


def _constructed(
    architecture: type[smp.base.SegmentationModel], encoder: str, arguments: Mapping[str, object]
) -> smp.base.SegmentationModel:
    """The network, with an encoder that takes images of any size if timm can build it that way."""
    if encoder.startswith("tu-"):
        settings = timm.models.get_pretrained_cfg(encoder.removeprefix("tu-"))
        if settings is not None and settings.fixed_input_size:
            for free_size in ({"strict_img_size": False}, {"dynamic_img_size": True}):  # Swin; ViT
                try:
                    return architecture(encoder, **arguments, **free_size)
                except TypeError:  # the encoder does not know this key
                    continue
    return architecture(encoder, **arguments)


def _weights_missing(config: ModelConfig, named_weights: str | None, error: Exception) -> ConfigError:
    return ConfigError(
        f"model.encoder_weights: could not get {named_weights!r} for {config.encoder}: {error}\n"
        "On a machine without internet give a local file instead: --set model.encoder_weights=/path/to/encoder.pth "
        "(a state dict of the smp encoder), or null for random weights."
    )
