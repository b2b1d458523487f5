"""Training of one fold: phases, learning rate, augmentation and the machine."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from maskfold.config.loss import LossConfig
from maskfold.config.sampling import MixingConfig, SamplingConfig
from maskfold.config.section import Section

# Keys that came later than the first runs: left out of the record at their defaults.
_LATER = ("minutes", "mixing", "optimizer", "momentum", "decay_norms", "layer_decay", "gradient_checkpointing")
_LATER_IN_PHASES = ("loss", "mixing")

Augmentation = Literal["none", "light", "medium", "heavy", "people"]


class ScheduleConfig(Section):
    """The learning rate over the steps of a phase; each phase runs its own schedule."""

    kind: Literal["cosine", "one_cycle", "constant", "plateau"] = "cosine"
    """`cosine`: falls along half a cosine. `one_cycle`: rises for 30 % of the steps, then falls. `constant`: stays.
    `plateau`: falls when the validation metric stops improving; for a training with one phase."""

    warmup_epochs: float = Field(1.0, ge=0)
    """Epochs of linear increase at the start of `cosine` and `constant`. Fractions are allowed."""

    final_factor: float = Field(0.0, ge=0, lt=1)
    """Where `cosine` and `one_cycle` end, as a share of the learning rate."""

    plateau_patience: int = Field(3, ge=0)
    """With `plateau`: validations without improvement before the learning rate falls."""

    plateau_factor: float = Field(0.3, gt=0, lt=1)
    """With `plateau`: factor on the learning rate each time it falls."""


class TrainPhase(Section):
    """A further phase of a training. Keys that are left out or null stay as in the phase before."""

    epochs: int = Field(ge=1)
    """Epochs of this phase."""

    crop_size: tuple[int, int] | Literal["whole"] | None = None
    """(height, width) of the crops in pixels, or `whole` for whole images."""

    batch_size: int | None = Field(None, ge=1)
    """Images a batch."""

    learning_rate: float | None = Field(None, gt=0, le=10)
    """Peak learning rate."""

    encoder_learning_rate: float | None = Field(None, gt=0, le=10)
    """Peak learning rate of the encoder."""

    augmentation: Augmentation | tuple[dict[str, Any], ...] | None = None
    """A preset or a list of albumentations transforms."""

    mixing: MixingConfig | None = None
    """Samples from several images: keys as in `train.mixing`. Those that are left out have their defaults, so `{}`
    switches mixing off."""

    sampling: SamplingConfig | None = None
    """Which images are drawn: keys as in `train.sampling`. Those that are left out have their defaults, not the values
    of the phase before."""

    loss: LossConfig | None = None
    """The training loss: keys as in `train.loss`. Those that are left out have their defaults, not the values of the
    phase before."""

    schedule: ScheduleConfig | None = None
    """The schedule of the learning rate: keys as in `train.schedule`. Those that are left out have their defaults, not
    the values of the phase before."""


class TrainConfig(Section):
    """Training of one model."""

    epochs: int = Field(30, ge=1)
    """Epochs of the first phase (all of them, unless `then` adds phases)."""

    minutes: float | None = Field(None, gt=0)
    """Longest training of one model, minutes of wall-clock time. The learning rate then follows the epochs or the
    minutes, whichever is further along, so a slow machine shortens the training and not the end of the schedule. null:
    no limit, and the same seed gives the same weights."""

    batch_size: int = Field(16, ge=1)
    """Images a batch. Lower it if memory runs out, and raise `accumulate_batches`."""

    crop_size: tuple[int, int] | None = None
    """(height, width) of random crops in pixels, after `model.resize`; multiples of 32. null: whole images, padded to
    the largest."""

    learning_rate: float = Field(1e-3, gt=0, le=10)
    """Peak learning rate."""

    encoder_learning_rate: float | None = Field(None, gt=0, le=10)
    """Peak learning rate of the encoder; a pretrained one often needs less. null: `learning_rate`."""

    optimizer: Literal["adamw", "adam", "sgd", "nadamw", "lion", "muon"] = "adamw"
    """The optimiser, of torch or timm. `adam`: its weight decay is part of the gradient. `sgd`: with Nesterov momentum.
    `lion`: takes a third to a tenth of AdamW's learning rate (Chen et al. 2023). `muon`: for matrices and convolutions,
    AdamW for the rest, with AdamW's learning rates (docs/how-to/train-better.md)."""

    momentum: float = Field(0.9, gt=0, lt=1)
    """Momentum of `sgd` and `muon`."""

    weight_decay: float = Field(1e-4, ge=0)
    """Weight decay of the optimiser."""

    decay_norms: bool = True
    """Weight decay of biases, of the weights of norms and of position embeddings too. false: not of them."""

    layer_decay: float | None = Field(None, gt=0, lt=1)
    """Factor on the learning rate of each layer of the encoder for every layer above it, as ViTs are fine-tuned with
    (0.65 to 0.9). Layers are timm's. null: one rate for the whole encoder."""

    gradient_checkpointing: bool = False
    """Compute the encoder's activations twice instead of keeping them: less memory, slower steps. For timm's encoders.
    Batch norm takes its statistics twice a step."""

    gradient_clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient; larger ones are scaled down to it."""

    accumulate_batches: int = Field(1, ge=1)
    """Batches a step of the optimiser: a larger effective batch without more memory."""

    frozen_encoder_epochs: int = Field(0, ge=0)
    """The encoder, including its batch norm, is not trained for this many epochs at the start."""

    schedule: ScheduleConfig = ScheduleConfig()
    """The schedule of the learning rate."""

    then: tuple[TrainPhase, ...] = ()
    """Further phases after these epochs, for example with whole images or a lower learning rate."""

    sampling: SamplingConfig = SamplingConfig()
    """Which images are drawn."""

    augmentation: Augmentation | tuple[dict[str, Any], ...] = "medium"
    """A preset, or a list of albumentations transforms such as `[{RandomBrightnessContrast: {p: 0.5}}]`
    (docs/how-to/train-better.md). Flips are set by `flips`."""

    mixing: MixingConfig = MixingConfig()
    """Samples made from several images. By default each is of one image."""

    flips: tuple[Literal["horizontal", "vertical"], ...] = ("horizontal",)
    """Random flips, each with probability 0.5. Leave out those that make an image implausible. `[]`: none."""

    loss: LossConfig = LossConfig()
    """The training loss."""

    ema_decay: float | None = Field(0.99, gt=0, lt=1)
    """Decay, for each step, of the moving average of the weights, which is validated and kept. null: no average."""

    select: Literal["best", "last", "top", "soup", "ensemble"] = "best"
    """Which weights are kept. `best`: those with the best validation metric. `last`: those of the last epoch. `top`:
    the mean of the `top_k` best. `soup`: the mean of those of the `top_k` best that each make it better on the
    validation images. `ensemble`: the `top_k` best, their predictions averaged, at `top_k` times the cost.
    All but `last` choose on the validation images, which makes out-of-fold scores slightly too good."""

    top_k: int = Field(1, ge=1)
    """Number of checkpoints kept, by the validation metric. `ensemble` and `soup` need at least 2."""

    validate_every: int | None = Field(1, ge=1)
    """Validate after every this many epochs; must divide the total number of epochs. null: never, which needs `select:
    last`."""

    early_stopping_patience: int | None = Field(None, ge=1)
    """Stop after this many validations without improvement. null: never."""

    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """`auto`: bf16 if the hardware computes it fast; else fp16 on a GPU with tensor cores (V100, T4), with scaled
    gradients; else float32. `"32"` (quoted): float32, for exact comparisons."""

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto`: a GPU if there is one."""

    devices: int = Field(1, ge=1)
    """GPUs (or CPU processes) that train one model together, on each machine."""

    num_nodes: int = Field(1, ge=1)
    """Machines that train one model together."""

    compile: bool = False
    """Compile the network (torch.compile): a minute or more at the start, then often faster steps."""

    workers: int | None = Field(None, ge=0, le=512)
    """Processes that load images, for training and prediction. null: up to four with a GPU, one on a CPU. 0: none. At
    most four for each core that the run may use are started."""

    cache: Literal["auto", "ram", "disk", "none"] = "auto"
    """Where decoded images are kept: `ram`, `disk` (a memory-mapped temporary file), `none`. `auto`: RAM if they need
    at most a quarter of what is free, else none."""

    @model_validator(mode="after")
    def _crops_fit_stride(self) -> TrainConfig:
        for crop in (self.crop_size, *(phase.crop_size for phase in self.then)):
            if isinstance(crop, tuple) and any(side < 32 or side % 32 for side in crop):
                raise ValueError(f"crop_size: sides must be multiples of 32, found {list(crop)}")
        return self

    @model_validator(mode="after")
    def _lovasz_has_hard_masks(self) -> TrainConfig:
        for phase in self.phases():
            lovasz = [name for name in ("lovasz", "lovasz_symmetric") if getattr(phase.loss, name)]
            if phase.mixing.mixup and lovasz:
                raise ValueError(
                    f"mixing.mixup: its masks lie between 0 and 1, which loss.{lovasz[0]} cannot take; set one of them "
                    "to 0, or use mixing.cutmix"
                )
        return self

    @model_validator(mode="after")
    def _plateau_stands_alone(self) -> TrainConfig:
        kinds = [self.schedule.kind, *(phase.schedule.kind for phase in self.then if phase.schedule is not None)]
        if self.then and "plateau" in kinds:
            raise ValueError("then: the plateau schedule allows one phase only; choose cosine, one_cycle or constant")
        return self

    @model_validator(mode="after")
    def _minutes_have_one_phase(self) -> TrainConfig:
        if self.minutes is not None and (self.then or self.schedule.kind == "plateau"):
            raise ValueError("minutes: only with one phase (no `then`) and without the plateau schedule")
        return self

    def settings(self) -> dict[str, Any]:
        """What decides the weights; keys that came later are left out at their defaults, so that older runs fit."""
        found = self.model_dump(exclude={"workers", "accelerator", "cache"})
        found["loss"] = self.loss.settings()
        for phase, given in zip(found["then"], self.then, strict=True):
            phase["loss"] = None if given.loss is None else given.loss.settings()
            for name in _LATER_IN_PHASES:
                if phase[name] is None:
                    del phase[name]
        usual = {name: type(self).model_fields[name].get_default() for name in _LATER}
        return {name: value for name, value in found.items() if name not in usual or getattr(self, name) != usual[name]}

    @model_validator(mode="after")
    def _last_epoch_is_validated(self) -> TrainConfig:
        if self.validate_every is None:
            if self.select != "last" or self.early_stopping_patience is not None or self.schedule.kind == "plateau":
                raise ValueError("validate_every: null needs select: last, no early_stopping_patience, no plateau")
            return self
        if self.total_epochs % self.validate_every:
            raise ValueError(f"validate_every: must divide the {self.total_epochs} epochs, found {self.validate_every}")
        return self

    @model_validator(mode="after")
    def _an_ensemble_has_members(self) -> TrainConfig:
        if self.select in ("ensemble", "soup") and self.top_k < 2:
            kind = "an ensemble" if self.select == "ensemble" else "a soup"
            raise ValueError(f"select: {kind} needs top_k of 2 or more, found {self.top_k}")
        return self

    def phases(self) -> list[TrainConfig]:
        """Every phase in order, each as a whole config of its own with `epochs` of its own and no `then`."""
        phases = [self.model_copy(update={"then": ()})]
        for phase in self.then:
            phases.append(phases[-1].model_copy(update=_changes(phase)))
        return phases

    @property
    def total_epochs(self) -> int:
        """Epochs of all phases together."""
        return self.epochs + sum(phase.epochs for phase in self.then)


def _changes(phase: TrainPhase) -> dict[str, Any]:
    """What a phase sets, with `whole` crops as TrainConfig writes them."""
    changes = {name: value for name, value in phase if value is not None}
    return {name: None if value == "whole" else value for name, value in changes.items()}
