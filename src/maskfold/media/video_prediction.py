"""A video through the networks and the effect, frame by frame, with its sound."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np

from maskfold.artefacts.paths import display
from maskfold.execution.jobs import map_threads, read_ahead
from maskfold.execution.progress import rated
from maskfold.inference.predict import Prediction
from maskfold.media.effects import Effect
from maskfold.media.neighbours import with_neighbouring_frames
from maskfold.media.photos import Picture
from maskfold.media.pipeline import Smoother, drawing_threads, predicted
from maskfold.media.predictor import Predictor
from maskfold.media.request import Request
from maskfold.media.targets import Task
from maskfold.media.video_reading import VideoSource, open_video
from maskfold.media.video_writing import frame_writer


def predict_video(task: Task, predictor: Predictor, effect: Effect, request: Request) -> int:
    """Predict, draw and write one video, whole or not at all; returns the number of frames written.

    Raises DataError where it is damaged.
    """
    smoother = Smoother(request.smoothing)
    # Only a folder of png frames holds transparency.
    effect = replace(effect, transparent=effect.transparent and task.form == "png")

    def draw(item: tuple[Picture, Prediction]) -> tuple[Picture, np.ndarray]:
        picture, prediction = item
        return picture, effect.draw(picture.shown, prediction.prob, predictor.masks(prediction))

    source_path = None if task.source.is_stdin else task.source.path
    started, count = time.monotonic(), 0
    with open_video(source_path) as source:
        rate = request.frame_rate
        frames = source.pictures(predictor.channels, request.longest_side, rate)
        pictures = with_neighbouring_frames(frames, predictor.neighbours)
        smoothed = ((picture, smoother(prediction)) for picture, prediction in predicted(pictures, predictor))
        drawn = map_threads(draw, read_ahead(smoothed), drawing_threads())
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


def _expected(source: VideoSource, rate: Fraction | None) -> int | None:
    """About how many frames will be written."""
    count = source.frame_count
    return count if count is None or rate is None or rate >= source.rate else round(count * rate / source.rate)
