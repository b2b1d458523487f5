"""The training loss: a weighted sum of the terms that a config names, and of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from maskfold.artefacts.own_code import imported
from maskfold.config import LossConfig
from maskfold.errors import ConfigError
from maskfold.network.model import Outputs
from maskfold.training.losses.lovasz import lovasz
from maskfold.training.losses.terms import (
    bce,
    border_weights,
    boundary,
    cross_entropy,
    dice,
    dice_cross_entropy,
    focal,
    log_dice,
    presence_bce,
    tversky,
)

_SURELY_OFF = -1e4  # a logit of probability 0


class SegmentationLoss(nn.Module):
    """Weighted sum of the terms a LossConfig names, each the mean of its classes weighted by `class_weights`.

    The mean is sum(weight * loss) / sum(weight): the scale of class_weights has no effect, only their ratios have.
    """

    class_weights: Tensor | None
    positive_weight: Tensor | None

    def __init__(self, config: LossConfig) -> None:
        super().__init__()
        self.config = config
        positive = config.positive_weight
        # Of a class the object, of a function itself.
        own = None if config.custom is None else imported(config.custom, "train.loss.custom")
        self.custom = own() if isinstance(own, type) else own
        self.register_buffer("class_weights", _tensor(config.class_weights), persistent=False)
        self.register_buffer(
            "positive_weight", _tensor((positive,) if isinstance(positive, float) else positive), persistent=False
        )

    def forward(self, outputs: Outputs, masks: Tensor, ignored: Tensor | None = None) -> Tensor:
        """The loss of a batch, a float32 scalar.

        masks: (B, C, H, W) in {0, 1} or 0..1; ignored: (B, 1, H, W) in {0, 1}, 1 where a pixel is not labelled, None:
        all are. A classification head is trained on which classes the labelled pixels show.
        Raises ConfigError unless the config has one weight a class.
        """
        assert masks.shape == outputs.mask_logits.shape, (masks.shape, outputs.mask_logits.shape)
        check_loss(self.config, masks.shape[1])
        # Under autocast the logits are bf16, too coarse for sums over a whole batch.
        with torch.autocast(masks.device.type, enabled=False):
            logits, truth, labelled = outputs.mask_logits.float(), masks.float(), None
            if ignored is not None:
                out = ignored.bool().expand_as(truth)
                logits, truth = logits.masked_fill(out, _SURELY_OFF), truth.masked_fill(out, 0)
                labelled = 1 - out.float()
            background = None if outputs.background_logits is None else outputs.background_logits.float()
            loss = self._mask_loss(logits, truth, labelled, background)
            if outputs.class_logits is not None and self.config.classification:
                presence = presence_bce(outputs.class_logits.float(), truth, labelled)
                loss = loss + self.config.classification * self._class_mean(presence)
        return loss

    def _mask_loss(self, logits: Tensor, truth: Tensor, labelled: Tensor | None, background: Tensor | None) -> Tensor:
        config, pixels = self.config, labelled
        if config.border_weight:
            pixels = border_weights(truth, config.border_weight, config.border_kernel, labelled)
        terms: dict[str, Callable[[], Tensor]] = {
            "bce": lambda: self._cross_entropy(logits, truth, pixels, background),
            "focal": lambda: focal(logits, truth, pixels, config.focal_gamma, config.focal_alpha),
            "dice": lambda: dice(logits, truth),
            "log_dice": lambda: log_dice(logits, truth),
            "tversky": lambda: tversky(logits, truth, config.tversky_alpha),
            "lovasz": lambda: lovasz(logits, truth),
            "lovasz_symmetric": lambda: lovasz(logits, truth, True, labelled),
            "dice_cross_entropy": lambda: dice_cross_entropy(logits, truth, labelled),
            "boundary": lambda: boundary(logits, truth, labelled),
        }
        weights = {name: getattr(config, name) for name in terms}
        parts = [weight * self._class_mean(terms[name]()) for name, weight in weights.items() if weight]
        if self.custom is not None:
            parts.append(config.custom_weight * self._custom(logits, truth, labelled))
        return torch.stack(parts).sum()

    def _cross_entropy(self, logits: Tensor, truth: Tensor, pixels: Tensor | None, background: Tensor | None) -> Tensor:
        """That of each class, or with a background's logits of the softmax over all of them."""
        shaped = (pixels, self.positive_weight, self.config.label_smoothing)
        return bce(logits, truth, *shaped) if background is None else cross_entropy(logits, background, truth, *shaped)

    def _custom(self, logits: Tensor, truth: Tensor, labelled: Tensor | None) -> Tensor:
        """The user's own loss: one number, or one a class. Raises ConfigError for anything else."""
        assert self.custom is not None
        cost = self.custom(logits, truth, labelled)
        classes = logits.shape[1]
        if not isinstance(cost, Tensor) or cost.shape not in ((), (classes,)):
            found = tuple(cost.shape) if isinstance(cost, Tensor) else type(cost).__name__
            raise ConfigError(
                f"train.loss.custom: {self.config.custom} gives {found}, expected a tensor of shape () or ({classes},)"
            )
        return self._class_mean(cost) if cost.ndim else cost

    def _class_mean(self, losses: Tensor) -> Tensor:
        if self.class_weights is None:
            return losses.mean()
        return (losses * self.class_weights).sum() / self.class_weights.sum()


def check_loss(config: LossConfig, class_count: int, key: str = "train.loss") -> None:
    """Raise ConfigError with all problems, named by the key of the config, unless its weights fit the classes."""
    problems = [
        f"{key}.{name}: {problem}"
        for name, value in (("class_weights", config.class_weights), ("positive_weight", config.positive_weight))
        if (problem := _weights_problem(value, class_count))
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _weights_problem(value: float | tuple[float, ...] | None, class_count: int) -> str | None:
    """What is wrong with one number for all classes, or with one a class; None if they are right."""
    if value is None:
        return None
    numbers = list(value) if isinstance(value, tuple) else [value]
    if isinstance(value, tuple) and len(numbers) != class_count:
        return f"expected one number a class, {class_count}, found {len(numbers)}: {numbers}"
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        return f"expected numbers of at least 0, found {numbers}"
    if not any(numbers):
        return f"expected at least one number above 0, found {numbers}"
    return None


def _tensor(numbers: tuple[float, ...] | None) -> Tensor | None:
    return None if numbers is None else torch.tensor(numbers, dtype=torch.float32)
