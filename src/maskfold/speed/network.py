"""The network that is measured: a fold of a run, or one with random weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Blend, Config, Experiment
from maskfold.errors import StaleError, UsageError
from maskfold.network.model import build_model

_CALIBRATION = (4, 128, 160)  # (B, H, W) of the noise that batch normalisation learns random weights' scale from


@dataclass(frozen=True)
class Subject:
    """One network.

    config: of its run; fold: which of the run's networks; trained: whether what it predicts means anything.
    """

    config: Experiment
    fold: int
    trained: bool

    @property
    def weights(self) -> Path:
        """Its model.pt."""
        return RunPaths.of(self.config).model(self.fold)

    @property
    def title(self) -> str:
        """How a table calls it."""
        model = self.config.model
        what = f"{model.architecture} {model.encoder}"
        return f"{self.config.name} fold {self.fold}, {what}" if self.trained else f"{what}, random weights"


def trained_subject(config: Config, fold: int) -> Subject:
    """A trained fold of a run. Raises UsageError for a blend or an unknown fold, StaleError when it is not trained."""
    if isinstance(config, Blend):
        names = ", ".join(f"--run {run.name}" for run in config.experiments)
        raise UsageError(f"{config.name} is a blend; measure its members: {names}")
    if fold not in range(config.folds.models):
        raise UsageError(f"--fold: {config.name} has the folds 0 to {config.folds.models - 1}, found {fold}")
    subject = Subject(config, fold, trained=True)
    if not subject.weights.is_file():
        raise StaleError(
            f"{display(subject.weights)}: fold {fold} of {config.name} is not trained yet; run `python src/train.py "
            f"--config configs/{config.name}.yaml`, or measure random weights: --random-weights "
            f"{config.model.architecture} {config.model.encoder}"
        )
    return subject


def random_subject(names: Sequence[str], class_count: int, folder: Path) -> Subject:
    """A network with random weights, `names` its architecture and encoder, written below `folder` as a run is.

    Its batch normalisation has seen noise, so that values keep the scale they have in a trained network. Raises
    ConfigError for names that smp and timm do not know, with the nearest, UsageError for no class at all.
    """
    architecture, encoder = names
    if class_count < 1:
        raise UsageError(f"--classes: expected 1 or more, found {class_count}")
    config = Experiment.model_validate(
        {
            "name": re.sub("[^A-Za-z0-9_-]", "_", f"random_{architecture}_{encoder}"),
            "output_root": str(folder),
            "data": {
                "format": "rle_csv",
                "root": str(folder),
                "class_names": tuple(str(index + 1) for index in range(class_count)),
            },
            "model": {"architecture": architecture, "encoder": encoder, "encoder_weights": None},
        }
    )
    torch.manual_seed(0)
    model = build_model(config.model, class_count)
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # a plain mean over all it sees
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (_CALIBRATION[0], 3, *_CALIBRATION[1:]), dtype=torch.uint8))
    subject = Subject(config, 0, trained=False)
    subject.weights.parent.mkdir(parents=True)
    torch.save(model.state_dict(), subject.weights)
    return subject
