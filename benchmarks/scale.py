"""Folds side by side against one after the other, training beside other busy programs, and a Ray cluster.

after: `train.py --set run.workers=1`, every fold on all cores; beside: `run.workers=N`, all folds at once. Both train
all folds of the demo, from the start of the command to its end. shared: one fold while a busy process runs on each
core; quiet: the same without, by the epochs after the first. Sides take turns, so that whatever else the machine does
reaches both. The load is printed: on a busy machine ratios are rough.

ray: the stages of a small demo on a real Ray cluster of several nodes of this machine, one of which is killed in
training and one in prediction, against the same stages here with one thread; and what a job of no work takes longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import DEMO, Run, run_stage
from benchmarks.measuring.turns import in_turn, ratio_to_neighbours
from maskfold.execution.cores import own_cores, usable_cores
from maskfold.execution.processes import ALLOCATOR

_BUSY = "while True: pass"


class Options(Settings):
    """What to train."""

    minutes: ClassVar[tuple[float, float]] = (3, 12)
    quick: ClassVar[dict[str, object]] = {"epochs": 2, "rounds": 1}
    epochs: int = 4
    """Epochs of every fold; at least 2."""
    folds: int = 3
    """Folds of the demo."""
    workers: int = 3
    """Folds at a time."""
    rounds: int = 2
    """Turns of every side."""
    nodes: int = 3
    """Nodes of the Ray cluster, with a core each."""
    jobs: int = 100
    """Jobs of no work."""
    only: tuple[str, ...] = ("side by side", "neighbours", "ray")
    """Parts to measure."""


def train(run: Run, folder: Path, name: str, more: tuple[str, ...], environment: dict[str, str] | None = None) -> float:
    """Seconds of the training stage, into a folder of its own below `folder`, on folds that are there."""
    own = Run(run.config, (*run.overrides, f"output_root={folder / name}", *more))
    (folder / name).mkdir(parents=True, exist_ok=True)
    run_stage("make_folds", own, folder / name / "make_folds.log")
    return run_stage(
        "train", own, folder / name / "train.log", environment={**ALLOCATOR, **(environment or {})}
    ).seconds


def side_by_side(options: Options, run: Run, bench: Bench) -> None:
    """The ratio of the wall-clock times, and the weights of a worker alone."""
    turn = iter(range(1000))

    def side(workers: int) -> Callable[[], float]:
        """Trains all folds, into a new folder each time."""
        return lambda: train(run, bench.folder, f"{workers}-{next(turn)}", (f"run.workers={workers}",))

    times = in_turn({"after": side(1), "beside": side(options.workers)}, options.rounds, "s")
    ratio = ratio_to_neighbours(times["beside"], times["after"])
    bench.claim("training of all folds, time side by side / one after the other", ratio, "≤", 0.70)
    threads = max(1, usable_cores() // options.workers)
    environment = {"OMP_NUM_THREADS": str(threads)}
    own = Run(run.config, (*run.overrides, f"output_root={bench.folder}/alone"))
    (bench.folder / "alone").mkdir()
    run_stage("make_folds", own, bench.folder / "alone" / "make_folds.log")
    log = bench.folder / "alone" / "train.log"
    run_stage("train", own, log, ["--fold", "1"], environment={**ALLOCATOR, **environment})
    beside = next(bench.folder.glob(f"{options.workers}-*"))
    first, second = (_weights(folder / "runs" / "demo" / "fold1" / "model.pt") for folder in (beside, log.parent))
    same = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    bench.claim(f"weights are those of one worker with {threads} thread(s) alone", same, "=", True)


def _weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return found


def neighbours(options: Options, run: Run, bench: Bench) -> None:
    """The share of its quiet speed that one fold keeps beside a busy process on each core."""
    turn = iter(range(1000))

    def speed(busy: bool) -> float:
        """Images a second of the fold's epochs, without the first."""
        beside = [_busy(core) for core in own_cores()] if busy else []
        try:
            name = f"{'shared' if busy else 'quiet'}-{next(turn)}"
            single = (f"folds.count={options.folds}", "train.validate_every=null")
            own = Run(run.config, (*run.overrides, f"output_root={bench.folder / name}", *single))
            (bench.folder / name).mkdir()
            run_stage("make_folds", own, bench.folder / name / "make_folds.log")
            run_stage("train", own, bench.folder / name / "train.log", ["--fold", "0"])
        finally:
            for process in beside:
                process.kill()
                process.wait()
        epochs = pd.read_csv(bench.folder / name / "runs" / "demo" / "fold0" / "history.csv")["seconds"].iloc[1:]
        return float(len(epochs) / epochs.sum())

    found = in_turn({"quiet": lambda: speed(False), "shared": lambda: speed(True)}, options.rounds, "epochs a second")
    kept = ratio_to_neighbours(found["shared"], found["quiet"])
    bench.claim("images a second beside a busy process on each core / quiet", kept, "≥", 0.40)


def _busy(core: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _BUSY], preexec_fn=lambda: os.sched_setaffinity(0, [core]))


def on_ray(options: Options, bench: Bench) -> None:
    """The part of Ray, where it is installed."""
    if find_spec("ray") is None:
        bench.leave_out("jobs on a Ray cluster: ray is not installed (pip install -r requirements-cluster.txt)")
        return
    from benchmarks.measuring.on_ray import overhead, whole_run  # which imports it

    overhead(options.jobs, options.nodes, bench)
    whole_run(bench, options.nodes)


def run(options: Options, bench: Bench) -> None:
    """Measure the parts."""
    settings = (f"data.root={bench.folder}/data", f"train.epochs={options.epochs}", f"folds.count={options.folds}")
    demo = Run(DEMO, settings)
    run_stage("make_demo_data", demo, bench.folder / "make_demo_data.log")
    say(f"{usable_cores()} cores; load before: {os.getloadavg()[0]:.1f}")
    if "side by side" in options.only:
        side_by_side(options, demo, bench)
    if "neighbours" in options.only:
        neighbours(options, demo, bench)
    if "ray" in options.only:
        on_ray(options, bench)
    say(f"load after: {os.getloadavg()[0]:.1f}; the load counts the measured processes too")
