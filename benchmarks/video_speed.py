"""A video through predict.py against the bare networks on the same frames; its frames, sound, masks and memory.

bare: the networks on all views of the frames that are already in memory, nothing else: the limit.
ours: predict_video with the effect blur: reading, resizing, networks, views, rules, drawing, writing, sound.
The sides take turns in one process. masks: each frame of the video against the same frame as a photo, one at a time.
memory: the whole of predict.py on a short and a long video, in processes of their own. The video is a moving ball of
320x240 px with a tone; without --trained the networks have random weights.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch

from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import Run
from benchmarks.measuring.turns import in_turn, rate, ratio_to_neighbours, seconds_of
from maskfold.config import Config
from maskfold.execution.memory import peak_memory_mb
from maskfold.inference.tta import tta_views
from maskfold.media.checks import effect_of
from maskfold.media.photos import encode_photo
from maskfold.media.pipeline import groups
from maskfold.media.predictor import Predictor
from maskfold.media.request import Request
from maskfold.media.sources import Source
from maskfold.media.targets import Task
from maskfold.media.video_prediction import predict_video
from maskfold.media.video_reading import open_video
from maskfold.rules.rules import ComponentRule
from maskfold.stages.predict import predict
from maskfold.submission.usable_rules import checked_artefact
from support.random_run import write_rules, write_weights
from support.synthetic_video import make_video, read_frames, read_sound

_SIZE, _RATE = (320, 240), 25


class Options(Settings):
    """Which networks and how many frames."""

    minutes: ClassVar[tuple[float, float]] = (1, 8)
    quick: ClassVar[dict[str, object]] = {
        "frames": 30,
        "rounds": 1,
        "mask_frames": 5,
        "memory_frames": (25, 75),
        "set": ("folds.count=2", "inference.tta=[]"),
    }
    config: str = "configs/people.yaml"
    """Config of the networks."""
    trained: bool = False
    """The networks are trained and tuned."""
    set: tuple[str, ...] = ()
    """Overrides, KEY=VALUE."""
    frames: int = 10 * _RATE
    """Frames whose speed is measured."""
    rounds: int = 3
    """Turns of the two sides."""
    mask_frames: int = 25
    """Frames compared with photos."""
    memory_frames: tuple[int, ...] = (10 * _RATE, 40 * _RATE)
    """Frames of a short and a long video whose peak memory is compared."""


def bare_rate(predictor: Predictor, clip: Path) -> float:
    """Frames a second of the networks alone on all views of all frames, which are in memory."""
    with open_video(clip) as source:
        pictures = list(source.pictures(predictor.channels, None, None))
    batches = [predictor.prepare(group) for group in groups(pictures, predictor)]

    def predict_all() -> None:
        """Predict every picture."""
        for prepared in batches:
            for ensemble, batch in zip(predictor.ensemble.members, prepared, strict=True):
                pixels = batch.pixels.to(ensemble.runtime.device)
                views = tta_views(ensemble.inference.tta, (pixels.shape[2], pixels.shape[3]))
                with torch.inference_mode(), ensemble.runtime.autocast():
                    for _ in views:
                        for model in ensemble.models:
                            model(pixels)

    return len(pictures) * rate(predict_all, seconds=0, warm_up=0)


def speed(config: Config, clip: Path, out: Path, options: Options) -> float:
    """Frames a second of ours over those of the bare networks around it."""
    request = Request((str(clip),), effect="blur", overwrite=True)
    tuned = checked_artefact(config)
    predictor = Predictor(config, tuned, request)
    task = Task(Source(clip, "video"), out, "mp4")
    bare_rate(predictor, clip)  # warms up

    def ours() -> float:
        return options.frames / seconds_of(predict_video, task, predictor, effect_of(request, tuned.classes), request)

    found = in_turn({"bare": partial(bare_rate, predictor, clip), "ours": ours}, options.rounds, "frames/s")
    return ratio_to_neighbours(found["ours"], found["bare"])


def differing_masks(config: Config, clip: Path, folder: Path, count: int) -> int:
    """Pixels in which the masks of the first frames differ between the video and the same frames as photos."""
    photos = folder / "frames"
    photos.mkdir()
    with open_video(clip) as source:
        for number, picture in enumerate(islice(source.pictures(3, None, None), count), 1):
            (photos / f"{number:06d}.png").write_bytes(encode_photo(picture.shown, "png"))
    predict(config, Request((str(clip),), effect="mask", video_format="png", output=folder / "masks"))
    predict(config, Request((str(photos),), effect="mask", output=folder / "photos", batch=1))
    of_video = sorted((folder / "masks" / f"{clip.stem}_mask").iterdir())[:count]
    pairs = zip(of_video, sorted((folder / "photos").iterdir()), strict=True)
    return sum(int(np.count_nonzero(_read(one) != _read(other))) for one, other in pairs)


def _read(path: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def peak_mb(config_file: str, overrides: list[str], clip: str, out: str) -> float:
    """Peak memory of this process after predicting a video with one network, MB; for a process of its own."""
    config = Run(config_file, tuple(overrides)).load()
    predict(config, Request((clip,), effect="blur", output=Path(out), overwrite=True, folds=(0,), tta=()))
    return peak_memory_mb()


def subject(options: Options, bench: Bench) -> Run:
    """The trained run, or one with random weights and rules that find something in what they predict."""
    if options.trained:
        return Run(options.config, options.set)
    run = Run(options.config, (*options.set, f"output_root={bench.folder}", "model.encoder_weights=null"))
    config = run.load()
    write_weights(config)
    write_rules(config, [ComponentRule(threshold=128, min_area_px=64)] * len(config.data.class_names or ()))
    return run


def run(options: Options, bench: Bench) -> None:
    """Measure speed, then look at what was written, then memory."""
    folder, own = bench.folder, subject(options, bench)
    config = own.load()
    clip, out = make_video(folder / "clip.mp4", options.frames, _SIZE, _RATE), folder / "out.mp4"
    ratio = speed(config, clip, out, options)
    bar = 0.8 if options.rounds > 1 else 0.6
    bench.claim("video to blurred video / bare networks, frames a second", ratio, "≥", bar)
    times = [Fraction(time).limit_denominator(1000) for _, time in read_frames(out)]
    late = sum(time != Fraction(number, _RATE) for number, time in enumerate(times))
    bench.claim("frames written", len(times), "=", options.frames)
    bench.claim("frames not at their time", late, "=", 0)
    before, after = read_sound(clip), read_sound(out)
    lost = float(np.abs(before - after).max()) if before.shape == after.shape else 1.0
    bench.claim("largest difference of a sound sample", lost, "=", 0)
    differing = differing_masks(config, clip, folder, options.mask_frames)
    bench.claim("mask pixels that differ from those of the frames as photos", differing, "=", 0)
    peaks = []
    for count in options.memory_frames:
        path = make_video(folder / f"memory{count}.mp4", count, _SIZE, _RATE)
        peaks.append(alone(peak_mb, own.config, own.overrides, str(path), str(folder / f"{path.stem}_out.mp4")))
        say(f"peak memory {peaks[-1]:.0f} MB at {count} frames")
    sizes = " and ".join(map(str, options.memory_frames))
    bench.claim(f"peak memory of {sizes} frames, last / first", peaks[-1] / peaks[0], "≤", 1.1)
