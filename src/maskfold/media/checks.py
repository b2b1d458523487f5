"""What can be known of a request before any work: the effect, the inputs, and how it departs from the tuning."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from maskfold.errors import DataError, UsageError
from maskfold.media.effects import Effect
from maskfold.media.photos import read_photo
from maskfold.media.request import Request, parse_colour
from maskfold.media.sound import sound_problem
from maskfold.media.targets import Task
from maskfold.media.video_reading import open_video
from maskfold.rules.tuned import TunedClass


def effect_of(request: Request, tuned: Sequence[TunedClass]) -> Effect:
    """What to draw; tuned: each class of the run with its rule.

    Raises UsageError for unknown classes and colours, DataError for a bad background image.
    """
    names = [entry.class_name for entry in tuned]
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
        rules=[entry.rule for entry in tuned],
        soft_edge_px=request.soft_edge,
        blur_px=request.blur_size,
        background=parse_colour(text) or read_photo(Path(text).expanduser(), 3).shown,
        transparent=request.background is None,
        invert=request.invert,
    )


def check_videos(tasks: Sequence[Task], channels: int, mute: bool) -> None:
    """Open every video once; channels: what the network takes; mute: whether the sound is left out.

    Raises DataError with every file that is not a video or whose sound does not fit the output, UsageError when the
    network takes neither 1 nor 3 channels.
    """
    videos = [task for task in tasks if task.source.kind == "video"]
    if videos and channels not in (1, 3):
        raise UsageError(f"{videos[0].source.path}: a video has 3 channels; the network of this run takes {channels}")
    problems = []
    for task in videos:
        if not task.source.is_stdin:
            try:
                with open_video(task.source.path) as source:
                    problem = None if mute else sound_problem(source.name, source.sound_codecs, task.form)
                    problems += [] if problem is None else [problem]
            except DataError as error:
                problems += error.problems
    if problems:
        raise DataError(problems)


def departures_from_tuning(request: Request, tuned_views: Sequence[str]) -> list[str]:
    """How the predictions differ from those that the rules were tuned on; tuned_views: the views of that TTA."""
    departures = []
    if request.folds is not None:
        departures.append(f"only folds {', '.join(map(str, request.folds))}")
    if request.tta is not None and list(request.tta) != list(tuned_views):
        departures.append(f"views {', '.join(request.tta) or 'none'} in place of {', '.join(tuned_views) or 'none'}")
    if request.network_side is not None:
        departures.append(f"a longest side of {request.network_side} px for the network")
    return departures
