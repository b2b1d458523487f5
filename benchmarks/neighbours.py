"""2.5D against single images after the same steps, where single images do not show the object.

In drawn clips an object shows only by its motion, in drawn volumes only by its depth. A network that sees the image
before and after each, and the same network that sees each image alone, train for as many steps on the same images,
which takes about the same time (measured in seconds of CPU time). The score is the honest mean Dice on held-out clips
and volumes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmarks.drawn.moving_objects import NAME, draw_clip, draw_set, draw_volume
from benchmarks.measuring.benchmark import Bench, Settings, say
from maskfold.config import Experiment
from maskfold.data.opening import open_competition
from maskfold.execution.console import markdown_table
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune

_DRAWN = {"clips": draw_clip, "volumes": draw_volume}
_SEEN: dict[str, dict[str, int] | None] = {"single images": None, "2.5D": {"before": 1, "after": 1}}


class Options(Settings):
    """How much is drawn, and how long each network trains."""

    minutes: ClassVar[tuple[float, float]] = (2, 4)
    quick: ClassVar[dict[str, object]] = {"epochs": 30}
    count: int = 40
    """Clips, and volumes."""
    images: int = 6
    """Frames of a clip, slices of a volume."""
    epochs: int = 60
    """Of each training."""
    seeds: int = 1
    """Draws of the data and of the training."""
    gain: float = 0.1
    """By how much 2.5D must be better, in Dice."""


def score(root: Path, name: str, neighbours: dict[str, int] | None, seed: int, epochs: int) -> tuple[float, float]:
    """A network's honest mean Dice on the held-out quarter of what is drawn below `root`/data, and its training's CPU
    seconds.
    """
    config = Experiment.model_validate(
        {
            "name": name,
            "seed": seed,
            "output_root": str(root),
            "data": {
                "format": "mask_folders",
                "root": str(root / "data"),
                "test_images": None,
                "volumes": {"name": NAME},
            },
            "folds": {"kind": "hold_out", "share": 0.25, "count": 2},
            "model": {
                "encoder": "tu-mobilenetv3_small_050",
                "encoder_weights": None,
                "encoder_depth": 3,
                "decoder_channels": (32, 16, 16),
                "in_channels": 1,
                "neighbours": neighbours,
            },
            "train": {
                "epochs": epochs,
                "validate_every": None,
                "select": "last",
                "learning_rate": 5e-3,
                "augmentation": "none",
                "workers": 0,
                "accelerator": "cpu",
            },
            "tuning": {"bootstrap_samples": 100, "trials": 2},
        }
    )
    competition = open_competition(config.data, config.in_channels)
    make_folds(config, competition)
    started = time.process_time()
    train_models(config, competition)
    spent = time.process_time() - started
    predict_oof(config, competition)
    return tune(config, competition).scores.honest, spent


def run(options: Options, bench: Bench) -> None:
    """Draw clips and volumes, train both networks on each, and compare."""
    rows = []
    for kind, draw in _DRAWN.items():
        found: dict[str, list[float]] = {seen: [] for seen in _SEEN}
        spent = dict.fromkeys(_SEEN, 0.0)
        for seed in range(options.seeds):
            root = bench.folder / f"{kind}{seed}"
            draw_set(root / "data", draw, options.count, options.images, seed)
            for number, (seen, neighbours) in enumerate(_SEEN.items()):
                honest, seconds = score(root, f"seen{number}", neighbours, seed, options.epochs)
                found[seen].append(honest)
                spent[seen] += seconds
                say(f"{kind}, draw {seed}, {seen}: honest Dice {honest:.3f}, {seconds:.0f} s of CPU time")
        rows.append([kind, *(", ".join(f"{each:.3f}" for each in scores) for scores in found.values())])
        gains = np.subtract(found["2.5D"], found["single images"])
        bench.claim(
            f"CPU time of 2.5D on {kind}, times that of single images", spent["2.5D"] / spent["single images"], "≤", 1.5
        )
        bench.claim(f"gain of 2.5D on {kind}, honest Dice", float(gains.min()), "≥", options.gain)
    say(markdown_table(["drawn", *_SEEN], rows))
