"""The model: an smp network with its normalisation, built from a config or loaded from a checkpoint."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from maskfold.artefacts.paths import display
from maskfold.config import ModelConfig
from maskfold.errors import ConfigError, StaleError
from maskfold.network.architectures import (
    UNFIT,
    build_network,
    does_not_fit,
    own_size,
)
from maskfold.network.encoder_weights import load_encoder, local_weights
from maskfold.network.exclusive import against_rest, mean_scores
from maskfold.network.normalisation import IMAGENET, Normalisation, normalisation_of
from maskfold.pixels.geometry import padded_size
from maskfold.pixels.intensity import STORED_TYPES, Intensity

STRIDE = 32  # every side of a network input must be a multiple of this, whatever the encoder depth

# PAN halves its deepest map, of a sixteenth of the image, three times more.
_PAN_SMALLEST_SIDE = 128

_OWN = ("mean", "std")  # buffers of SegmentationModel

_LOGIT_EPS = 1e-6  # from 0 and 1; far below a step of 8-bit probabilities

_TRIAL_SIZE = (128, 160)  # (height, width) in px: small, not square, and large enough for every architecture


class Outputs(NamedTuple):
    """What the network returns.

    mask_logits: (B, C, H, W) float; class_logits: (B, C) float, or None without a classification head;
    background_logits: (B, 1, H, W) float where classes exclude each other, else None. The sigmoid makes probabilities
    of all of them, which of exclusive classes and background are those of the softmax.
    """

    mask_logits: Tensor
    class_logits: Tensor | None
    background_logits: Tensor | None = None


class CheckpointMean(nn.Module):
    """Several trained networks of one architecture as one: its logits are those of their mean probability.

    Where classes exclude each other, they are the scores of the mean softmax.
    """

    def __init__(self, networks: Sequence[nn.Module], exclusive: bool = False) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.mean_masks = mean_scores if exclusive else _mean_logits

    def forward(self, normalised: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Mask logits (B, C, H, W) float32, and with a classification head class logits (B, C) float32."""
        results = [network(normalised) for network in self.networks]
        if not isinstance(results[0], tuple):
            return self.mean_masks(results)
        masks, classes = zip(*results, strict=True)
        return self.mean_masks(masks), _mean_logits(classes)


def _mean_logits(logits: Sequence[Tensor]) -> Tensor:
    """The logits of the mean probability; float(), as a sigmoid in bf16 has too few steps near 1."""
    mean = torch.stack([each.float().sigmoid() for each in logits]).mean(dim=0)
    return torch.logit(mean, eps=_LOGIT_EPS)


