"""Where images and labels lie, and how the folds are cut."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from maskfold.config.section import Section


class RleCsvData(Section):
    """Images in folders, labels as run lengths in a csv: both Severstal forms."""

    format: Literal["rle_csv"] = "rle_csv"
    root: str
    class_names: tuple[str, ...] = Field(min_length=1)  # as the csv's ClassId writes them, in order
    train_images: str = "train_images"
    train_csv: str = "train.csv"
    test_images: str | None = "test_images"
    sample_submission: str | None = "sample_submission.csv"
    groups_csv: str | None = None  # ImageId,GroupId: images that must stay in one fold
    order: Literal["column", "row"] = "column"  # pixel order of the run lengths


class MaskFoldersData(Section):
    """Photos in one folder, one mask image of the same stem a photo in another: the people layout."""

    format: Literal["mask_folders"] = "mask_folders"
    root: str
    class_names: tuple[str, ...] = Field(("mask",), min_length=1, max_length=1)
    train_images: str = "train"
    train_masks: str = "train_mask"
    test_images: str | None = "test"
    sample_submission: str | None = None
    groups_csv: str | None = None
    mask_threshold: int = Field(128, ge=1, le=255)  # a mask pixel is on at this grey value or above


DataConfig = Annotated[RleCsvData | MaskFoldersData, Field(discriminator="format")]


class DemoConfig(Section):
    """The generated demo competition; present only in configs whose data src/make_demo_data.py draws."""

    seed: int = Field(0, ge=0)
    train_images: int = Field(360, ge=8)
    test_images: int = Field(120, ge=1)
    height: int = Field(64, ge=32)  # px
    width: int = Field(400, ge=64)  # px


class FoldsConfig(Section):
    """Stratified, group-respecting folds."""

    count: int = Field(5, ge=2, le=50)
