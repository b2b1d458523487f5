"""All stages of a planned run in one process, by the clock: a first submission early, then the planned one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.data.opening import OnBadImage, open_competition
from maskfold.folds.table import read_folds
from maskfold.folds.visibility import scored_images
from maskfold.planning.clock import tuning_start
from maskfold.report.oof_scores import paired_gain, read_image_scores
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.tracked import report_and_track, tune_and_track
from maskfold.stages.train import train_models
from maskfold.tracking.checks import check_trackers

_MARGIN = 0.02  # of the budget, for what the first run did not show
_LEAST_MINUTES = 0.05  # of a training, where the time is up before the last model
_MANY = 50  # scored images, from which on what a stage takes grows with them; of fewer, its start takes most
_START_OOF, _START_REPORT = 6.0, 5.0  # seconds at most of a stage that do not grow with the images
_FEWEST, _CLEAR = 5, 2.0  # images that both runs scored, and standard errors by which one must be better
_LEAST_SHARE = 0.05  # of the budget: a planned run that would train for less is not started


class Deadline:
    """When everything must be done; seconds: from `started` (time.monotonic) on."""

    def __init__(self, started: float, seconds: float) -> None:
        self.started, self.seconds = started, seconds

    @property
    def left(self) -> float:
        """Seconds left; below 0 when the time is up."""
        return self.started + self.seconds - time.monotonic()

    def say(self, text: str) -> None:
        """Print a line with the time that has passed."""
        passed = self.seconds - self.left
        print(f"\n[{_minutes(passed)} of {_minutes(self.seconds)} min] {text}", flush=True)


class Durations(NamedTuple):
    """Seconds that the stages of a run took, after its training."""

    oof: float
    tuning: float
    submission: float
    report: float


def run_plan(
    first: Experiment | None, config: Experiment, deadline: Deadline, on_bad_image: OnBadImage = "strict"
) -> None:
    """Run the first, short run of a plan and then the plan itself, each from its folds to its report.

    first: a short run for an early submission; None: there is none. What is up to date is skipped.
    """
    check_trackers(config.track)
    competition = open_competition(config.data, config.in_channels, on_bad_image)
    expected = None
    if first is not None:
        deadline.say(f"first run, for an early submission: {first.name}")
        expected = _scaled(_run(first, competition, deadline, None), first, config, competition)
        _result(first, deadline, "first submission")
        if not _trained(config) and _training_seconds(deadline, expected) < _LEAST_SHARE * deadline.seconds:
            deadline.say(f"no time is left for {config.name}; give more --minutes, or run it: it has its own config")
            return
    deadline.say(f"planned run: {config.name}")
    _run(config, competition, deadline, expected)
    _result(config, deadline, "submission")
    loss = "" if first is None else _loss(first, config)
    if first is not None and loss:
        deadline.say(f"the first run scored better ({loss}): use {first.name} instead of {config.name}")


def _run(config: Experiment, competition: Competition, deadline: Deadline, expected: Durations | None) -> Durations:
    """All stages of a run; expected: of those after the training, None: the config's minutes are used as they are."""
    make_folds(config, competition)
    for number in range(config.models):
        minutes = None if expected is None else _minutes_of(config, number, deadline, expected)
        if minutes is not None:
            deadline.say(f"training {config.model_title(number)} of {config.name} for {minutes:.1f} min")
        train_models(config, competition, [number], minutes=minutes)
    stages: list[Callable[[], object]] = [
        lambda: predict_oof(config, competition),
        lambda: tune_and_track(config, competition),
        lambda: make_submission(config, competition),
        lambda: report_and_track(config, competition),
    ]
    return Durations(*map(_timed, stages))


def _trained(config: Experiment) -> bool:
    """Whether every model is there, so that nothing needs much time."""
    return all(RunPaths.of(config).model(number).is_file() for number in range(config.models))


def _training_seconds(deadline: Deadline, expected: Durations) -> float:
    """What the later stages leave for training."""
    return deadline.left - sum(expected) - _MARGIN * deadline.seconds


def _minutes_of(config: Experiment, number: int, deadline: Deadline, expected: Durations) -> float | None:
    """The minutes of a model's training: its share of what is left for all; None: those of the config."""
    if config.train.minutes is None or RunPaths.of(config).model(number).is_file():
        return None
    planned = [_planned(config, each) for each in range(number, config.models)]
    return max(_LEAST_MINUTES, _training_seconds(deadline, expected) / 60 * planned[0] / sum(planned))


def _planned(config: Experiment, number: int) -> float:
    """The minutes that the config gives a model."""
    refit = config.refit if number in config.refit_numbers else None
    minutes = None if refit is None else refit.minutes
    return minutes or config.train.minutes or 1.0


def _scaled(found: Durations, first: Experiment, config: Experiment, competition: Competition) -> Durations:
    """What the stages of the planned run will take, from what those of the first run took."""
    scored = len(scored_images(first, competition, read_folds(first, competition)))
    images = scored if config.folds.held_out_once else len(competition.train)
    more = images / max(1, scored)
    once = max(0.0, 1 - scored / _MANY)
    start_tuning = tuning_start(len(competition.class_names), gates=config.model.classification_head)

    def grown(seconds: float, start: float) -> float:
        fixed = once * min(seconds, start)
        return fixed + (seconds - fixed) * more

    oof, tuning, report = (
        grown(seconds, start)
        for seconds, start in ((found.oof, _START_OOF), (found.tuning, start_tuning), (found.report, _START_REPORT))
    )
    return Durations(oof, tuning, found.submission * len(config.test_numbers), report)


def _loss(first: Experiment, config: Experiment) -> str:
    """How much worse the planned run is than the first one, on the images that both scored; "" if it is not clearly."""
    tables = [read_image_scores(RunPaths.of(run).image_scores_csv) for run in (first, config)]
    gain, error, images = paired_gain(*tables)
    if images < _FEWEST or not gain > _CLEAR * error:
        return ""
    return f"{gain:+.4f} ± {error:.4f} on the {images} images that both scored"


def _timed(stage: Callable[[], object]) -> float:
    started = time.monotonic()
    stage()
    return time.monotonic() - started


def _result(config: Experiment, deadline: Deadline, what: str) -> None:
    """Say what a finished run scores and where its results are."""
    paths = RunPaths.of(config)
    tuned = TunedArtefact.read(paths.postprocess_json)
    submission = paths.submission(config.submission.layout)
    where = f"{what}: {display(submission)}" if submission.exists() else "no test images, so no submission"
    scored = f"{tuned.metric} on images that were neither trained nor tuned on: {tuned.scores.honest:.4f}"
    deadline.say(f"{where}; {scored}; report: {display(paths.report / 'index.html')}")


def _minutes(seconds: float) -> str:
    """`3:07`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
