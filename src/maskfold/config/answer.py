"""From trained networks to the answer file and its report."""

from __future__ import annotations

import re
from typing import Literal

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


class TuningConfig(Section):
    """The exact search for thresholds and minimum areas on the OOF predictions."""

    metric: Literal["dice", "iou", "tgs_precision", "pooled_dice"] = "dice"
    rule: Literal["auto", "component", "mask", "triplet"] = "auto"  # auto: the best of the three for each class
    connectivity: Literal[4, 8] = 8
    gates: bool = True  # by the classification probability, where the model predicts one
    finishing: bool = True  # try hole filling and keeping only the largest components
    dense_areas: int = Field(256, ge=1, le=8192)  # every minimum area up to this one is tried, then geometric steps
    area_growth: float = Field(1.05, gt=1, le=2)
    trials: int = Field(100, ge=0)  # of the Optuna study over what does not decompose
    bootstrap_samples: int = Field(1000, ge=100)


Layout = Literal["image_class_id", "image_class_columns", "image", "coco_json", "mask_folder"]
ImageNames = Literal["id", "stem", "index"]

CSV_COLUMNS = {  # the usual names
    "image_class_id": ("ImageId_ClassId", "EncodedPixels"),
    "image_class_columns": ("ImageId", "ClassId", "EncodedPixels"),
    "image": ("id", "rle_mask"),
}


class SubmissionConfig(Section):
    """The answer file; its rows and order follow the competition's sample file where there is one."""

    layout: Layout = "image_class_columns"
    columns: tuple[str, ...] | None = None  # of a csv; null: the usual names of the layout
    order: Literal["column", "row"] = "column"
    empty_token: str = ""  # what a csv writes for an empty mask
    # How images are called where no sample file says it: id as the reader has it, stem without suffix, index counted
    # from 0 in the order of file names. A sample file's names speak for themselves, but numbers need index here.
    image_names: ImageNames = "id"
    category_ids: tuple[int, ...] | None = None  # of coco_json, class by class; null: the sample's, or 1, 2, …
    mask_value: int = Field(255, ge=1, le=255)  # of a pixel that is on, in mask_folder

    @model_validator(mode="after")
    def _fits_the_layout(self) -> SubmissionConfig:
        expected = len(CSV_COLUMNS.get(self.layout, ()))
        for key in ("columns", "empty_token"):
            if not expected and getattr(self, key):
                raise ValueError(f"{key}: layout {self.layout} is no csv; leave it out")
        if self.columns is not None and len(self.columns) != expected:
            raise ValueError(f"layout {self.layout} has {expected} columns, found {len(self.columns)}")
        if self.layout == "coco_json" and self.order != "column":
            raise ValueError("order: COCO's run lengths are column-major; leave it out")
        if self.category_ids is not None and self.layout != "coco_json":
            raise ValueError(f"category_ids: goes with layout coco_json, found {self.layout}")
        if self.category_ids is not None and len(set(self.category_ids)) != len(self.category_ids):
            raise ValueError(f"category_ids: a category is given twice in {list(self.category_ids)}")
        return self

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names of the answer file, in order; none where it is no csv."""
        return self.columns or CSV_COLUMNS.get(self.layout, ())


class ReportConfig(Section):
    """The HTML pages of a run."""

    examples: int = Field(12, ge=0)  # OOF images of a kind (worst, …) on the first page
    oof_gallery: bool = True  # a page of all OOF images; some 10 kB each
    test_gallery: bool = True  # a page of all test images with the submitted masks
    picture_px: int = Field(512, ge=64, le=4096)  # longest side of the galleries' pictures
