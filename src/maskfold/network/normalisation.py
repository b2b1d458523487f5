"""The mean and deviation of pixels that an encoder's pretrained weights expect."""

from __future__ import annotations

from typing import NamedTuple

import segmentation_models_pytorch as smp
import timm
import torch
from timm.data.constants import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    IMAGENET_INCEPTION_MEAN,
    IMAGENET_INCEPTION_STD,
)

from maskfold.config import ModelConfig
from maskfold.errors import ConfigError
from maskfold.network.encoder_weights import local_weights

_TIMM = "tu-"


class Normalisation(NamedTuple):
    """The mean and the standard deviation of pixel values in 0..1: one number a channel, R, G, B for three."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def for_channels(self, count: int) -> Normalisation:
        """For images of another number of channels than this has: the averages, for each channel."""
        if count == len(self.mean):
            return self
        return Normalisation(*((float(torch.tensor(numbers).mean()),) * count for numbers in self))

    def repeated(self, images: int) -> Normalisation:
        """For as many images, whose channels follow each other."""
        return self if images == 1 else Normalisation(*(numbers * images for numbers in self))

    def __str__(self) -> str:
        mean, std = ([round(number, 4) for number in numbers] for numbers in self)
        return f"mean {mean}, std {std}"


IMAGENET = Normalisation(IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
_HALF = Normalisation(IMAGENET_INCEPTION_MEAN, IMAGENET_INCEPTION_STD)
_DPN = Normalisation((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3)

# smp's own encoders whose weights were not trained with ImageNet's mean and deviation. smp 0.6 keeps these numbers with
# the weights on its model hub; until 0.4 they were in smp/encoders/*.py and in Cadene's pretrainedmodels.
_OF_ENCODERS = {
    **dict.fromkeys(("inceptionresnetv2", "inceptionv4", "xception"), _HALF),
    **{f"timm-tf_efficientnet_lite{size}": _HALF for size in range(5)},
    **dict.fromkeys(("dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131"), _DPN),
}
_OF_WEIGHTS = {"advprop": _HALF}


def normalisation_of(config: ModelConfig) -> Normalisation:
    """What a new network normalises its pixels with, one number a channel: of each image that it sees the same.

    That of `model.normalisation` if given, else of the encoder's pretrained weights, else ImageNet's (random weights).
    Raises ConfigError for a local file of an encoder whose known weights differ in it.
    """
    return image_normalisation(config).repeated(config.images)


def image_normalisation(config: ModelConfig) -> Normalisation:
    """What a new network normalises one of the images with that it sees, as in `normalisation_of`."""
    count, given = config.in_channels, config.normalisation
    if given is not None:
        return Normalisation(given.mean, given.std).for_channels(count)
    if config.encoder_weights is None:
        return IMAGENET.for_channels(count)
    if local_weights(config) is None:
        return _known(config.encoder, config.encoder_weights).for_channels(count)
    candidates = {weights: _known(config.encoder, weights) for weights in _weights_of(config.encoder)}
    if len(set(candidates.values())) > 1:
        lines = "\n".join(f"  {weights}: {normalisation}" for weights, normalisation in candidates.items())
        name = "write the encoder as tu-<model>.<weights>, or " if config.encoder.startswith(_TIMM) else ""
        raise ConfigError(
            f"model.encoder_weights: {config.encoder_weights} is a file, and pretrained weights of {config.encoder} "
            f"were trained with different normalisations; {name}set model.normalisation: {{mean: [...], std: [...]}}"
            f"\n{lines}"
        )
    return next(iter(candidates.values()), IMAGENET).for_channels(count)


def _weights_of(encoder: str) -> list[str]:
    """The names of the pretrained weights that smp or timm have for an encoder."""
    if not encoder.startswith(_TIMM):
        return list(smp.encoders.encoders[encoder]["pretrained_settings"]) if encoder in smp.encoders.encoders else []
    name, _, tag = encoder.removeprefix(_TIMM).partition(".")
    return [tag] if tag else [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]


def _known(encoder: str, weights: str) -> Normalisation:
    """The normalisation of named weights of an encoder; of timm's models `weights` may be a tag."""
    if not encoder.startswith(_TIMM):
        return _OF_WEIGHTS.get(weights) or _OF_ENCODERS.get(encoder, IMAGENET)
    name = encoder.removeprefix(_TIMM)
    tagged = f"{name.partition('.')[0]}.{weights}"
    settings = timm.models.get_pretrained_cfg(tagged if timm.is_model_pretrained(tagged) else name)
    return IMAGENET if settings is None else Normalisation(tuple(settings.mean), tuple(settings.std))
