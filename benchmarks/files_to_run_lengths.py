"""Images a second from files to run lengths, against bare forward passes; peak memory as the images grow in number.

bare: the same networks on all views of one batch that is already in memory, nothing else: the limit.
ours: what make_submission does with a shard: decoding, padding, views, mean over networks and views, original size,
rules, run lengths. Both with the same precision and allocator; the sides take turns, each in a process of its own.
memory: the whole stage on some of the images, in a process of its own; its loader processes, which hold a few decoded
images each, are not counted. Images are drawn as for the demo, the networks have random weights.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import torch

from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import DEMO, Run
from benchmarks.measuring.turns import in_turn, rate, ratio_to_neighbours, seconds_of
from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.images.files import check_images, image_table, list_images
from maskfold.execution.memory import peak_memory_mb
from maskfold.execution.processes import ALLOCATOR
from maskfold.inference.batches import batch_loader
from maskfold.inference.runtime import Runtime
from maskfold.inference.tta import tta_views
from maskfold.network.model import load_model
from maskfold.rules.rules import ComponentRule
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_submission import make_submission
from maskfold.submission.predicting import predict_rows
from support.random_run import write_rules, write_weights


class Options(Settings):
    """What to predict."""

    minutes: ClassVar[tuple[float, float]] = (0.8, 8)
    quick: ClassVar[dict[str, object]] = {
        "images": (24, 96),
        "speed_images": 96,
        "rounds": 1,
        "set": ("folds.count=2", "inference.tta=[hflip]"),
    }
    config: str = DEMO
    """Config of the networks."""
    set: tuple[str, ...] = ()
    """Overrides, KEY=VALUE."""
    images: tuple[int, ...] = (50, 100, 200)
    """Numbers of images whose peak memory is compared."""
    speed_images: int = 96
    """Images whose speed is measured."""
    rounds: int = 3
    """Turns of the two sides; 0: memory alone."""


def drawn_run(options: Options, bench: Bench) -> Run:
    """A run of drawn images with random weights, and with rules that find something in what they predict."""
    run = Run(
        options.config,
        (
            *(f"output_root={bench.folder}", f"data.root={bench.folder}/data", "demo.train_images=8"),
            *(f"demo.test_images={max(*options.images, options.speed_images)}", "folds.count=5"),
            *("inference.tta=[hflip, vflip]", "model.encoder_weights=null", *options.set),
        ),
    )
    config = run.load()
    make_demo_data(config)
    write_weights(config)
    # Random networks say 0.5 with some noise: half of the pixels are on, far more to encode than in a real submission.
    write_rules(config, [ComponentRule(threshold=128, min_area_px=64)] * len(config.data.class_names or ()))
    return run


def test_images(config: Config, count: int) -> pd.DataFrame:
    """The first images: image_id, path, height, width."""
    paths = list_images(resolve(config.data.root) / "test_images")[:count]
    return image_table({path.name: path for path in paths}, check_images(paths)[0])


def bare(config_file: str, overrides: list[str], count: int) -> float:
    """Images a second of the forward passes alone."""
    config = Run(config_file, tuple(overrides)).load()
    runtime, paths = Runtime.of(config), RunPaths.of(config)
    images = test_images(config, config.inference.batch_size)
    loader = batch_loader(images, config.model, config.inference, config.train.workers, runtime.device)
    pixels = next(iter(loader)).pixels.to(runtime.device)
    classes = len(config.data.class_names or ())
    models = [load_model(paths.model(fold), config.model, classes) for fold in range(config.folds.models)]
    models = [model.to(runtime.device).eval() for model in models]
    views = len(tta_views(config.inference.tta, (pixels.shape[2], pixels.shape[3])))

    def batch() -> None:
        """One batch through all models and views."""
        with torch.inference_mode(), runtime.autocast():
            for _ in range(views):
                for model in models:
                    model(pixels)

    return len(pixels) * rate(batch, seconds=0, warm_up=1, at_least=max(1, round(count / len(pixels))))


def ours(config_file: str, overrides: list[str], count: int) -> float:
    """Images a second from files to run lengths."""
    config = Run(config_file, tuple(overrides)).load()
    images = test_images(config, count)
    tuned = TunedArtefact.read(RunPaths.of(config).postprocess_json)
    list(predict_rows(config, tuned, images.iloc[: config.inference.batch_size], "warming up"))
    return count / seconds_of(lambda: list(predict_rows(config, tuned, images, "measuring")))


def memory(config_file: str, overrides: list[str], count: int) -> float:
    """Peak memory of the submission stage on some images, MB."""
    config = Run(config_file, tuple(overrides)).load()
    images = test_images(config, count)
    make_submission(config, Competition(config.data.class_names or (), images.iloc[:0], images, _no_masks))
    return peak_memory_mb()


def _no_masks(image_id: str) -> np.ndarray:
    raise AssertionError(f"the submission stage needs no masks, found a request for {image_id}")


def run(options: Options, bench: Bench) -> None:
    """Measure the two sides in turn, then memory."""
    subject = drawn_run(options, bench)
    if options.rounds:
        given = (subject.config, subject.overrides, options.speed_images)
        sides = {each.__name__: partial(alone, each, *given, environment=ALLOCATOR) for each in (bare, ours)}
        found = in_turn(sides, options.rounds, "images/s")
        ratio = ratio_to_neighbours(found["ours"], found["bare"])
        bar = 0.9 if options.rounds > 1 else 0.7
        bench.claim("files to run lengths / bare forward passes, images a second", ratio, "≥", bar)
    peaks = []
    for count in options.images:
        peaks.append(alone(memory, subject.config, subject.overrides, count, environment=ALLOCATOR))
        say(f"peak memory {peaks[-1]:.0f} MB at {count} images")
    sizes = ", ".join(map(str, options.images))
    bench.claim(f"peak memory at {sizes} images, largest / smallest", max(peaks) / min(peaks), "≤", 1.05)
