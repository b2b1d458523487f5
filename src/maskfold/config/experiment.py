"""The whole config of one experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from maskfold.config.data import DataConfig
from maskfold.config.data.demo import DemoConfig
from maskfold.config.folds import FoldsConfig
from maskfold.config.inference import InferenceConfig
from maskfold.config.model import ModelConfig
from maskfold.config.report import ReportConfig
from maskfold.config.section import Section
from maskfold.config.submission import SubmissionConfig
from maskfold.config.train import TrainConfig
from maskfold.config.tuning import TuningConfig

Combine = Literal["mean", "geometric", "vote"]

# An override of one of these that is given to a blend also applies to its members: where files are, and the machine.
SHARED_KEYS = ("output_root", "data", "demo", "folds", "train.accelerator", "train.workers")


class PseudoLabelsConfig(Section):
    """Confident test predictions of a finished run, used as labels (docs/how-to/pseudo-labels.md). They are never
    validated on."""

    run: Config
    """Config file of the finished run. Relative paths start at this config file."""

    min_confidence: float = Field(0.9, ge=0, le=1)
    """Least confidence of an image that is used: that of its least sure class, 0 to 1."""

    max_share: float = Field(0.3, gt=0, lt=1)
    """Largest share of pseudo-labelled images among the training images, and among the draws of an epoch."""


class BlendConfig(Section):
    """A blend of experiments (docs/how-to/blend.md). The blend's own `model` and `train` are not used; of `inference`
    only `shard_images` is."""

    members: tuple[Config, ...] = Field(min_length=2)
    """Config files of the experiments. Relative paths start at this config file. Their `data`, `folds` and
    `output_root` must be those of the blend."""

    combine: Combine = "mean"
    """How probabilities are combined: `mean`, `geometric` mean, or `vote` (the share of members that say 0.5 or
    more)."""

    weights: Literal["equal", "greedy", "optuna"] = "equal"
    """How the members' weights are chosen. Searched weights (`greedy`, `optuna`) are used only if their cross-validated
    score is clearly better than that of equal weights."""

    trials: int = Field(20, ge=1, le=1000)
    """With `greedy`: members picked, with replacement. With `optuna`: weights tried."""

    sample_px: int = Field(2**27, ge=1)
    """Number of out-of-fold pixels, of all classes, on which weights are chosen. Each takes a byte of memory for every
    member."""


class Config(Section):
    """One competition experiment. A config file may start from another one: `extends: other.yaml`."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
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

    model: ModelConfig = ModelConfig()
    """The network."""

    train: TrainConfig = TrainConfig()
    """Training of one model."""

    pseudo_labels: PseudoLabelsConfig | None = None
    """Test predictions of a finished run that join the training images. null: none."""

    inference: InferenceConfig = InferenceConfig()
    """From an image to probabilities."""

    tuning: TuningConfig = TuningConfig()
    """The exact search for thresholds and minimum areas."""

    submission: SubmissionConfig = SubmissionConfig()
    """The submission file."""

    report: ReportConfig = ReportConfig()
    """The HTML pages of a run."""

    blend: BlendConfig | None = None
    """A blend of other experiments instead of a training. null: a plain experiment."""


PseudoLabelsConfig.model_rebuild()
BlendConfig.model_rebuild()


def experiments(config: Config) -> tuple[Config, ...]:
    """The experiments that are trained for a config: the members of a blend, else the config itself."""
    return (config,) if config.blend is None else config.blend.members


def changed_runs(config: Config, change: Callable[[Config], dict[str, Any]]) -> Config:
    """A config, and every member of its blend, with the values that `change` gives for each."""
    if config.blend is not None:
        members = tuple(changed_runs(member, change) for member in config.blend.members)
        config = config.model_copy(update={"blend": config.blend.model_copy(update={"members": members})})
    return config.model_copy(update=change(config))
