"""One backend in a process of its own: `python -m maskfold.speed.worker`, one JSON message a line in, one out.

A process of its own makes its peak memory its own, and keeps the threads of one runtime away from another's. Replies
{"error": …} instead of ending when a runtime fails, so that the other backends are still measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maskfold.execution.memory import peak_memory_mb
from maskfold.speed.backends import BY_NAME


class Engine(Protocol):
    """A network in some runtime."""

    @property
    def files(self) -> list[Path]:
        """What it needs on the disk."""

    def place(self, pixels: np.ndarray) -> Any:
        """(B, in_channels, H, W) uint8 in the device's memory."""

    def run(self, placed: Any) -> Any:
        """The probabilities, in the device's memory; returns when they are there."""

    def fetch(self, result: Any) -> list[np.ndarray]:
        """Mask probabilities (B, C, H, W) float32 and, with a classification head, class probabilities (B, C)."""

    def gpu_mb(self) -> float | None:
        """What it takes of the GPU's memory (MB), where the runtime says so."""


def load_engine(request: Mapping[str, Any]) -> Engine:
    """The engine a `load` message asks for; its keys are those that `process.Worker` sends."""
    backend, device, threads = BY_NAME[request["backend"]], request["device"], request["threads"]
    # Only what this backend needs is imported: the rest would be counted as its memory.
    if backend.engine == "torch":
        from maskfold.config import ModelConfig
        from maskfold.speed.torch_engine import TorchEngine

        model = ModelConfig.model_validate_json(json.dumps(request["model"]))
        return TorchEngine(backend, device, threads, model, request["class_count"], Path(request["weights"]))
    from maskfold.speed.onnx_engines import OnnxRuntimeEngine, OpenVinoEngine

    if backend.engine == "openvino":
        return OpenVinoEngine(backend, threads, Path(request["onnx"]))
    return OnnxRuntimeEngine(backend, device, threads, Path(request["onnx"]), Path(request["folder"]))


class Worker:
    """Replies to the messages of one backend."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.placed: dict[str, Any] = {}

    def reply(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one message: load, time, predict or memory, as its key `do` says."""
        if message["do"] == "load":
            self.engine = load_engine(message)
            return {}
        assert self.engine is not None, "load comes first"
        if message["do"] == "time":
            return {"ms": self._time(self.engine, message["pixels"], message["calls"])}
        if message["do"] == "predict":
            placed = self.engine.place(np.load(message["pixels"]))
            parts = self.engine.fetch(self.engine.run(placed))
            np.savez(message["out"], *parts)
            return {}
        assert message["do"] == "memory", message
        size = sum(path.stat().st_size for path in self.engine.files)
        return {"memory_mb": peak_memory_mb(), "gpu_mb": self.engine.gpu_mb(), "size_mb": size / 2**20}

    def _time(self, engine: Engine, path: str, calls: int) -> list[float]:
        """Milliseconds of each of some passes over the pixels of a file."""
        if path not in self.placed:
            self.placed[path] = engine.place(np.load(path))
        placed, times = self.placed[path], []
        for _ in range(calls):
            started = time.perf_counter()
            engine.run(placed)
            times.append(1000 * (time.perf_counter() - started))
        return times


def main() -> None:
    """Reply until the input ends."""
    # Some libraries print; what they print must not get between the messages.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as channel:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        worker = Worker()
        for line in sys.stdin:
            try:
                reply = worker.reply(json.loads(line))
            except Exception as error:  # whatever a runtime raises is shown in its row of the table
                reply = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(reply), file=channel, flush=True)


if __name__ == "__main__":
    main()
