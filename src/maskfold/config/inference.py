"""From an image to probabilities."""

from __future__ import annotations

import re

from pydantic import Field, model_validator

from maskfold.config.section import Section

TTA_TURNS = ("hflip", "vflip", "rot180", "rot90")


TTA_SCALE = "scale"


class InferenceConfig(Section):
    """From an image to probabilities; the same for OOF and test images."""

    tta: tuple[str, ...] = ("hflip",)  # hflip, vflip, rot180, rot90, scale1.25; the untouched image always takes part
    batch_size: int = Field(16, ge=1)
    pad_multiple: int = Field(32, ge=32, multiple_of=32)  # px; sides are padded to it; coarser: fewer, fuller batches
    shard_images: int = Field(256, ge=1)  # test images a shard; a killed run continues at the last whole shard

    tile_size: tuple[int, int] | None = None  # (height, width) after model.resize; null: images go through whole
    tile_overlap: int = Field(64, ge=0)  # px, at least; the tiles are blended there

    @model_validator(mode="after")
    def _distinct_views(self) -> InferenceConfig:
        for name in self.tta:
            if name not in TTA_TURNS and not re.fullmatch(TTA_SCALE + r"(0\.[5-9]\d*|1\.\d*[1-9]\d*|2(\.0)?)", name):
                raise ValueError(f"tta: {name!r} is none of {', '.join(TTA_TURNS)}, {TTA_SCALE}0.5 to {TTA_SCALE}2")
        turns = [name for name in self.tta if name in TTA_TURNS]
        whole_group = {"hflip", "vflip"} <= set(turns) and len(turns) > 2
        if len(set(self.tta)) != len(self.tta) or whole_group or {"rot90", "rot180"} <= set(turns):
            raise ValueError(
                "tta: a view would be seen twice (hflip with vflip holds rot180, rot90 holds rot180, and with one flip "
                f"every other); found {list(self.tta)}"
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
