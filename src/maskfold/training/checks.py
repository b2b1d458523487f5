"""What is refused before a training starts: losses, mixing and augmentations that do not fit the competition."""

from __future__ import annotations

from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.errors import ConfigError
from maskfold.pixels.intensity import Intensity
from maskfold.training.losses import check_loss
from maskfold.training.samples.augmentation import check_augmentation


def check_training(config: Experiment, competition: Competition, intensity: Intensity | None) -> None:
    """Raise ConfigError for a loss, a mixing or an augmentation that does not fit the competition."""
    names = competition.class_names
    for number, phase in enumerate(config.train.phases()):
        key = f"train.then[{number - 1}]" if number else "train"
        check_loss(phase.loss, len(names), f"{key}.loss")
        unknown = [name for name in phase.mixing.copy_paste_classes or () if name not in names]
        if unknown:
            raise ConfigError(
                f"{key}.mixing.copy_paste_classes: unknown {', '.join(unknown)}; classes are {', '.join(names)}"
            )
    check_augmentation(config.train, config.model.in_channels, intensity is not None and intensity.stored != "uint8")
