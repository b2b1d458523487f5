"""How the minutes are divided: what prediction, tuning and reports take, and what is left for training."""

from __future__ import annotations

from dataclasses import dataclass

from maskfold.planning.constants import (
    FOLD_SHARE,
    FOLDS_SHARE,
    PREDICTION_NS,
    QUARTER,
    REPORT_MS,
    RESERVE,
    START_SECONDS,
    TUNING_NS,
    TUNING_SECONDS,
)
from maskfold.planning.fingerprint import Fingerprint
from maskfold.planning.input_sizes import InputSize
from maskfold.planning.machine import Machine
from maskfold.planning.speed import Speed


@dataclass(frozen=True)
class Clock:
    """Seconds of the budget. fold: training of one fold's model (of the hold-out's); refit: of all models on all
    images; predicting: OOF and test images, both times; rest: everything else; draw: to train on one image."""

    total: float
    fold: float
    refit: float
    predicting: float
    rest: float
    draw: float

    @property
    def fold_draws(self) -> float:
        """Images that one fold's training draws."""
        return max(0.0, self.fold) / self.draw

    @property
    def refit_draws(self) -> float:
        """Images that the refit draws, of all its models."""
        return max(0.0, self.refit) / self.draw


@dataclass(frozen=True)
class Work:
    """What there is to do. seconds: the whole budget; spent: of it, so far; folds: models; held_out: images that are
    predicted out of fold; views: of test-time augmentation, the unchanged image included."""

    seconds: float
    spent: float
    folds: int
    held_out: int
    views: int


def divided(work: Work, facts: Fingerprint, size: InputSize, speed: Speed, machine: Machine) -> Clock:
    """The clock of a plan. A time may come out negative where the budget is too short."""
    height, width = facts.median_size
    maps = height * width * len(facts.classes) * 1e-9
    view = speed.prediction(round(size.predicted_px))
    image = work.views * view + PREDICTION_NS * maps / machine.cores
    oof, test = work.held_out * image, facts.test_images * image
    tuning = TUNING_SECONDS + work.held_out * TUNING_NS * maps / machine.cores
    report = (work.held_out + facts.test_images) * REPORT_MS * 1e-3
    rest = work.spent + START_SECONDS + tuning + report + RESERVE * work.seconds
    draw = speed.training(size.px, machine)
    if work.folds == 1:
        first = work.spent + START_SECONDS + oof + tuning + test
        fold = min(FOLD_SHARE * work.seconds, QUARTER * work.seconds - first)
        fold = max(fold, FOLD_SHARE * work.seconds / 2)  # where prediction takes long, the quarter cannot be kept
        refit = work.seconds - rest - oof - 2 * test - fold
    else:
        # The first submission is that of the first fold alone; so test images are predicted three times.
        training = work.seconds - rest - oof - test * (work.folds + 1)
        fold, refit = FOLDS_SHARE * training / work.folds, (1 - FOLDS_SHARE) * training
        test *= work.folds
    return Clock(work.seconds, fold, refit, oof + 2 * test, rest, draw)
