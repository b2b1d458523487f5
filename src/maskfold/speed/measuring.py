"""One network in every backend: a process each, loaded, compared with torch in fp32, and timed in turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from maskfold.artefacts.files import file_hash
from maskfold.errors import UsageError
from maskfold.execution.progress import tracked
from maskfold.export.onnx import Size, export_onnx
from maskfold.speed.agreement import Comparison
from maskfold.speed.availability import why_missing
from maskfold.speed.backends import Backend, Device
from maskfold.speed.network import Subject
from maskfold.speed.process import BackendError, WorkerProcess
from maskfold.speed.rounds import WARM_UP_CALLS, Plan, latency, measure
from maskfold.speed.table import COLUMNS
from maskfold.speed.test_images import ShownImages

_WEIGHTS_DIGITS = 12  # of a SHA-256: enough to tell the weights of a run apart


@dataclass(frozen=True)
class SpeedRequest:
    """What is measured; size: (height, width) in px, None for the run's own; batch: measured in addition to batch 1."""

    devices: Sequence[Device]
    backends: Sequence[Backend]
    size: Size | None
    batch: int
    images: int
    threads: int
    plan: Plan

    def __post_init__(self) -> None:
        problems = [
            f"--{name}: expected {least} or more, found {value}"
            for name, value, least in (
                ("batch", self.batch, 1),
                ("images", self.images, 1),
                ("threads", self.threads, 1),
                ("rounds", self.plan.rounds, 1),
                ("size", min(self.size or (1,)), 1),
            )
            if value < least
        ]
        if self.plan.seconds <= 0:
            problems.append(f"--seconds: expected more than 0, found {self.plan.seconds:g}")
        if problems:
            raise UsageError("\n".join(problems))


@dataclass
class _Entry:
    """A backend on a device: what it was found to be, or why it has no figures."""

    backend: Backend
    device: Device
    note: str = ""
    worker: WorkerProcess | None = None
    calls: dict[int, int] = field(default_factory=dict)
    figures: dict[str, float | None] = field(default_factory=dict)


def measured(subject: Subject, request: SpeedRequest, shown: ShownImages) -> pd.DataFrame:
    """One row a device, backend and batch size, columns as in `table.COLUMNS`; `note` says why a row has no figures."""
    with TemporaryDirectory() as folder, ExitStack() as workers:
        scratch = Path(folder)
        entries = [
            _Entry(backend, device, f"not here: {reason}" if reason else "")
            for device in request.devices
            for backend in request.backends
            for reason in [why_missing(backend, device)]
        ]
        onnx = _export(subject, shown.size, scratch, entries)
        batches = _save_batches(shown, sorted({1, request.batch}), scratch)
        compare = Comparison(subject, shown, batches[request.batch])
        ready = [entry for entry in entries if not entry.note]
        for entry in tracked(ready, len(ready), "loading"):
            place = scratch / f"{entry.device}-{entry.backend.name}"
            entry.worker = workers.enter_context(WorkerProcess(entry.backend, entry.device, request.threads, place))
            try:
                _prepare(entry, subject, onnx, batches, request.plan)
                entry.figures |= compare.figures(entry.worker)
            except BackendError as error:
                entry.note = f"failed: {error}"
        return _timed(subject, request, shown, entries, batches)


def _export(subject: Subject, size: Size, scratch: Path, entries: Sequence[_Entry]) -> Path | None:
    """The network as an ONNX file where some backend reads one; where it cannot be exported they say why."""
    readers = [entry for entry in entries if entry.backend.needs_onnx and not entry.note]
    if not readers:
        return None
    path = scratch / "network.onnx"
    try:
        export_onnx(subject.config, path, subject.fold, size, "uint8", fixed=True, trained=subject.trained)
    except UsageError as error:
        for entry in readers:
            entry.note = f"failed: {str(error).splitlines()[0]}"
        return None
    return path


def _save_batches(shown: ShownImages, sizes: Sequence[int], scratch: Path) -> dict[int, list[Path]]:
    """Batch size -> files of all images in batches of that size; of batch 1 only the first image."""
    saved: dict[int, list[Path]] = {}
    for size in sizes:
        saved[size] = [scratch / f"pixels-{size}-{number}.npy" for number, _ in enumerate(shown.batches(size))]
        for path, pixels in zip(saved[size], shown.batches(size), strict=True):
            np.save(path, pixels)
    return saved


def _prepare(entry: _Entry, subject: Subject, onnx: Path | None, batches: dict[int, list[Path]], plan: Plan) -> None:
    """Load the network and warm it up; notes how long that took and how many passes of each batch fit a round."""
    assert entry.worker is not None
    started = time.perf_counter()
    config = subject.config
    model = config.model.model_dump(mode="json")
    entry.worker.load(model, len(config.data.class_names), subject.weights, onnx)
    for number, (size, paths) in enumerate(batches.items()):
        first = entry.worker.time(paths[0], 1)
        if number == 0:
            entry.figures["ready_s"] = time.perf_counter() - started
        entry.calls[size] = plan.calls(first + entry.worker.time(paths[0], WARM_UP_CALLS - 1))
    entry.figures["gpu_mb"] = entry.worker.memory()["gpu_mb"]


def _timed(
    subject: Subject,
    request: SpeedRequest,
    shown: ShownImages,
    entries: Sequence[_Entry],
    batches: dict[int, list[Path]],
) -> pd.DataFrame:
    """The rounds, and the table of everything that was found."""
    timers, calls = {}, {}
    for number, entry in enumerate(entries):
        if entry.note or entry.worker is None:
            continue
        for size, paths in batches.items():
            timers[number, size] = partial(entry.worker.time, paths[0])
            calls[number, size] = entry.calls[size]
    times, failed = measure(timers, calls, request.plan.rounds)
    for (number, _), reason in failed.items():
        entries[number].note = f"failed: {reason}"
    rows = []
    for number, entry in enumerate(entries):
        about: dict[str, object] = {"device": entry.device, "backend": entry.backend.name, "note": entry.note}
        if entry.note or entry.worker is None:
            rows.append(about)
            continue
        found = entry.worker.memory()
        about |= {**entry.figures, "memory_mb": found["memory_mb"], "size_mb": found["size_mb"]}
        rows += [about | {"batch": size} | latency(times[number, size], size) for size in batches]
    table = pd.DataFrame([_of_all(subject, request, shown) | row for row in rows], columns=COLUMNS)
    return table.astype({"batch": "Int64", "passes": "Int64"})  # rows without figures have none


def _of_all(subject: Subject, request: SpeedRequest, shown: ShownImages) -> dict[str, object]:
    """What all rows of a table share."""
    return {
        "run": subject.config.name,
        "fold": subject.fold,
        "weights": file_hash(subject.weights)[:_WEIGHTS_DIGITS] if subject.trained else "",
        "architecture": subject.config.model.architecture,
        "encoder": subject.config.model.encoder,
        "height": shown.size[0],
        "width": shown.size[1],
        "threads": request.threads,
    }
