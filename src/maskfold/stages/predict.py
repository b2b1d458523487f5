"""From inputs on the command line to pictures on disk, with the networks and rules of a run."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from maskfold.artefacts.paths import resolve
from maskfold.config import Config
from maskfold.errors import DataError, UsageError
from maskfold.media.effects import Effect
from maskfold.media.photos import read_photo
from maskfold.media.request import Request, parse_colour
from maskfold.media.sources import find_sources
from maskfold.media.targets import Task, plan_tasks
from maskfold.media.video_reading import open_video
from maskfold.network.trained import model_hashes, tta_of
from maskfold.rules.applying import lowest_threshold
from maskfold.rules.tuned import TunedArtefact
from maskfold.submission.usable_rules import checked_artefact


def predict(config: Config, request: Request) -> None:
    """Predict every input and write what the effect shows of it.

    All that can be known beforehand is checked before any work: inputs, outputs, run and options. Raises DataError,
    UsageError or StaleError. Photos and videos that turn out damaged are left out and named at the end.
    """
    tasks = plan_tasks(find_sources(request.inputs), request, resolve("predictions") / config.name)
    model_hashes(config)  # untrained folds come first: without them there is nothing to tune
    tuned = checked_artefact(config)
    effect = effect_of(request, tuned)
    _check_inputs(tasks, config.model.in_channels, request)
    # torch takes seconds to import; a wrong option is better known at once.
    from maskfold.media.photo_prediction import predict_photos
    from maskfold.media.predictor import Predictor
    from maskfold.media.video_prediction import predict_video

    predictor = Predictor(config, tuned, request)
    _say_departures(config, request)
    photos = [task for task in tasks if task.source.kind == "photo"]
    problems = predict_photos(photos, predictor, effect, request.longest_side) if photos else []
    for task in tasks:
        if task.source.kind == "video":
            try:
                predict_video(task, predictor, effect, request)
            except DataError as error:
                problems += error.problems
    if problems:
        others = "; the others were written" if len(problems) < len(tasks) else ""
        lines = "\n".join(f"  {line}" for line in problems)
        raise DataError(f"{len(problems)} of {len(tasks)} inputs cannot be read{others}:\n{lines}")


def effect_of(request: Request, tuned: TunedArtefact) -> Effect:
    """What to draw. Raises UsageError for unknown classes and colours, DataError for a bad background image."""
    names = [entry.class_name for entry in tuned.classes]
    unknown = [name for name in request.classes if name not in names]
    if unknown:
        near = get_close_matches(unknown[0], names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"--class: found {', '.join(unknown)}, the run has {', '.join(names)}{hint}")
    classes = [names.index(name) for name in dict.fromkeys(request.classes or names)]
    text = "#000" if request.background is None else request.background
    return Effect(
        name=request.effect,
        classes=classes,
        thresholds=[lowest_threshold(entry.rule) for entry in tuned.classes],
        soft_edge_px=request.soft_edge,
        blur_px=request.blur_size,
        background=parse_colour(text) or read_photo(Path(text).expanduser(), 3).shown,
        transparent=request.background is None,
        invert=request.invert,
    )


def _check_inputs(tasks: Sequence[Task], channels: int, request: Request) -> None:
    """Raises DataError naming every file that is no video, UsageError for videos that the network cannot see."""
    videos = [task for task in tasks if task.source.kind == "video"]
    if videos and channels not in (1, 3):
        raise UsageError(
            f"{videos[0].source.path}: is a video, which has 3 channels; this run's network takes {channels}"
        )
    problems = []
    for task in videos:
        if not task.source.is_stdin:
            try:
                with open_video(task.source.path):
                    pass
            except DataError as error:
                problems += error.problems
    if problems:
        raise DataError(problems)


def _say_departures(config: Config, request: Request) -> None:
    """One line where the rules meet other probabilities than they were tuned on."""
    departures = []
    if request.folds is not None:
        departures.append(f"folds {', '.join(map(str, request.folds))} alone")
    if request.tta is not None and request.tta != tta_of(config):
        departures.append(f"views {', '.join(request.tta) or 'none'} in place of {', '.join(tta_of(config)) or 'none'}")
    if request.network_side is not None:
        departures.append(f"a longest side of {request.network_side} px for the network")
    if departures:
        print(f"predict: note: the rules were tuned without this: {'; '.join(departures)}", flush=True)
