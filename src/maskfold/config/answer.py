"""From trained networks to the answer file and its report."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section


class InferenceConfig(Section):
    """From an image to probabilities; the same for OOF and test images."""

    tta: tuple[Literal["hflip", "vflip", "rot180"], ...] = ("hflip",)  # the untouched image always takes part
    batch_size: int = Field(16, ge=1)
    pad_multiple: int = Field(32, ge=32, multiple_of=32)  # px; sides are padded to it; coarser: fewer, fuller batches
    shard_images: int = Field(256, ge=1)  # test images a shard; a killed run continues at the last whole shard

    @model_validator(mode="after")
    def _distinct_views(self) -> InferenceConfig:
        if len(set(self.tta)) == 3 or len(set(self.tta)) != len(self.tta):
            raise ValueError(f"tta: hflip and vflip together already hold rot180; found {list(self.tta)}")
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


class SubmissionConfig(Section):
    """The answer file; its rows and order follow the competition's sample file where there is one."""

    layout: Literal["image_class_id", "image_class_columns", "image"] = "image_class_columns"
    columns: tuple[str, ...] | None = None  # null: the usual names of the layout
    order: Literal["column", "row"] = "column"
    empty_token: str = ""

    @model_validator(mode="after")
    def _column_count(self) -> SubmissionConfig:
        expected = 3 if self.layout == "image_class_columns" else 2
        if self.columns is not None and len(self.columns) != expected:
            raise ValueError(f"layout {self.layout} has {expected} columns, found {len(self.columns)}")
        return self

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names of the answer file, in order."""
        usual = {
            "image_class_id": ("ImageId_ClassId", "EncodedPixels"),
            "image_class_columns": ("ImageId", "ClassId", "EncodedPixels"),
            "image": ("id", "rle_mask"),
        }
        return self.columns or usual[self.layout]


class ReportConfig(Section):
    """The HTML page of a run."""

    examples: int = Field(12, ge=0)  # OOF images a gallery
