"""The network and the size it sees."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section


class Resize(Section):
    """How an image is resized before the network sees it: by a factor, to a longest side, or to a fixed size.

    Exactly one of the three forms. Probabilities always come back at the image's original size.
    """

    scale: float | None = Field(None, gt=0, le=4)
    longest_side: int | None = Field(None, ge=32)
    size: tuple[int, int] | None = None  # (height, width)

    @model_validator(mode="after")
    def _one_form(self) -> Resize:
        given = [key for key in ("scale", "longest_side", "size") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of scale, longest_side, size; found {given or 'none'}")
        return self


class ModelConfig(Section):
    """A segmentation-models-pytorch network."""

    architecture: str = "Unet"
    encoder: str = "resnet34"  # any smp encoder, or tu-<name> for a timm one
    encoder_weights: str | None = "imagenet"  # a name smp can download, the path of a local state dict, or null
    encoder_depth: int = Field(5, ge=3, le=5)
    decoder_channels: tuple[int, ...] | None = None  # only for architectures that take it; one a depth level
    attention: Literal["scse"] | None = None  # in the decoder, for architectures that take it
    hypercolumns: bool = False  # Unet only: all decoder stages upsampled and joined before the head
    separable_decoder: bool = False  # depthwise-separable 3x3 convolutions in the decoder, for mobile encoders
    classification_head: bool = False  # predicts which classes are present, for gates
    classification_dropout: float = Field(0.2, ge=0, lt=1)
    in_channels: int = Field(3, ge=1)  # 1 and 3: images are read as grey or RGB; others: as many as the files have
    resize: Resize | None = None

    @model_validator(mode="after")
    def _hypercolumns_fit(self) -> ModelConfig:
        if self.hypercolumns and self.architecture.lower() != "unet":
            raise ValueError(f"hypercolumns: only for the Unet architecture, found {self.architecture}")
        return self
