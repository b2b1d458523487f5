"""The learning rate, step by step, over all phases of a training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from maskfold.config import ScheduleConfig, TrainConfig

ONE_CYCLE_RISE = 0.3  # of the steps; with ONE_CYCLE_START the numbers of torch's OneCycleLR (Smith & Topin, 2018)
ONE_CYCLE_START = 1 / 25


def rate_factor(schedule: ScheduleConfig, step: float, steps: int, steps_per_epoch: int) -> float:
    """What the learning rate is multiplied by at `step` (from 0) of a phase of `steps`."""
    if schedule.kind == "one_cycle":
        rise = max(1, round(ONE_CYCLE_RISE * steps))
        if step < rise:
            return _cosine(ONE_CYCLE_START, 1.0, step / rise)
        return _cosine(1.0, schedule.final_factor, (step - rise) / max(1, steps - rise))
    if schedule.kind == "plateau":
        return 1.0
    warmup = min(steps - 1, round(schedule.warmup_epochs * steps_per_epoch))
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.kind == "constant":
        return 1.0
    return _cosine(1.0, schedule.final_factor, (step - warmup) / max(1, steps - warmup))


def _cosine(start: float, end: float, progress: float) -> float:
    """From `start` at progress 0 to `end` at 1 along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def rate_over_training(
    phases: Sequence[TrainConfig],
    steps_per_epoch: Sequence[int],
    rate: Callable[[TrainConfig], float],
    elapsed_share: Callable[[], float] | None = None,
) -> Callable[[float], float]:
    """Step of the whole training -> factor on the peak rate of the first phase.

    steps_per_epoch: of the optimiser, one a phase; rate: a phase's peak learning rate (the encoder's or the others');
    elapsed_share: of a training of one phase with a time limit, how much of the time is over, 0 to 1: the schedule
    follows the steps or the time, whichever is further along.
    """

    def factor(step: float) -> float:
        """The factor of the learning rate at a step of the whole training."""
        if elapsed_share is not None:
            step = max(step, elapsed_share() * phases[0].epochs * steps_per_epoch[0])
        for phase, per_epoch in zip(phases, steps_per_epoch, strict=True):
            steps = phase.epochs * per_epoch
            if step < steps:
                return rate(phase) / rate(phases[0]) * rate_factor(phase.schedule, step, steps, per_epoch)
            step -= steps
        # LambdaLR asks once more after the last step.
        return rate(phases[-1]) / rate(phases[0]) * rate_factor(phases[-1].schedule, steps, steps, per_epoch)

    return factor


def encoder_rate(phase: TrainConfig) -> float:
    """The encoder's peak learning rate."""
    return phase.encoder_learning_rate or phase.learning_rate


def decoder_rate(phase: TrainConfig) -> float:
    """The peak learning rate of everything but the encoder."""
    return phase.learning_rate
