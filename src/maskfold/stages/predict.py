"""From inputs on the command line to pictures on disk, with the networks and rules of a run."""

from __future__ import annotations

from maskfold.artefacts.paths import display, resolve
from maskfold.config import Config
from maskfold.errors import DataError
from maskfold.media.checks import check_videos, departures_from_tuning, effect_of
from maskfold.media.legend import write_legend
from maskfold.media.neighbours import PhotoReader
from maskfold.media.request import Request
from maskfold.media.sources import find_sources
from maskfold.media.targets import plan_tasks
from maskfold.network.trained import model_hashes, tta_of
from maskfold.submission.usable_rules import checked_artefact


def predict(config: Config, request: Request) -> None:
    """Predict every input and write what the effect shows of it.

    All that can be known beforehand is checked before any work: inputs, outputs, run and options. Raises DataError,
    UsageError or StaleError. Photos and videos that turn out damaged are left out and named at the end.
    """
    tasks = plan_tasks(find_sources(request.inputs), request, resolve("predictions") / config.name)
    model_hashes(config)  # untrained folds come first: without them there is nothing to tune
    tuned = checked_artefact(config)
    effect = effect_of(request, tuned.classes)
    check_videos(tasks, config.in_channels, request.mute)
    photos = [task for task in tasks if task.source.kind == "photo"]
    inputs = [task.source.path for task in photos]
    reader = PhotoReader(config, config.in_channels, request.longest_side, inputs) if photos else None
    # torch takes seconds to import; a wrong option is better known at once.
    from maskfold.media.photo_prediction import predict_photos
    from maskfold.media.predictor import Predictor
    from maskfold.media.video_prediction import predict_video

    predictor = Predictor(config, tuned, request)
    departures = departures_from_tuning(request, tta_of(config))
    if departures:
        print(f"predict: note: the rules were tuned without this: {'; '.join(departures)}", flush=True)
    problems = [] if reader is None else predict_photos(photos, predictor, effect, reader)
    for task in tasks:
        if task.source.kind == "video":
            try:
                predict_video(task, predictor, effect, request)
            except DataError as error:
                problems += error.problems
    if effect.name in ("mask", "overlay") and len(effect.classes) > 1:
        for folder in sorted({task.target.parent for task in tasks if task.target.exists()}):
            legend = folder / f"{config.name}_class_colours.csv"
            write_legend(legend, [entry.class_name for entry in tuned.classes], effect.classes)
            print(f"predict: {display(legend.resolve())} names the class of each colour", flush=True)
    if problems:
        others = "; the others were written" if len(problems) < len(tasks) else ""
        lines = "\n".join(f"  {line}" for line in problems)
        raise DataError(f"{len(problems)} of {len(tasks)} inputs cannot be read{others}:\n{lines}")
