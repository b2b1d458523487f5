"""How fast this machine trains and predicts: measured on real images for a few seconds, and remembered."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import default_collate

from maskfold.artefacts.files import whole_file
from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.data.images.depth import training_intensity
from maskfold.execution.memory import peak_memory_mb, reset_peak_memory
from maskfold.inference.runtime import Runtime
from maskfold.network.model import build_model
from maskfold.planning.constants import SPEED_BATCH, SPEED_DAYS
from maskfold.planning.machine import Machine
from maskfold.training.bare_step import bare_step
from maskfold.training.samples.dataset import Sample, TrainingDataset
from maskfold.training.samples.sampling import ANY_CLASS, Draw

_BUSY = 0.8  # CPU time by wall-clock time of one thread below which another program disturbs the measurement


@dataclass(frozen=True)
class Speed:
    """Seconds of one image. sample: to read and augment it on one core; step: to train on it; forward: to predict one
    view of it. Of images of px pixels as the network sees them. step_bytes: memory a step takes for each image;
    network_bytes: of the weights; busy: other programs disturbed the measurement."""

    px: int
    sample: float
    step: float
    forward: float
    step_bytes: float
    network_bytes: int
    busy: bool = False

    def training(self, px: int, machine: Machine) -> float:
        """Seconds that training takes for one image of px pixels."""
        step, sample = (seconds * px / self.px for seconds in (self.step, self.sample))
        if machine.gpus:
            return max(step, sample / min(4, machine.cores))
        return step + sample / machine.cores  # the loader's process and the network share the cores

    def prediction(self, px: int) -> float:
        """Seconds to predict one view of an image of px pixels."""
        return self.forward * px / self.px


def measured_speed(config: Experiment, competition: Competition, machine: Machine, seconds: float) -> tuple[Speed, str]:
    """The speed at the config's network and input size, and whether it was measured now or remembered, in words.

    seconds: that the measurement may take. Remembered for SPEED_DAYS in the user's cache folder.
    """
    path = _cache_file(config, competition, machine)
    remembered = _remembered(path)
    if remembered is not None:
        return remembered, "remembered from an earlier plan"
    speed = _measure(config, competition, machine, seconds)
    if not speed.busy:
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(speed)), encoding="utf-8")
    return speed, "measured now" + (", while another program used the cores" if speed.busy else "")


def cache_folder() -> Path:
    """Where measurements are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maskfold" / "speed"


def _cache_file(config: Experiment, competition: Competition, machine: Machine) -> Path:
    sizes = sorted(set(zip(competition.train["height"].tolist(), competition.train["width"].tolist(), strict=True)))
    key = {
        "machine": [machine.name, machine.cores, machine.bf16, torch.__version__],
        "model": config.model.model_dump(mode="json", exclude={"encoder_weights", "init_from", "freeze"}),
        "crop": config.train.crop_size,
        "augmentation": config.train.augmentation,
        "classes": len(competition.class_names),
        "sizes": sizes if len(sizes) < 9 else [sizes[0], sizes[-1], len(sizes)],
    }
    name = hashlib.sha256(json.dumps(key, default=str, sort_keys=True).encode()).hexdigest()[:24]
    return cache_folder() / f"{name}.json"


def _remembered(path: Path) -> Speed | None:
    try:
        if time.time() - path.stat().st_mtime > SPEED_DAYS * 86400:
            return None
        return Speed(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _measure(config: Experiment, competition: Competition, machine: Machine, seconds: float) -> Speed:
    """The network without pretrained weights, which are as fast and need not be read."""
    threads = torch.get_num_threads()
    torch.set_num_threads(min(threads, machine.cores))
    try:
        with torch.random.fork_rng(devices=[]):
            return _timed(config, competition, seconds)
    finally:
        torch.set_num_threads(threads)


def _timed(config: Experiment, competition: Competition, seconds: float) -> Speed:
    rows = np.random.default_rng(config.seed).permutation(len(competition.train))[: 2 * SPEED_BATCH]
    images = competition.train.iloc[rows].reset_index(drop=True)
    intensity = training_intensity(
        [Path(path) for path in images["path"]], config.model.in_channels, config.data.intensity
    )
    intensity = None if intensity is None else intensity.repeated(config.model.images)
    uncached = config.train.model_copy(update={"cache": "none"})
    dataset = TrainingDataset(images, competition.masks, uncached, config.model, config.seed, 0, None, intensity)
    draws = [Draw(0, number, number % len(images), ANY_CLASS) for number in range(SPEED_BATCH)]
    _ = [dataset[draw] for draw in draws[:2]]  # compiles and opens what the first sample needs
    start = time.perf_counter()
    batch = Sample(*default_collate([dataset[draw] for draw in draws]))
    sample = (time.perf_counter() - start) / len(draws)
    runtime = Runtime.of(config)
    model = build_model(config.model, len(competition.class_names), with_encoder_weights=False)
    model.scale_as(intensity)
    model = model.to(runtime.device)
    pixels, masks = (part.permute(0, 3, 1, 2).to(runtime.device) for part in (batch.pixels, batch.masks))
    train = bare_step(model, config.train.loss, runtime, pixels, masks)

    def predict() -> None:
        """One forward pass."""
        with torch.no_grad(), runtime.autocast():
            model(pixels)

    before = _used_bytes(runtime)
    busy_before = time.process_time(), time.perf_counter()
    step = _seconds(train, runtime, 0.7 * seconds) / len(draws)
    used = time.process_time() - busy_before[0], time.perf_counter() - busy_before[1]
    memory = max(0.0, _used_bytes(runtime, peak=True) - before) / len(draws)
    model.eval()
    forward = _seconds(predict, runtime, 0.2 * seconds) / len(draws)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    busy = runtime.device.type == "cpu" and used[0] < _BUSY * used[1]
    return Speed(pixels.shape[2] * pixels.shape[3], sample, step, forward, memory, weights, busy)


def _used_bytes(runtime: Runtime, peak: bool = False) -> float:
    """Bytes of memory in use now, or at most since this was last asked."""
    if runtime.device.type == "cuda":
        return float(torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated())
    if not peak:
        reset_peak_memory()
    return peak_memory_mb() * 2**20


def _seconds(work: Callable[[], None], runtime: Runtime, limit: float) -> float:
    """The median time of some runs after one that warms up; at least two runs, however long."""
    times: list[float] = []
    end = time.perf_counter() + limit
    for _ in _runs(end):
        start = time.perf_counter()
        work()
        if runtime.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def _runs(end: float) -> Iterator[int]:
    for number in range(12):
        if number >= 3 and time.perf_counter() > end:
            return
        yield number
