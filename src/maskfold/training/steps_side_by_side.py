"""Whether models train faster one after the other, each with all cores, or side by side: measured with a few steps."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from maskfold.artefacts.files import whole_file
from maskfold.config import Experiment
from maskfold.execution.job import Failure, Job
from maskfold.execution.memory import peak_memory_mb
from maskfold.inference.runtime import Runtime
from maskfold.network.model import build_model
from maskfold.training.bare_step import bare_step

_SECONDS = 3.0  # of steps; a worker takes longer to start
_GAIN = 0.9  # of the time of one after the other, from which side by side is chosen


def measure_steps(config: Experiment, size: tuple[int, int], artefact: Path) -> None:
    """Write the training steps a second of this process and its peak memory in MB: {"steps": 4.0, "mb": 700.0}.

    size: (height, width) of the crops in pixels.
    """
    runtime, classes = Runtime.of(config), len(config.data.class_names)
    model = build_model(config.model, classes, with_encoder_weights=False).to(runtime.device)
    batch = config.train.batch_size
    pixels = torch.randint(
        0, 256, (batch, config.model.input_channels, *size), dtype=torch.uint8, device=runtime.device
    )
    masks = torch.randint(0, 2, (batch, classes, *size), dtype=torch.uint8, device=runtime.device)
    step = bare_step(model, config.train.loss, runtime, pixels, masks)
    step()
    started, steps = time.monotonic(), 0
    while steps < 2 or time.monotonic() - started < _SECONDS:
        step()
        steps += 1
    found = {"steps": steps / (time.monotonic() - started), "mb": peak_memory_mb()}
    with whole_file(artefact) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")


def candidates(models: int, cores: int) -> list[int]:
    """Numbers of workers worth measuring besides one: every model at once, or where those are many, one a core."""
    if models < 2 or cores < 2:
        return []
    return [models] if models <= 2 * cores else [cores]


def faster_workers(
    config: Experiment,
    size: tuple[int, int],
    cores: int,
    free_bytes: int,
    folder: Path,
    run: Callable[[Sequence[Job], int], list[Failure]],
) -> tuple[int, str]:
    """How many models to train at a time on a CPU, and why, in words.

    size: (height, width) of the crops; free_bytes: of memory; run: does jobs with a number of workers at a time.
    Workers that failed, for example for want of memory, are not chosen.
    """
    alone = _measured(config, size, 1, folder, run)
    if alone is None:
        return 1, "a few steps could not be measured"
    best, seconds, words = 1, config.models / alone[0], f"one alone makes {alone[0]:.2f} steps a second"
    for workers in candidates(config.models, cores):
        if workers * alone[1] * 2**20 > free_bytes:
            words += f", {workers} would need {workers * alone[1] / 1024:.1f} GB of memory"
            continue
        side = _measured(config, size, workers, folder, run)
        if side is None:
            continue
        words += f", {workers} side by side {workers * side[0]:.2f}"
        if math.ceil(config.models / workers) / side[0] < _GAIN * seconds:
            best, seconds = workers, math.ceil(config.models / workers) / side[0]
    return best, words


def _measured(
    config: Experiment,
    size: tuple[int, int],
    workers: int,
    folder: Path,
    run: Callable[[Sequence[Job], int], list[Failure]],
) -> tuple[float, float] | None:
    """Steps a second of each of some workers at work together (their mean), and the most memory of one in MB."""
    paths = [folder / f"{workers}-{each}.json" for each in range(workers)]
    jobs = [
        Job(f"steps {each}", measure_steps, (config, size, path), path, path.with_suffix(".log"))
        for each, path in enumerate(paths)
    ]
    if run(jobs, workers):
        return None
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sum(each["steps"] for each in found) / workers, max(each["mb"] for each in found)
