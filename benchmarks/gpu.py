"""Everything that needs a GPU, in one command of under ten minutes: speed, fp16, memory, two models on two GPUs.

    python benchmarks/run.py gpu

Without a GPU it says so and measures nothing. Images and classes are the demo's, at a size and with a network that keep
a GPU busy. Training and prediction are the benchmarks training_speed and files_to_run_lengths with that network.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch

from benchmarks import files_to_run_lengths, training_speed
from benchmarks.measuring.benchmark import Bench, Settings
from benchmarks.measuring.stages import DEMO, Run, run_stage
from benchmarks.measuring.turns import in_turn, ratio_to_neighbours
from benchmarks.scale import train


class Options(Settings):
    """What to train."""

    minutes: ClassVar[tuple[float, float]] = (4, 9)
    quick: ClassVar[dict[str, object]] = {"rounds": 1, "seconds": 10.0}
    encoder: str = "tu-resnet34"
    """Encoder of the network; random weights."""
    seconds: float = 20
    """Of each measurement of training."""
    rounds: int = 2
    """Turns of every side."""


def half_precision(run: Run, bench: Bench) -> None:
    """Train two epochs in fp16 and in float32: no NaN, and less memory."""
    peaks = {}
    for precision in ("fp16", "32"):
        folder = bench.folder / f"precision-{precision}"
        more = ("folds.count=2", "train.epochs=2", f'train.precision="{precision}"')
        own = Run(run.config, (*run.overrides, *more, f"output_root={folder}"))
        folder.mkdir()
        run_stage("make_folds", own, folder / "make_folds.log")
        run_stage("train", own, folder / "train.log", ["--fold", "0"])
        history = pd.read_csv(folder / "runs" / "demo" / "fold0" / "history.csv")
        peaks[precision] = float(history["peak_memory_mb"].max())
        if precision == "fp16":
            weights = torch.load(folder / "runs" / "demo" / "fold0" / "model.pt", weights_only=True)
            broken = sum(int((~torch.isfinite(each)).sum()) for each in weights.values())
            bench.claim("NaN and infinite weights and losses after fp16", broken + _broken(history), "=", 0)
    bench.claim("GPU memory of training, fp16 / float32", peaks["fp16"] / peaks["32"], "≤", 0.75)


def _broken(history: pd.DataFrame) -> int:
    losses = history[["train_loss", "valid_loss"]]
    return int(losses.isin([float("inf")]).sum().sum() + losses["train_loss"].isna().sum())


def two_gpus(run: Run, bench: Bench, rounds: int) -> None:
    """Two folds with a GPU each against one after the other."""
    if torch.cuda.device_count() < 2:
        bench.leave_out("two models on two GPUs: this machine has one; run it where there are two")
        return
    turn = iter(range(1000))
    more = ("folds.count=2", "train.epochs=6")
    sides = {
        str(workers): lambda workers=workers: train(
            run, bench.folder, f"{workers}-{next(turn)}", (*more, f"run.workers={workers}")
        )
        for workers in (1, 2)
    }
    times = in_turn(sides, rounds, "s")
    bench.claim(
        "two folds on two GPUs, time / one after the other", ratio_to_neighbours(times["2"], times["1"]), "≤", 0.6
    )


def run(options: Options, bench: Bench) -> None:
    """Measure everything, if there is a GPU."""
    if not torch.cuda.is_available():
        bench.leave_out("everything: torch finds no GPU on this machine; start the same command where there is one")
        return
    network = (f"model.encoder={options.encoder}", "model.decoder_channels=[256,128,64,32,16]", "train.accelerator=gpu")
    size = (
        "demo.height=256",
        "demo.width=1600",
        "demo.train_images=96",
        "demo.test_images=96",
        "train.crop_size=[256,512]",
    )
    folder = Path(bench.folder)
    demo = Run(DEMO, (f"data.root={folder}/data", *network, *size))
    run_stage("make_demo_data", demo, folder / "make_demo_data.log")
    half_precision(demo, bench)
    speed = training_speed.Options(config=DEMO, set=(*network, *size), rounds=options.rounds, seconds=options.seconds)
    training_speed.run(speed, bench)
    predicted = files_to_run_lengths.Options(
        set=(*network, *size, "folds.count=2"), images=(96,), speed_images=96, rounds=options.rounds
    )
    files_to_run_lengths.run(predicted, Bench(folder / "predicted", bench.shared, bench.claims, bench.left_out))
    two_gpus(demo, bench, options.rounds)
