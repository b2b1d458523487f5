"""From an image to probabilities."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from pydantic import Field, model_validator

from maskfold.config.section import Section

_TTA_TURNS = ("hflip", "vflip", "rot180", "rot90")
TTA_SCALE = "scale"
_UNCHANGED = "image"  # the view that is the image as it is


def view_names(tta: Sequence[str], square: bool = True) -> list[str]:
    """The views that `inference.tta` stands for, in the order in which they are predicted.

    tta: as in the config; square: whether the network's input is, so that it may be turned by 90 degrees. `image` is
    the unchanged one; others are named after all that is done to them: hflip, hflip+scale1.25.
    """
    quarters = ("", "rot90", "rot180", "rot270") if square else ("", "rot180")
    turns = [quarters if name == "rot90" else ("", name) for name in tta if not name.startswith(TTA_SCALE)]
    scales = ["", *(name for name in tta if name.startswith(TTA_SCALE))]
    return ["+".join(filter(None, (*turned, scale))) or _UNCHANGED for scale in scales for turned in product(*turns)]


class InferenceConfig(Section):
    """From an image to probabilities; the same for out-of-fold and test images."""

    tta: tuple[str, ...] = ("hflip",)
    """Test-time augmentation: views whose predictions are averaged with that of the unchanged image, which always
    takes part. `hflip` and `vflip`: flips (together they include the half turn). `rot180`: the half turn. `rot90`: all
    quarter turns; of images that are not square only the half turn. `scale0.5` to `scale2`, such as `scale1.25`:
    resized. Views combine, so that `[hflip, vflip, scale1.25]` takes eight passes. `[]`: the image alone."""

    view_weights: dict[str, float] | None = None
    """How much each view counts, by name: `image` is the unchanged one, `hflip+scale1.25` both flipped and resized.
    Views that are not named are not predicted. `python src/choose_views.py` finds weights on out-of-fold predictions.
    null: all views count the same."""

    batch_size: int = Field(16, ge=1)
    """Images a batch. Lower it if memory runs out."""

    pad_multiple: int = Field(32, ge=32, multiple_of=32)
    """Sides of images are padded to a multiple of this many pixels. With images of many sizes, a larger value gives
    fewer, fuller batches but more padding."""

    shard_images: int = Field(256, ge=1)
    """Test images a shard. A stopped run continues after the last complete shard."""

    tile_size: tuple[int, int] | None = None
    """(height, width) in pixels, after `model.resize`; multiples of 32 from 64. Images are predicted in overlapping
    tiles of this size: for images too large for the memory. null: whole images."""

    tile_overlap: int = Field(64, ge=0)
    """Least overlap of neighbouring tiles in pixels, at most half a tile; their predictions are blended there."""

    @model_validator(mode="after")
    def _distinct_views(self) -> InferenceConfig:
        for name in self.tta:
            if name not in _TTA_TURNS and not re.fullmatch(TTA_SCALE + r"(0\.[5-9]\d*|1\.\d*[1-9]\d*|2(\.0)?)", name):
                names = ", ".join(_TTA_TURNS)
                raise ValueError(f"tta: expected {names}, or {TTA_SCALE}0.5 to {TTA_SCALE}2 without 1; found {name!r}")
        turns = [name for name in self.tta if name in _TTA_TURNS]
        whole_group = {"hflip", "vflip"} <= set(turns) and len(turns) > 2
        if len(set(self.tta)) != len(self.tta) or whole_group or {"rot90", "rot180"} <= set(turns):
            raise ValueError(
                "tta: a view would be used twice (hflip with vflip includes rot180; rot90 includes rot180 and, with "
                f"one flip, the other); found {list(self.tta)}"
            )
        return self

    @model_validator(mode="after")
    def _weights_of_views(self) -> InferenceConfig:
        if self.view_weights is None:
            return self
        names = view_names(self.tta)
        unknown = [name for name in self.view_weights if name not in names]
        if unknown or min(self.view_weights.values(), default=0) < 0:
            raise ValueError(
                f"view_weights: expected weights of 0 or more for {', '.join(names)} (the views of tta); found "
                f"{self.view_weights}"
            )
        if not any(self.view_weights.get(name) for name in view_names(self.tta, square=False)):
            raise ValueError(
                "view_weights: at least one view that images of every form have needs a weight above 0; found "
                f"{self.view_weights}"
            )
        return self

    @model_validator(mode="after")
    def _tiles_fit(self) -> InferenceConfig:
        if self.tile_size is not None:
            if any(side < 64 or side % 32 for side in self.tile_size):
                raise ValueError(f"tile_size: sides must be multiples of 32 from 64, found {list(self.tile_size)}")
            if self.tile_overlap > min(self.tile_size) // 2:
                raise ValueError(f"tile_overlap: at most half a tile, found {self.tile_overlap}")
        return self
