"""Whole stages, run as a user runs them, and one trained run of the demo that several benchmarks use."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring.benchmark import Bench, say
from maskfold.config import REPOSITORY, Experiment, load_experiment
from maskfold.execution.processes import ALLOCATOR

DEMO = "configs/demo.yaml"


class Cost(NamedTuple):
    """What a stage took: seconds on the clock, and the largest memory of any of its processes in MiB."""

    seconds: float
    peak_mib: float


class Run(NamedTuple):
    """A config file and the overrides that make a run of it."""

    config: str
    overrides: tuple[str, ...]

    @property
    def arguments(self) -> list[str]:
        """The command line of its stages."""
        return [
            *(["--config", self.config] if self.config else []),
            *(["--set", *self.overrides] if self.overrides else []),
        ]

    def load(self) -> Experiment:
        """The config."""
        return load_experiment(REPOSITORY / self.config, self.overrides)


def run_stage(
    stage: str,
    run: Run,
    log: Path,
    more: Sequence[str] = (),
    environment: Mapping[str, str] = ALLOCATOR,
    cores: Sequence[int] | None = None,
) -> Cost:
    """Run a stage to its end; its output goes to `log`.

    more: further arguments; cores: all that this process may use by default.
    Raises RuntimeError with the output of a stage that fails.
    """
    command = [sys.executable, f"src/{stage}.py", *run.arguments, *more]
    allowed = cores if cores is not None else sorted(os.sched_getaffinity(0))
    started = time.monotonic()
    with log.open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if status != 0:
            output.seek(0)
            raise RuntimeError(f"{stage} failed:\n{output.read()}")
    return Cost(time.monotonic() - started, usage.ru_maxrss / 1024)


def trained_demo(bench: Bench, epochs: int) -> Run:
    """A run of the demo with one model, trained on two thirds of the images and tuned on the rest in three parts."""
    folder = bench.shared / f"demo-{epochs}"
    settings = ("folds.kind=hold_out", "folds.share=0.33", "folds.count=3", f"train.epochs={epochs}")
    run = Run(DEMO, (f"output_root={folder}", f"data.root={folder}/data", *settings))
    folder.mkdir(parents=True, exist_ok=True)
    for stage in ("make_demo_data", "make_folds", "train", "predict_oof", "tune_thresholds"):
        cost = run_stage(stage, run, folder / f"{stage}.log")
        say(f"demo with {epochs} epochs: {stage}, {cost.seconds:.0f} s")
    return run