class SegmentationModel(nn.Module):
    """An smp network that takes pixels as they are stored, so that their scaling travels with the weights.

    A state dict without `mean` and `std` is of a network with ImageNet's; one without `low` and `high` of a network for
    8 bits, 0..255; one without `exclusive` of a network whose classes may overlap.
    """

    mean: Tensor
    std: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, network: nn.Module, normalisation: Normalisation) -> None:
        """normalisation: one number a channel."""
        super().__init__()
        self.network = network
        self.smallest_side = _PAN_SMALLEST_SIDE if isinstance(network, smp.PAN) else 1
        stored = normalisation != IMAGENET.for_channels(len(normalisation.mean))
        mean, std = (255 * torch.tensor(numbers) for numbers in normalisation)
        self.register_buffer("mean", mean, persistent=stored)
        self.register_buffer("std", std, persistent=stored)
        self.intensity: Intensity | None = None
        self.is_exclusive = False

    def exclude(self) -> None:
        """Take the network's outputs for scores of classes that exclude each other; that of the background is 0."""
        self.is_exclusive = True
        self.register_buffer("exclusive", torch.tensor(True))

    def scale_as(self, intensity: Intensity | None) -> None:
        """Take stored values of this range for 0..255; None: the values are 0..255 as they are."""
        self.intensity = intensity
        if intensity is not None:
            self.register_buffer("low", torch.tensor(intensity.low))
            self.register_buffer("high", torch.tensor(intensity.high))
            self.register_buffer("stored", torch.tensor(STORED_TYPES.index(intensity.stored)))

    def normalise_as(self, state: Mapping[str, Tensor]) -> None:
        """Take the normalisation, the intensity and whether classes exclude each other over from a state dict."""
        if "exclusive" in state:
            self.exclude()
        if "mean" in state:
            self.register_buffer("mean", state["mean"])
            self.register_buffer("std", state["std"])
        if "low" in state:
            name = STORED_TYPES[int(state["stored"])]
            self.scale_as(Intensity(name, tuple(state["low"].tolist()), tuple(state["high"].tolist())))

    def forward(self, pixels: Tensor) -> Outputs:
        """pixels: (B, in_channels, H, W) stored values of any type, H and W multiples of STRIDE.

        Raises ConfigError for an image smaller than the architecture can take.
        """
        if min(pixels.shape[2:]) < self.smallest_side:
            raise ConfigError(
                f"model.architecture: {type(self.network).__name__} needs sides of at least {self.smallest_side} px; "
                f"found {pixels.shape[2]}x{pixels.shape[3]} (height x width): crop or resize to larger images"
            )
        values = pixels.float()
        if self.intensity is not None:
            low, high = self.low.view(1, -1, 1, 1), self.high.view(1, -1, 1, 1)
            values = ((values - low) / (high - low)).clamp(0, 1) * 255
        normalised = (values - self.mean.view(1, -1, 1, 1)) / self.std.view(1, -1, 1, 1)
        result = self.network(normalised.contiguous(memory_format=torch.channels_last))
        masks, classes = result if isinstance(result, tuple) else (result, None)
        if not self.is_exclusive:
            return Outputs(masks, classes)
        logits, background = against_rest(masks)
        return Outputs(logits, classes, background)

    def checkpoint_gradients(self) -> None:
        """Let the encoder compute its activations again for the gradient instead of keeping them.

        Raises ConfigError for an encoder that timm cannot do this for.
        """
        module: object = self.network.encoder
        while module is not None and not hasattr(module, "set_grad_checkpointing"):
            module = getattr(module, "model", None)  # smp and timm wrap each other
        try:
            if module is None:
                raise AssertionError("it is not one of timm")
            module.set_grad_checkpointing(True)
        except AssertionError as error:
            raise ConfigError(
                f"train.gradient_checkpointing: this encoder has none ({error}); use one of timm (tu-…), or lower "
                "train.batch_size and raise train.accumulate_batches"
            ) from None

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The parameters of the encoder, which may be pretrained."""
        encoder = self.network.encoder
        assert isinstance(encoder, nn.Module)
        return list(encoder.parameters())


def build_model(config: ModelConfig, class_count: int, with_encoder_weights: bool = True) -> SegmentationModel:
    """The network of a config, in channels_last memory.

    with_encoder_weights=False leaves the encoder random, for callers that load a checkpoint afterwards.
    Raises ConfigError for an unknown architecture or encoder (naming the nearest), for two that do not work together,
    for keys that the architecture does not take, and for encoder weights that cannot be downloaded or do not fit.
    """
    local_file = local_weights(config) if with_encoder_weights else None
    named = config.encoder_weights if with_encoder_weights and local_file is None else None
    network = build_network(config, class_count, named)
    if local_file is not None:
        load_encoder(network.encoder, local_file, config)
    usual = IMAGENET.for_channels(config.input_channels)
    model = SegmentationModel(network, normalisation_of(config) if with_encoder_weights else usual)
    _try_out(model, config, class_count)
    return model.to(memory_format=torch.channels_last)


def _try_out(model: SegmentationModel, config: ModelConfig, class_count: int) -> None:
    """Run one image through the network, so that one that cannot work is refused before the training starts.

    The image has the size in model.resize.size, if given: some timm encoders work at one size only.
    """
    size = (
        _TRIAL_SIZE if config.resize is None or config.resize.size is None else padded_size(*config.resize.size, STRIDE)
    )
    model.eval()
    try:
        found = _output_shape(model, config, size)
    except UNFIT as error:
        if isinstance(error, ConfigError):
            raise
        reason = f"an image of {size[0]}x{size[1]} px fails: {error}{_size_hint(model, config, size)}"
        raise does_not_fit(config, reason) from error
    model.train()
    if found != (1, class_count, *size):
        raise does_not_fit(
            config, f"an image of {size[0]}x{size[1]} px gives masks of shape {found}, not {(1, class_count, *size)}"
        )


def _output_shape(model: SegmentationModel, config: ModelConfig, size: tuple[int, int]) -> tuple[int, ...]:
    """The shape of the mask logits of one image of a size; raises what the network raises."""
    with torch.no_grad():
        pixels = torch.zeros(1, config.input_channels, *size, dtype=torch.uint8)
        logits = model(pixels).mask_logits
        if not bool(logits.isfinite().all()):
            raise ValueError("the masks of a black image are NaN or infinite")
        return tuple(logits.shape)


def _size_hint(model: SegmentationModel, config: ModelConfig, failed: tuple[int, int]) -> str:
    """Which size the encoder works at, tried; or that it does not work at its own size either."""
    own = own_size(config)
    if own is None:
        return ""
    size = padded_size(*own, STRIDE)
    another = "choose another encoder, of a ViT one with patches of 16 px (patch16 in its name)"
    if size == failed:
        return f"; this is its own size, rounded up to a multiple of {STRIDE}: {another}"
    try:
        _output_shape(model, config, size)
    except UNFIT:
        return f"; its own size, {size[0]}x{size[1]} px as a multiple of {STRIDE}, fails too: {another}"
    return (
        f"; it works at its own size only: set model.resize: {{size: [{size[0]}, {size[1]}]}}, and train.crop_size, "
        "where it is given, to the same"
    )


def load_model(path: Path, config: ModelConfig, class_count: int, sha256: str | None = None) -> SegmentationModel:
    """The network of a config with the trained weights of a model.pt; if it holds several checkpoints, their mean.

    sha256: what the caller records as the hash of these weights; the file that is hashed is the one that is read.
    Raises StaleError when the file is missing, unreadable, of another network, or of another hash.
    """
    if not path.is_file():
        raise StaleError(f"{display(path)}: no such weights; run src/train.py with this config")
    try:
        with path.open("rb") as file:
            if sha256 is not None and hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ValueError("the file was replaced or damaged since it was recorded")
            file.seek(0)
            stored = torch.load(file, map_location="cpu", weights_only=True)
        states = stored if isinstance(stored, list) else [stored]
        if not states or not all(isinstance(state, dict) for state in states):
            raise ValueError("it holds no state dict")
        models = [build_model(config, class_count, with_encoder_weights=False) for _ in states]
        for model, state in zip(models, states, strict=True):
            model.normalise_as(state)
            model.load_state_dict(state)
            check_finite(state)
        if any(not torch.equal(getattr(model, name), getattr(models[0], name)) for model in models for name in _OWN):
            raise ValueError("its checkpoints have different normalisations")
        if len({model.intensity for model in models}) > 1:
            raise ValueError("its checkpoints have different ranges of intensity")
        if len({model.is_exclusive for model in models}) > 1:
            raise ValueError("the classes exclude each other in only some of its checkpoints")
    except ConfigError:
        raise
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError, ValueError, TypeError, LookupError) as error:
        # The second line of a state dict's error says what differs.
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2]) or type(error).__name__
        raise StaleError(
            f"{display(path)}: not the weights of this config's network ({reason}); run src/train.py with this config"
        ) from None
    return models[0] if len(models) == 1 else _mean_model(models)


def check_finite(state: Mapping[str, Tensor]) -> None:
    """Raise ValueError for weights that are NaN or infinite: every prediction with them would be nonsense."""
    broken = [name for name, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if broken:
        raise ValueError(f"{len(broken)} of {len(state)} tensors hold NaN or infinite values, {broken[0]} first")


def _mean_model(models: Sequence[SegmentationModel]) -> SegmentationModel:
    """One model whose probabilities are the mean of those of several."""
    networks = [model.network for model in models]
    mean = SegmentationModel(CheckpointMean(networks, models[0].is_exclusive), IMAGENET)
    mean.normalise_as({name: getattr(models[0], name) for name in _OWN})
    if models[0].is_exclusive:
        mean.exclude()
    mean.scale_as(models[0].intensity)
    mean.smallest_side = models[0].smallest_side
    return mean
