"""The whole config of a run: an experiment that is trained, or a blend of experiments."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from maskfold.config.data import DataConfig
from maskfold.config.data.demo import DemoConfig
from maskfold.config.folds import FoldsConfig
from maskfold.config.inference import InferenceConfig
from maskfold.config.model import ModelConfig
from maskfold.config.report import ReportConfig
from maskfold.config.run import RunConfig
from maskfold.config.section import Section
from maskfold.config.submission import SubmissionConfig
from maskfold.config.train import TrainConfig
from maskfold.config.tuning import TuningConfig

Combine = Literal["mean", "geometric", "logit", "vote"]
Tracker = Literal["tensorboard", "csv", "mlflow", "wandb"]

# An override of one of these that is given to a blend also applies to its members: where files are, and the machine.
SHARED_KEYS = ("output_root", "data", "demo", "folds", "train.accelerator", "train.workers", "run", "track")

TRAINING = ("model", "train", "refit", "pseudo_labels")  # the sections of an experiment that a blend does not have


class RefitConfig(Section):
    """Models trained on all labelled images (docs/how-to/train-better.md). They predict the test images instead of
    the fold models, with the rules that were tuned on the out-of-fold predictions of the fold models."""

    models: int = Field(1, ge=1, le=50)
    """How many, each with its own random numbers; their predictions are averaged."""

    start: Literal["encoder", "fold0"] = "encoder"
    """Where its training starts: from the weights of the encoder, as the folds do, or from the trained weights of fold
    0, which saves time."""

    epochs: int | None = Field(None, ge=1)
    """Epochs of each. null: `train.epochs`."""

    minutes: float | None = Field(None, gt=0)
    """Longest training of each, as `train.minutes`. null: `train.minutes`."""


class PseudoLabelsConfig(Section):
    """Confident test predictions of a finished run, used as labels (docs/how-to/pseudo-labels.md). They are never
    validated on."""

    run: Experiment
    """Config file of the finished run. Relative paths start at this config file."""

    min_confidence: float = Field(0.9, ge=0, le=1)
    """Least confidence of an image that is used: that of its least sure class, 0 to 1."""

    max_share: float = Field(0.3, gt=0, lt=1)
    """Largest share of pseudo-labelled images among the training images, and among the draws of an epoch."""

    labels: Literal["hard", "soft"] = "hard"
    """What is learned: `hard`, masks of the pixels from 0.5 on; `soft`, the probabilities themselves, which not every
    loss takes (not the Lovász losses)."""

    def settings(self) -> dict[str, Any]:
        """What decides the pseudo-labels, but for the run; a key that came later is left out at its default."""
        return self.model_dump(exclude={"run", "labels"} if self.labels == "hard" else {"run"})


class BlendConfig(Section):
    """A blend of experiments (docs/how-to/blend.md). It trains nothing, so it has no `model`, `train` and
    `pseudo_labels`; of its `inference` only `shard_images` is used."""

    members: tuple[Experiment, ...] = Field(min_length=2)
    """Config files of the experiments. Relative paths start at this config file. Their `data`, `folds` and
    `output_root` must be those of the blend."""

    combine: Combine = "mean"
    """How probabilities are combined: `mean`, `geometric` mean, `logit` (the mean of their log-odds), or `vote` (the
    share of members that say 0.5 or more)."""

    weights: Literal["equal", "greedy", "optuna"] = "equal"
    """How the members' weights are chosen. Searched weights (`greedy`, `optuna`) are used only if their cross-validated
    score is clearly better than that of equal weights."""

    trials: int = Field(20, ge=1, le=1000)
    """With `greedy`: members picked, with replacement. With `optuna`: weights tried."""

    sample_px: int = Field(2**27, ge=1)
    """Number of out-of-fold pixels, of all classes, on which weights are chosen. Each takes a byte of memory for every
    member."""


class Run(Section):
    """A run on one competition: an Experiment or a Blend. A config file may start from another one: `extends:
    other.yaml`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100)
    """Name of the run and of its files: letters, digits, _ and -."""

    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of all random numbers: folds, weights, sampling, augmentation."""

    output_root: str = "."
    """Folder of the run's files: folds/, oof/, runs/, submissions/ and reports/ are below it. Relative paths start at
    the repository."""

    data: DataConfig
    """Where images and labels are, and in which format."""

    demo: DemoConfig | None = None
    """The generated demo competition. null: the data exists."""

    folds: FoldsConfig = FoldsConfig()
    """How the training images are split."""

    inference: InferenceConfig = InferenceConfig()
    """From an image to probabilities."""

    tuning: TuningConfig = TuningConfig()
    """The exact search for thresholds and minimum areas."""

    submission: SubmissionConfig = SubmissionConfig()
    """The submission file."""

    report: ReportConfig = ReportConfig()
    """The HTML pages of a run."""

    run: RunConfig = RunConfig()
    """How a run uses the machine."""

    track: tuple[Tracker, ...] = ("tensorboard",)
    """Experiment trackers that parameters, curves, pictures, scores and the report go to
    (docs/how-to/track-experiments.md). It makes nothing stale. An empty list: none."""

    @property
    @abstractmethod
    def experiments(self) -> tuple[Experiment, ...]:
        """The experiments that are trained: itself, or the members of a blend."""

    @property
    def combine(self) -> Combine | None:
        """How the predictions of members are combined; None for an experiment, which has none."""
        return None

    @property
    def in_channels(self) -> int:
        """Channels of the images as the networks see them."""
        return self.experiments[0].model.in_channels

    @abstractmethod
    def with_changes(self, change: Callable[[Config], dict[str, Any]]) -> Self:
        """This config with the values that `change` gives; for a blend each member too."""


class Experiment(Run):
    """A run whose models are trained."""

    model: ModelConfig = ModelConfig()
    """The network."""

    train: TrainConfig = TrainConfig()
    """Training of one model."""

    refit: RefitConfig | None = None
    """Models trained on all labelled images, which predict the test images. null: the fold models predict them."""

    pseudo_labels: PseudoLabelsConfig | None = None
    """Test predictions of a finished run that join the training images. null: none."""

    @model_validator(mode="after")
    def _refit_has_true_labels(self) -> Experiment:
        if self.refit is not None and self.pseudo_labels is not None:
            raise ValueError("refit: not together with pseudo_labels, whose labels belong to folds")
        if self.refit is not None and self.refit.start == "fold0" and self.train.select == "ensemble":
            raise ValueError("refit.start: fold0 needs one network a fold, not train.select: ensemble")
        return self

    @property
    def models(self) -> int:
        """How many models are trained: those of the folds, then those of the refit."""
        return self.folds.models + (0 if self.refit is None else self.refit.models)

    def model_title(self, number: int) -> str:
        """`fold 0`, `fold 1`, …, then `refit 0`, …: a model in messages; `model` where a hold-out has one alone."""
        return "model" if number == 0 and self.folds.held_out_once else self._numbered(number)

    def _numbered(self, number: int) -> str:
        refit = number - self.folds.models
        return f"fold {number}" if refit < 0 else f"refit {refit}"

    def model_name(self, number: int) -> str:
        """`fold0`, `fold1`, …, then `refit0`, …: the name of a model and of its folder."""
        return self._numbered(number).replace(" ", "")

    @property
    def refit_numbers(self) -> range:
        """The numbers of the models of the refit; they follow those of the folds."""
        return range(self.folds.models, self.models)

    @property
    def test_numbers(self) -> range:
        """The numbers of the models that predict images without labels."""
        return self.refit_numbers if self.refit is not None else range(self.folds.models)

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """Itself."""
        return (self,)

    def with_changes(self, change: Callable[[Config], dict[str, Any]]) -> Self:
        """This config with the values that `change` gives."""
        return self.model_copy(update=change(self))


class Blend(Run):
    """A run that combines the predictions of trained experiments."""

    blend: BlendConfig
    """The experiments and how they are combined."""

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """The members."""
        return self.blend.members

    @property
    def combine(self) -> Combine | None:
        """How the predictions of members are combined."""
        return self.blend.combine

    def with_changes(self, change: Callable[[Config], dict[str, Any]]) -> Self:
        """This config and every member with the values that `change` gives for each."""
        members = tuple(member.with_changes(change) for member in self.blend.members)
        changed = self.model_copy(update={"blend": self.blend.model_copy(update={"members": members})})
        return changed.model_copy(update=change(self))


Config = Experiment | Blend

PseudoLabelsConfig.model_rebuild()
BlendConfig.model_rebuild()


def parse_config(text: str) -> Config:
    """A config from JSON; of a blend without the sections of training.

    In pydantic's JSON mode a list may stand for a tuple, while strings and numbers stay strict. Raises
    pydantic.ValidationError.
    """
    tree = json.loads(text)
    if tree.get("blend") is None:
        return Experiment.model_validate_json(json.dumps({key: value for key, value in tree.items() if key != "blend"}))
    # A blend's file often extends that of a member, whose training it inherits.
    return Blend.model_validate_json(json.dumps({key: value for key, value in tree.items() if key not in TRAINING}))
