"""A video through the networks and the effect, frame by frame, beside its sound."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np

from maskfold.artefacts.paths import display
from maskfold.execution.jobs import mapped, read_ahead
from maskfold.execution.progress import rated
from maskfold.inference.predict import Prediction
from maskfold.media.effects import Effect
from maskfold.media.photos import Picture
from maskfold.media.pipeline import Smoother, drawing_threads, predicted
from maskfold.media.predictor import Predictor
from maskfold.media.request import Request
from maskfold.media.targets import Task
from maskfold.media.video_reading import VideoSource, open_video
from maskfold.media.video_writing import GIF_MOST_A_SECOND, frame_writer


def predict_video(task: Task, predictor: Predictor, effect: Effect, request: Request) -> int:
    """Predict, draw and write one video, whole or not at all; returns the number of frames written.

    Raises DataError where it is damaged.
    """
    smoother = Smoother(request.smoothing)
    # Only a folder of png frames holds transparency.
    effect = replace(effect, transparent=effect.transparent and task.form == "png")

    def draw(answer: tuple[Picture, Prediction]) -> tuple[Picture, np.ndarray]:
        picture, prediction = answer
        return picture, effect.draw(picture.shown, prediction.prob, predictor.masks(prediction))

    source_path = None if task.source.is_stdin else task.source.path
    started, count = time.monotonic(), 0
    with open_video(source_path, request.raw, request.frame_rate) as source:
        rate = _rate(source, task, request)
        pictures = source.pictures(predictor.channels, request.longest_side, rate)
        answers = ((picture, smoother(prediction)) for picture, prediction in predicted(pictures, predictor))
        drawn = mapped(draw, read_ahead(answers), drawing_threads())
        time_base = source.time_base if rate is None else 1 / rate
        with frame_writer(task.target, task.form, source, time_base, request.mute) as writer:
            for picture, image in rated(drawn, _expected(source, rate), source.name, "frames"):
                writer.write(image, picture.time)
                count += 1
        shortfall = source.shortfall()
    if shortfall is not None:
        print(f"predict: warning: {source.name} {shortfall}", flush=True)
    speed = count / (time.monotonic() - started)
    print(f"predict: wrote {display(task.target.resolve())}, {count} frames, {speed:.1f} frames/s", flush=True)
    return count


def _rate(source: VideoSource, task: Task, request: Request) -> Fraction | None:
    """The most frames a second to keep; None for all, at the times they have."""
    if request.frame_rate is not None and request.raw is None:
        return request.frame_rate
    return GIF_MOST_A_SECOND if task.form == "gif" and source.rate > GIF_MOST_A_SECOND else None


def _expected(source: VideoSource, rate: Fraction | None) -> int | None:
    """About how many frames will be written."""
    count = source.frame_count
    return count if count is None or rate is None or rate >= source.rate else round(count * rate / source.rate)
