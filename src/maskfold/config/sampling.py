"""Which training images an epoch uses, and what samples are made from."""

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


class MixingConfig(Section):
    """Samples made from several training images of the same fold (docs/how-to/mix-samples.md). Every pixel keeps the
    labels, and the ignored pixels, of the image it comes from."""

    copy_paste: float = Field(0.0, ge=0, le=1)
    """Share of samples into which objects of other images are pasted, before the augmentation (Ghiasi et al. 2021)."""

    copy_paste_classes: tuple[str, ...] | None = Field(None, min_length=1)
    """Classes whose objects are pasted. Each is chosen equally often, however rare it is. null: all."""

    copy_paste_objects: int = Field(1, ge=1, le=100)
    """Largest number of objects pasted into one sample; from 1 to this are equally likely. An object is a connected
    area of a mask."""

    cutmix: float = Field(0.0, ge=0, le=1)
    """Share of samples in which a random rectangle comes from another sample (Yun et al. 2019)."""

    mixup: float = Field(0.0, ge=0, le=1)
    """Share of samples that are a weighted mean of two, their masks too (Zhang et al. 2018). Not with the Lovász
    losses, which need masks of 0 and 1."""

    mixup_alpha: float = Field(0.4, gt=0)
    """The weights of `mixup` follow Beta(alpha, alpha): the smaller, the more often one of the two dominates."""

    mosaic: float = Field(0.0, ge=0, le=1)
    """Share of samples whose four quarters, around a random point, come from four samples (YOLOv4, 2020)."""

    @model_validator(mode="after")
    def _one_kind_a_sample(self) -> MixingConfig:
        total = self.cutmix + self.mixup + self.mosaic
        if total > 1 + 1e-9:
            raise ValueError(
                f"cutmix, mixup and mosaic are shares of the samples, one kind each: they sum to {total:g}"
            )
        return self

    @property
    def joins(self) -> bool:
        """Whether any sample is made from several images."""
        return any((self.copy_paste, self.cutmix, self.mixup, self.mosaic))
