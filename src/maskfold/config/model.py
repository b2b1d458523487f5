"""The network and the size it sees."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

_LATER = ("init_from", "freeze", "neighbours")  # than the first runs


class Resize(Section):
    """How an image is resized before the network sees it: by a factor, to a longest side, or to a fixed size.

    Exactly one of the three forms. Probabilities always come back at the image's original size.
    """

    scale: float | None = Field(None, gt=0, le=4)
    """Factor on both sides. null: use another form."""

    longest_side: int | None = Field(None, ge=32)
    """Pixels of the longer side; the other follows. null: use another form."""

    size: tuple[int, int] | None = None
    """(height, width) in pixels, whatever the proportions of the image. null: use another form."""

    @model_validator(mode="after")
    def _one_form(self) -> Resize:
        given = [key for key in ("scale", "longest_side", "size") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of scale, longest_side, size; found {', '.join(given) or 'none'}")
        return self


class NormalisationConfig(Section):
    """The mean and standard deviation of pixels that a network expects, with pixel values scaled to 0..1."""

    mean: tuple[float, ...] = Field(min_length=1)
    """Mean of each channel (R, G, B for three)."""

    std: tuple[float, ...] = Field(min_length=1)
    """Standard deviation of each channel."""

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> NormalisationConfig:
        if len(self.mean) != len(self.std):
            raise ValueError(f"give mean and std for the same channels; found {len(self.mean)} and {len(self.std)}")
        if min(self.std) <= 0:
            raise ValueError(f"std: expected numbers above 0, found {list(self.std)}")
        return self


class NeighboursConfig(Section):
    """The images that a network sees besides the one it predicts, as further channels (2.5D)."""

    before: int = Field(1, ge=0, le=50)
    """How many images before it."""

    after: int = Field(1, ge=0, le=50)
    """How many images after it."""

    step: int = Field(1, ge=1)
    """How far apart they are: 2 takes every second image."""

    at_ends: Literal["repeat", "refuse"] = "repeat"
    """What stands for images before the first and after the last of a volume: the first or the last, repeated; or an
    error."""

    @property
    def images(self) -> int:
        """How many images the network sees at once."""
        return self.before + 1 + self.after

    @property
    def offsets(self) -> list[int]:
        """The index of each of them relative to that of the predicted image, ascending."""
        return [self.step * number for number in range(-self.before, self.after + 1)]

    @model_validator(mode="after")
    def _some_neighbour(self) -> NeighboursConfig:
        if self.images == 1:
            raise ValueError("before and after: both are 0; leave neighbours out (null)")
        return self


class ModelConfig(Section):
    """The network: an encoder and a decoder of segmentation-models-pytorch (smp)."""

    architecture: str = "Unet"
    """Any architecture of smp: Unet, UnetPlusPlus, FPN, DeepLabV3Plus, Segformer, …"""

    encoder: str = "resnet34"
    """Any encoder of smp, or `tu-<name>` for one of timm."""

    encoder_weights: str | None = "imagenet"
    """Pretrained weights: a name that smp can download (`imagenet`), or the path of a local state dict (.pth,
    .safetensors; relative paths start at the repository). null: random weights."""

    init_from: str | None = None
    """Start from the whole network of a finished run (its config, such as `configs/NAME.yaml`), of a shared model (its
    folder, or `hf://user/repo@revision`) or of a file (a model.pt, a checkpoint of lightning or a state dict of smp),
    of the same architecture and encoder. Other classes keep what fits (docs/how-to/start-from-trained-weights.md).
    Relative paths start at the repository. null: from `encoder_weights`."""

    freeze: Literal["encoder", "encoder_and_decoder"] | None = None
    """What keeps its weights, and its batch norm statistics, for the whole training. null: nothing, but see
    `train.frozen_encoder_epochs`."""

    encoder_depth: int = Field(5, ge=3, le=5)
    """Number of times the encoder halves the resolution. Lower: fewer parameters, less context."""

    decoder_channels: tuple[int, ...] | None = None
    """Channels of the decoder, one number for each level of `encoder_depth`, coarse to fine; for architectures that
    take them. null: smp's default."""

    attention: Literal["scse"] | None = None
    """Spatial and channel attention in the decoder (Roy et al. 2018), for architectures that take it. null: none."""

    hypercolumns: bool = False
    """Unet only: upsample all levels of the decoder and join them before the last convolution (Hariharan et al.
    2015)."""

    separable_decoder: bool = False
    """Depthwise-separable 3x3 convolutions in the decoder: about a ninth of the computation, for mobile encoders."""

    classification_head: bool = False
    """Also predict which classes are present in the image. Worth it where many images are empty: tuning can then use
    gates."""

    classification_dropout: float = Field(0.2, ge=0, lt=1)
    """Dropout before the classification head."""

    in_channels: int = Field(3, ge=1)
    """Channels of the images: 1 reads them as grey, 3 as RGB; any other number must be that of the files (.npy, TIFF,
    RGBA). Pretrained weights are adapted."""

    neighbours: NeighboursConfig | None = None
    """2.5D: the network also sees the images before and after each in its volume or clip (docs/how-to/neighbours.md).
    Needs `data.volumes`. null: each image alone."""

    normalisation: NormalisationConfig | None = None
    """Mean and deviation of the pixels for a new network. null: those that smp or timm state for the pretrained weights
    of the encoder; ImageNet's for random weights. A trained model keeps those it was trained with."""

    resize: Resize | None = None
    """Resize images before the network. null: original size."""

    @property
    def images(self) -> int:
        """How many images the network sees at once: 1 without neighbours."""
        return 1 if self.neighbours is None else self.neighbours.images

    @property
    def input_channels(self) -> int:
        """Channels of the network's input: those of all images that it sees at once."""
        return self.in_channels * self.images

    def settings(self, exclude: Collection[str] = ()) -> dict[str, Any]:
        """The values that decide weights or predictions; keys that came later are left out at their defaults, so that
        older runs fit.
        """
        found = self.model_dump(exclude={*exclude})
        return {name: value for name, value in found.items() if name not in _LATER or value is not None}

    @model_validator(mode="after")
    def _hypercolumns_fit(self) -> ModelConfig:
        if self.hypercolumns and self.architecture.lower() != "unet":
            raise ValueError(f"hypercolumns: only for the Unet architecture, found {self.architecture}")
        return self

    @model_validator(mode="after")
    def _start_has_weights(self) -> ModelConfig:
        if self.init_from is not None and self.normalisation is not None:
            raise ValueError("normalisation: init_from brings that of its weights; leave one of them out")
        if self.init_from is None and (
            self.freeze == "encoder_and_decoder" or (self.freeze is not None and self.encoder_weights is None)
        ):
            raise ValueError(f"freeze: {self.freeze} would keep random weights; set init_from")
        return self

    @model_validator(mode="after")
    def _normalisation_fits(self) -> ModelConfig:
        given = self.normalisation
        if given is not None and len(given.mean) not in (1, self.in_channels):
            raise ValueError(
                f"normalisation: expected one number, or one for each of in_channels={self.in_channels}, "
                f"found {len(given.mean)}"
            )
        return self
