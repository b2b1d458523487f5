"""Training of one fold: what is drawn, how it is augmented, the loss, the learning rate and the machine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

PIXEL_LOSSES = ("bce", "focal")
MASK_LOSSES = (*PIXEL_LOSSES, "dice", "log_dice", "tversky", "lovasz", "lovasz_symmetric", "dice_cross_entropy")

Augmentation = Literal["none", "light", "medium", "heavy", "people"]


class LossConfig(Section):
    """Weights of the terms of the training loss (zero leaves a term out), and what shapes them."""

    bce: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)
    log_dice: float = Field(0.0, ge=0)
    focal: float = Field(0.0, ge=0)
    tversky: float = Field(0.0, ge=0)
    lovasz: float = Field(0.0, ge=0)  # hinge
    lovasz_symmetric: float = Field(0.0, ge=0)  # the mean of lovasz and lovasz with mask and background exchanged
    dice_cross_entropy: float = Field(0.0, ge=0)  # the geometric mean of Dice loss and cross-entropy
    classification: float = Field(0.3, ge=0)  # of the classification head's BCE, when there is such a head
    class_weights: tuple[float, ...] | None = None  # one a class; null: every class counts the same
    positive_weight: float | tuple[float, ...] | None = None  # of mask pixels in bce: one number, or one a class
    label_smoothing: float = Field(0.0, ge=0, lt=0.5)  # of bce: targets are this far from 0 and 1
    focal_gamma: float = Field(2.0, ge=0)
    focal_alpha: float | None = Field(None, gt=0, lt=1)  # of mask pixels; background has 1 - alpha; null: none
    tversky_alpha: float = Field(0.3, gt=0, lt=1)  # weight of false positives; false negatives have 1 - alpha
    border_weight: float = Field(0.0, ge=0)  # extra weight of border pixels in the pixel losses (bce, focal)
    border_kernel: int = Field(5, ge=3)  # px, odd: the border is the mask minus its erosion with this square

    @model_validator(mode="after")
    def _usable(self) -> LossConfig:
        if not any(getattr(self, name) for name in MASK_LOSSES):
            raise ValueError(f"every mask loss has weight 0; give at least one of {', '.join(MASK_LOSSES)} a weight")
        if self.border_kernel % 2 == 0:
            raise ValueError(f"border_kernel: must be odd, found {self.border_kernel}")
        if self.border_weight and not any(getattr(self, name) for name in PIXEL_LOSSES):
            raise ValueError(f"border_weight: weighs the pixel losses, but {' and '.join(PIXEL_LOSSES)} have weight 0")
        return self


class SubsetConfig(Section):
    """A balanced part of the training images, the same in every epoch."""

    empty: int = Field(ge=0)  # at most so many images without any mask
    per_class: int | None = Field(None, ge=1)  # images that show each class, at least (all where there are fewer)


class SamplingConfig(Section):
    """Which training images an epoch draws, and where it crops them."""

    non_empty_share: float | None = Field(None, gt=0, le=1)  # share of drawn images that show something; null: as it is
    final_non_empty_share: float | None = Field(None, gt=0, le=1)  # reached in equal steps at the last epoch
    class_balance: float = Field(0.0, ge=0, le=1)  # 0: non-empty images drawn equally often; 1: classes equally often
    defect_crop_share: float = Field(0.5, ge=0, le=1)  # share of crops of non-empty images that must show something
    draws_per_epoch: int | None = Field(None, ge=1)  # null: as many as there are training images
    subset: SubsetConfig | None = None

    @model_validator(mode="after")
    def _schedule_has_a_start(self) -> SamplingConfig:
        if self.final_non_empty_share is not None and self.non_empty_share is None:
            raise ValueError("final_non_empty_share: needs non_empty_share, the share to start from")
        return self


class ScheduleConfig(Section):
    """The course of the learning rate, step by step; every stage of a training runs its own."""

    kind: Literal["cosine", "one_cycle", "constant", "plateau"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)  # linear, before cosine and constant; one_cycle brings its own
    final_factor: float = Field(0.0, ge=0, lt=1)  # of the learning rate, where cosine and one_cycle end
    plateau_patience: int = Field(3, ge=0)  # validations without a better metric before the rate falls
    plateau_factor: float = Field(0.3, gt=0, lt=1)


class TrainStage(Section):
    """A further stage of a training; what it leaves out stays as in the stage before it."""

    epochs: int = Field(ge=1)
    crop_size: tuple[int, int] | Literal["whole"] | None = None
    batch_size: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    encoder_learning_rate: float | None = Field(None, gt=0)
    augmentation: Augmentation | tuple[dict[str, Any], ...] | None = None
    sampling: SamplingConfig | None = None
    schedule: ScheduleConfig | None = None


class TrainConfig(Section):
    """Training of one fold."""

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(16, ge=1)
    crop_size: tuple[int, int] | None = None  # (height, width) after model.resize; null pads all to the largest image
    learning_rate: float = Field(1e-3, gt=0)
    encoder_learning_rate: float | None = Field(None, gt=0)  # null: the same as learning_rate
    weight_decay: float = Field(1e-4, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    accumulate_batches: int = Field(1, ge=1)  # batches a step of the optimiser
    frozen_encoder_epochs: int = Field(0, ge=0)  # the encoder, batch norm too, stays as it came for the first epochs
    schedule: ScheduleConfig = ScheduleConfig()
    then: tuple[TrainStage, ...] = ()  # further stages after these epochs: full images, say, then a low rate
    sampling: SamplingConfig = SamplingConfig()
    augmentation: Augmentation | tuple[dict[str, Any], ...] = "medium"  # a preset, or a list of albumentations
    flips: tuple[Literal["horizontal", "vertical"], ...] = ("horizontal",)
    loss: LossConfig = LossConfig()
    ema_decay: float | None = Field(0.99, gt=0, lt=1)  # null: no moving average of the weights
    # The weights OOF and test use. top: the mean of the top_k best; ensemble: all of these, their predictions averaged.
    select: Literal["best", "last", "top", "ensemble"] = "best"
    top_k: int = Field(1, ge=1)  # checkpoints kept, by the validation metric
    validate_every: int = Field(1, ge=1)  # epochs; divides the number of epochs, so that the last is validated
    early_stopping_patience: int | None = Field(None, ge=1)  # validations without a better metric; null: never stop
    precision: Literal["auto", "32", "bf16"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
    num_nodes: int = Field(1, ge=1)
    compile: bool = False  # torch.compile: a minute or more at the start, then faster steps where it helps
    workers: int | None = Field(None, ge=0)  # loader processes; null: up to four beside a GPU, one on a CPU
    cache: Literal["auto", "ram", "disk", "none"] = "auto"  # of decoded images; auto: in RAM where they fit well

    @model_validator(mode="after")
    def _crops_fit_stride(self) -> TrainConfig:
        for crop in (self.crop_size, *(stage.crop_size for stage in self.then)):
            if isinstance(crop, tuple) and any(side < 32 or side % 32 for side in crop):
                raise ValueError(f"crop_size: sides must be multiples of 32, found {list(crop)}")
        return self

    @model_validator(mode="after")
    def _plateau_stands_alone(self) -> TrainConfig:
        kinds = [self.schedule.kind, *(stage.schedule.kind for stage in self.then if stage.schedule is not None)]
        if self.then and "plateau" in kinds:
            raise ValueError("then: the plateau schedule has one stage only; choose cosine, one_cycle or constant")
        return self

    @model_validator(mode="after")
    def _last_epoch_is_validated(self) -> TrainConfig:
        if self.total_epochs % self.validate_every:
            raise ValueError(f"validate_every: must divide the {self.total_epochs} epochs, found {self.validate_every}")
        return self

    @model_validator(mode="after")
    def _an_ensemble_has_members(self) -> TrainConfig:
        if self.select == "ensemble" and self.top_k < 2:
            raise ValueError(f"select: an ensemble needs top_k of 2 or more, found {self.top_k}")
        return self

    def stages(self) -> list[TrainConfig]:
        """Every stage in order, each as a whole config of its own with `epochs` of its own and no `then`."""
        stages = [self.model_copy(update={"then": ()})]
        for stage in self.then:
            stages.append(stages[-1].model_copy(update=_changes(stage)))
        return stages

    @property
    def total_epochs(self) -> int:
        """Epochs of all stages together."""
        return self.epochs + sum(stage.epochs for stage in self.then)


def _changes(stage: TrainStage) -> dict[str, Any]:
    """What a stage sets, with `whole` crops as TrainConfig writes them."""
    changes = {name: value for name, value in stage if value is not None}
    return {name: None if value == "whole" else value for name, value in changes.items()}
