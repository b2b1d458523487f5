"""Photos through the networks and the effect, each written whole as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from maskfold.artefacts.paths import display
from maskfold.errors import DataError
from maskfold.execution.jobs import map_threads, read_ahead
from maskfold.execution.progress import rated
from maskfold.inference.predict import Prediction
from maskfold.media.effects import Effect
from maskfold.media.neighbours import PhotoReader
from maskfold.media.photos import Picture, write_photo
from maskfold.media.pipeline import drawing_threads, predicted
from maskfold.media.predictor import Predictor
from maskfold.media.targets import Task


def predict_photos(tasks: Sequence[Task], predictor: Predictor, effect: Effect, reader: PhotoReader) -> list[str]:
    """Predict, draw and write photos; returns one problem for each that cannot be read, which is left out."""
    problems: list[str] = []
    by_name = {str(task.source.path): task for task in tasks}
    on_background = replace(effect, transparent=False)

    def write(item: tuple[Picture, Prediction]) -> None:
        """Write one predicted photo."""
        picture, prediction = item
        task = by_name[picture.name]
        drawn = on_background if task.form == "jpg" else effect
        image = drawn.draw(picture.shown, prediction.prob, predictor.masks(prediction))
        write_photo(task.target, image, task.form)

    started = time.monotonic()
    pictures = _read(tasks, reader, problems)
    ready = read_ahead(predicted(pictures, predictor))
    count = sum(1 for _ in rated(map_threads(write, ready, drawing_threads()), len(tasks), "photos", "photos"))
    if count:
        target = tasks[0].target
        place = display(target) if len(tasks) == 1 else f"{count} photos to {display(target.parent)}/"
        print(f"predict: wrote {place}, {count / (time.monotonic() - started):.1f} photos/s", flush=True)
    if (missing := reader.missing()) is not None:
        print(f"predict: {missing}", flush=True)
    return problems


def _read(tasks: Sequence[Task], reader: PhotoReader, problems: list[str]) -> Iterator[Picture]:
    for task in tasks:
        try:
            yield reader(task.source.path)
        except DataError as error:
            problems += error.problems
