"""What is refused before a training starts: losses, mixing and augmentations that do not fit the competition."""

from __future__ import annotations

import torch

from maskfold.config import Experiment, LossConfig
from maskfold.config.loss import MASK_LOSSES
from maskfold.data.competition import Competition
from maskfold.errors import ConfigError
from maskfold.mask_metrics.metric import mask_metric
from maskfold.network.model import Outputs
from maskfold.pixels.intensity import Intensity
from maskfold.training.losses.combined import SegmentationLoss, check_loss
from maskfold.training.samples.augmentation import check_augmentation


def check_training(config: Experiment, competition: Competition, intensity: Intensity | None) -> None:
    """Raise ConfigError for a metric, a loss, a mixing or an augmentation that does not fit the competition."""
    mask_metric(config.tuning)  # raises for one of the user's own that cannot work
    names, soft = competition.class_names, _soft_labels(config, competition)
    for number, phase in enumerate(config.train.phases()):
        key = f"train.then[{number - 1}]" if number else "train"
        check_loss(phase.loss, len(names), f"{key}.loss")
        if competition.exclusive and phase.loss.label_smoothing * (len(names) + 1) >= 1:
            raise ConfigError(
                f"{key}.loss.label_smoothing: with data.exclusive and {len(names)} classes it must be below "
                f"1/{len(names) + 1}, found {phase.loss.label_smoothing:g}"
            )
        hard_only = [name for name in ("lovasz", "lovasz_symmetric") if getattr(phase.loss, name)]
        if soft is not None and hard_only:
            raise ConfigError(
                f"{key}.loss.{hard_only[0]}: {soft}, with values between 0 and 1, which it cannot "
                "take; set it to 0, for example with train.loss.dice in its place"
            )
        if phase.loss.custom is not None:
            _try_custom_loss(phase.loss, len(names), f"{key}.loss.custom: {phase.loss.custom}")
        unknown = [name for name in phase.mixing.copy_paste_classes or () if name not in names]
        if unknown:
            raise ConfigError(
                f"{key}.mixing.copy_paste_classes: unknown {', '.join(unknown)}; classes are {', '.join(names)}"
            )
    deep = intensity is not None and intensity.stored != "uint8"
    check_augmentation(config.train, config.model.in_channels, deep, config.model.images)


def _soft_labels(config: Experiment, competition: Competition) -> str | None:
    """Which labels are probabilities, in words; None if none are."""
    if config.pseudo_labels is not None and config.pseudo_labels.labels == "soft":
        return "the pseudo-labels are soft masks"
    return None if competition.soft is None else "the labels are soft masks"


def _try_custom_loss(config: LossConfig, classes: int, name: str) -> None:
    """Raise ConfigError unless a loss of the user's own has a finite value and gradient on made-up batches.

    Of all masks empty, of masks in half of the pixels, and of the same with a quarter of the pixels ignored.
    """
    draws = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 32, 32, generator=draws)
    masks = (torch.rand(2, classes, 32, 32, generator=draws) < 0.5).float()
    ignored = (torch.rand(2, 1, 32, 32, generator=draws) < 0.25).float()
    loss = SegmentationLoss(config.model_copy(update=dict.fromkeys(MASK_LOSSES, 0.0)))
    for batch, truth, out in (
        ("without any mask", torch.zeros_like(masks), None),
        ("of random masks", masks, None),
        ("with ignored pixels", masks, ignored),
    ):
        given = logits.clone().requires_grad_()
        try:
            value = loss(Outputs(given, None), truth, out)
            value.backward()
        except ConfigError:
            raise
        except Exception as error:  # it is the user's own code
            raise ConfigError(f"{name} fails on a batch {batch}: {type(error).__name__}: {error}") from error
        if not bool(torch.isfinite(value)) or given.grad is None or not bool(torch.isfinite(given.grad).all()):
            found = "no gradient" if given.grad is None else f"{value.item():g} or a gradient that is not finite"
            raise ConfigError(f"{name} gives {found} on a batch {batch}; expected a finite value and gradient")
