"""The whole config of one experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from maskfold.config.data import DataConfig, DemoConfig
from maskfold.config.folds import FoldsConfig
from maskfold.config.inference import InferenceConfig
from maskfold.config.model import ModelConfig
from maskfold.config.report import ReportConfig
from maskfold.config.section import Section
from maskfold.config.submission import SubmissionConfig
from maskfold.config.train import TrainConfig
from maskfold.config.tuning import TuningConfig

Combine = Literal["mean", "geometric", "vote"]

# Where the members' files lie and on what they run; such an override given to a blend reaches its members too.
SHARED_KEYS = ("output_root", "data", "demo", "folds", "train.accelerator", "train.workers")


class PseudoLabelsConfig(Section):
    """Confident test predictions of a finished run that join the training images of each fold; never validated on."""

    run: Config  # written as a config file, relative to the config's own
    min_confidence: float = Field(0.9, ge=0, le=1)  # of an image, as docs/how-to/pseudo-labels.md defines it
    max_share: float = Field(0.3, gt=0, lt=1)  # of the draws of an epoch, at most


class BlendConfig(Section):
    """A blend of experiments. Its own `model`, `train` and `inference` sections play no part, but for shard_images."""

    members: tuple[Config, ...] = Field(min_length=2)  # written as config files, relative to the blend's own
    combine: Combine = "mean"  # of probabilities; vote: the share of the members that say 0.5 or more
    weights: Literal["equal", "greedy", "optuna"] = "equal"  # others stay equal unless their honest score is better
    trials: int = Field(20, ge=1, le=1000)  # greedy: members picked, with replacement; optuna: weights tried
    sample_px: int = Field(2**27, ge=1)  # of the OOF images that weights are chosen on, all classes; in memory


class Config(Section):
    """One competition experiment."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    seed: int = Field(0, ge=0, lt=2**31)
    output_root: str = "."  # folds/, oof/, runs/, submissions/ and reports/ of the run lie below it
    data: DataConfig
    demo: DemoConfig | None = None
    folds: FoldsConfig = FoldsConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    pseudo_labels: PseudoLabelsConfig | None = None  # test images that join the training images of every fold
    inference: InferenceConfig = InferenceConfig()
    tuning: TuningConfig = TuningConfig()
    submission: SubmissionConfig = SubmissionConfig()
    report: ReportConfig = ReportConfig()
    blend: BlendConfig | None = None  # of other experiments; then there is nothing to train


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
