"""Which training images an epoch uses."""

from __future__ import annotations

from pydantic import Field, model_validator

from maskfold.config.section import Section


class SubsetConfig(Section):
    """A balanced part of the training images, the same in every epoch. Folds and scores keep all images."""

    empty: int = Field(ge=0)
    """Number of empty images, at most."""

    per_class: int | None = Field(None, ge=1)
    """Number of images that show each class, at least (all if there are fewer). null: all non-empty images."""


class SamplingConfig(Section):
    """Which training images an epoch draws, and where it crops them."""

    non_empty_share: float | None = Field(None, gt=0, le=1)
    """Share of non-empty images among those drawn. null: their share in the data."""

    final_non_empty_share: float | None = Field(None, gt=0, le=1)
    """Share of non-empty images in the last epoch, approached in equal steps. null: `non_empty_share` throughout."""

    class_balance: float = Field(0.0, ge=0, le=1)
    """0: every non-empty image is drawn equally often. 1: every class is. Raise it if some classes are rare."""

    defect_crop_share: float = Field(0.5, ge=0, le=1)
    """Share of the crops of non-empty images that must show the class they were drawn for (or any class). Only with
    `train.crop_size`."""

    draws_per_epoch: int | None = Field(None, ge=1)
    """Number of images an epoch. null: as many as there are training images."""

    subset: SubsetConfig | None = None
    """Train on a balanced part of the images. null: on all."""

    @model_validator(mode="after")
    def _schedule_has_a_start(self) -> SamplingConfig:
        if self.final_non_empty_share is not None and self.non_empty_share is None:
            raise ValueError("final_non_empty_share: needs non_empty_share, the share to start from")
        return self
