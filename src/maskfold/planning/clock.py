"""How the minutes are divided: what prediction, tuning and reports take, and what is left for training."""

from __future__ import annotations

from dataclasses import dataclass

from maskfold.planning.constants import (
    BATCHES,
    FIRST_SHARE,
    GATES_SECONDS_CLASS,
    HEAD_SHARE,
    LEAST_DRAWS,
    LEAST_STEPS,
    MOST_EPOCHS,
    PREDICTION_NS,
    QUARTER,
    REPORT_MS,
    RESERVE,
    SMALL_SET_STEPS,
    START_SECONDS,
    TUNING_NS,
    TUNING_SECONDS,
    TUNING_SECONDS_CLASS,
)
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.input_sizes import InputSize
from maskfold.planning.machine import Machine
from maskfold.planning.speed import Speed


@dataclass(frozen=True)
class Clock:
    """Seconds of the budget. first: training of the first run's model; main: of each model of the planned run;
    predicting: OOF and test images of both runs; rest: everything else; draw: to train on one image."""

    total: float
    first: float
    main: float
    predicting: float
    rest: float
    draw: float

    @property
    def first_draws(self) -> float:
        """Images that the training of the first run draws."""
        return max(0.0, self.first) / self.draw

    @property
    def main_draws(self) -> float:
        """Images that the training of each model of the planned run draws."""
        return max(0.0, self.main) / self.draw


@dataclass(frozen=True)
class Work:
    """What there is to do. seconds: the whole budget; spent: of it, so far; folds: models; held_out, first_held_out:
    images that are predicted out of fold, in the planned and in the first run; views: of test-time augmentation, the
    unchanged image included, an enlarged one by the times that it takes longer."""

    seconds: float
    spent: float
    folds: int
    held_out: int
    first_held_out: int
    views: float


def divided(work: Work, facts: Fingerprint, size: InputSize, speed: Speed, machine: Machine) -> Clock:
    """The clock of a plan. A time may come out negative where the budget is too short."""
    height, width = facts.median_size
    maps = height * width * len(facts.classes) * 1e-9
    view = speed.prediction(round(size.predicted_px))
    image = work.views * view + PREDICTION_NS * maps / machine.cores
    test = facts.test_images * image

    def tuning(images: int) -> float:
        start = tuning_start(len(facts.classes), gates=facts.empty_share >= HEAD_SHARE)
        return start + images * TUNING_NS * maps / machine.cores

    report = (work.held_out + facts.test_images) * REPORT_MS * 1e-3
    draw = speed.training(size.px, machine)
    before = work.spent + START_SECONDS + tuning(work.first_held_out)
    first_predicting = work.first_held_out * image + test
    predicting = first_predicting + work.held_out * image + test * work.folds
    rest = before + tuning(work.held_out) + report + RESERVE * work.seconds
    trainings = work.seconds - rest - predicting
    first = min(FIRST_SHARE * work.seconds, QUARTER * work.seconds - before - first_predicting)
    # Where tuning and prediction take long, the quarter cannot be kept.
    first = max(first, FIRST_SHARE * work.seconds / 2)
    # No longer than a training of the planned run, of which there may be many.
    first = max(min(first, trainings / (work.folds + 1)), min(LEAST_DRAWS, facts.images - work.first_held_out) * draw)
    main = (trainings - first) / work.folds
    return Clock(work.seconds, first, main, predicting, rest, draw)


def tuning_start(classes: int, gates: bool) -> float:
    """Seconds of tuning that do not grow with the images; gates: with a classification head."""
    return TUNING_SECONDS + classes * (TUNING_SECONDS_CLASS + (GATES_SECONDS_CLASS if gates else 0))


def most_draws(trained: int, batch: int) -> int:
    """Images that a training on so many different ones draws at most; more would only learn them by heart."""
    return max(MOST_EPOCHS * trained, SMALL_SET_STEPS * batch)


def least_draws(machine: Machine) -> int:
    """Images that the training of a model should draw: LEAST_STEPS of the smallest batch."""
    return LEAST_STEPS * BATCHES[machine.kind][-1]
