"""Images a second of the real training loop, against a bare loop and against the plain recipe.

bare: the same network, loss, optimiser, precision and allocator on one batch that is already in memory: the limit.
plain: the plain recipe (opponents/plain_training.py) with the default allocator.
ours: `python src/train.py`, from the files on the disk to the checkpoint after every epoch; its first epoch and the
validated last one do not count. The sides take turns, each in a process of its own.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import ClassVar

import pandas as pd
import torch

from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Settings
from benchmarks.measuring.stages import DEMO, Run, run_stage
from benchmarks.measuring.turns import in_turn, rate, ratio_to_neighbours
from benchmarks.opponents.plain_training import Budget, PlainRecipe
from maskfold.data.opening import open_competition
from maskfold.execution.processes import ALLOCATOR
from maskfold.inference.runtime import Runtime
from maskfold.network.model import build_model
from maskfold.training.losses.combined import SegmentationLoss
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.sampling import ANY_CLASS, Draw

_WARM_UP_STEPS = 6


class Options(Settings):
    """What to train."""

    minutes: ClassVar[tuple[float, float]] = (1.3, 8)
    quick: ClassVar[dict[str, object]] = {"rounds": 1, "seconds": 8.0}
    config: str = DEMO
    """Config of the network and the data."""
    set: tuple[str, ...] = ()
    """Overrides, KEY=VALUE."""
    rounds: int = 3
    """Turns of every side."""
    seconds: float = 40
    """Of each measurement."""


def bare(config_file: str, overrides: list[str], seconds: float) -> float:
    """Images a second of the bare loop."""
    config = Run(config_file, tuple(overrides)).load()
    competition, train, runtime = open_competition(config.data), config.train, Runtime.of(config)
    dataset = TrainingDataset(competition.train, competition.masks, train, config.model, config.seed, 0)
    samples = [dataset[Draw(0, n, n % len(dataset), ANY_CLASS)] for n in range(train.batch_size)]
    pixels = torch.stack([sample.pixels for sample in samples]).permute(0, 3, 1, 2).to(runtime.device)
    masks = torch.stack([sample.masks for sample in samples]).permute(0, 3, 1, 2).to(runtime.device)
    model = build_model(config.model, len(competition.class_names)).to(runtime.device).train()
    loss_of = SegmentationLoss(train.loss).to(runtime.device)
    optimizer = torch.optim.AdamW(model.parameters(), train.learning_rate)

    def step() -> None:
        """One training step."""
        with runtime.autocast():
            loss = loss_of(model(pixels), masks)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), train.gradient_clip)
        optimizer.step()

    return train.batch_size * rate(step, seconds, _WARM_UP_STEPS)


def plain(config_file: str, overrides: list[str], seconds: float) -> float:
    """Images a second of the plain recipe."""
    config = Run(config_file, tuple(overrides)).load()
    competition = open_competition(config.data)
    images = competition.train.iloc[: max(64, 4 * config.train.batch_size)]  # more are not needed to measure a rate
    recipe = PlainRecipe(config, images, competition.masks, len(competition.class_names))
    recipe.train(Budget(steps=_WARM_UP_STEPS), show=False)
    return recipe.train(Budget(seconds=seconds), show=False) / seconds


def ours(run: Run, batch_size: int, steps: int) -> float:
    """Images a second of src/train.py on the first fold, from its history."""
    with tempfile.TemporaryDirectory() as folder:
        settings = (
            *(f"output_root={folder}", "train.epochs=3", "train.validate_every=3"),
            *("train.early_stopping_patience=null", f"train.sampling.draws_per_epoch={steps * batch_size}"),
        )
        own = Run(run.config, (*run.overrides, *settings))
        run_stage("make_folds", own, Path(folder) / "make_folds.log")
        run_stage("train", own, Path(folder) / "train.log", ["--fold", "0"])
        [history] = Path(folder).glob("runs/*/fold0/history.csv")
        seconds = pd.read_csv(history)["seconds"].iloc[1:-1]
    return float(steps * batch_size * len(seconds) / seconds.sum())


def run(options: Options, bench: Bench) -> None:
    """Measure the sides in turn."""
    made = (f"data.root={bench.folder}/data",) if options.config == DEMO else ()
    subject = Run(options.config, (*made, *options.set))
    if options.config == DEMO:
        run_stage("make_demo_data", subject, bench.folder / "make_demo_data.log")
    batch_size, given = subject.load().train.batch_size, (subject.config, subject.overrides, options.seconds)
    steps = max(4, round(alone(bare, *given, environment=ALLOCATOR) * options.seconds / batch_size))
    sides = {
        "bare": lambda: float(alone(bare, *given, environment=ALLOCATOR)),
        "ours": lambda: ours(subject, batch_size, steps),
        "plain": lambda: float(alone(plain, *given)),
    }
    found = in_turn(sides, options.rounds, "images/s")
    of_bare = ratio_to_neighbours(found["ours"], found["bare"])
    # On a GPU the loader competes with a much faster network.
    bar = (0.90 if torch.cuda.is_available() else 0.95) if options.rounds > 1 else 0.7
    bench.claim("real training loop / bare loop, images a second", of_bare, "≥", bar)
    of_plain = median(found["ours"]) / max(found["plain"])
    bench.claim("real training loop / plain recipe, images a second", of_plain, "≥", 1)
