"""The measuring side of a worker: starts the process of one backend and asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.speed.backends import Backend, Device

_SOURCES = Path(__file__).resolve().parents[2]
_LONGEST_REASON = 200  # characters of what a runtime says when it fails


class BackendError(RuntimeError):
    """A backend failed or its process ended; the message is one line that says why."""


class WorkerProcess:
    """One backend in a process of its own. Use it in a `with`: the process ends with the block."""

    def __init__(self, backend: Backend, device: Device, threads: int, folder: Path) -> None:
        """folder: its own; what the process prints goes to log.txt there."""
        folder.mkdir(parents=True)
        self.backend, self.device, self.threads, self.folder = backend, device, threads, folder
        paths = [str(_SOURCES), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "OMP_NUM_THREADS": str(threads),
        }
        if device == "gpu" and backend.precision != "tf32":
            environment["NVIDIA_TF32_OVERRIDE"] = "0"  # fp32 means fp32, in TensorRT too
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "maskfold.speed.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                text=True,
            )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def load(self, model: dict[str, Any], class_count: int, weights: Path, onnx: Path | None) -> None:
        """Load the network; model: the config's section as JSON. Raises BackendError, as all questions do."""
        self._ask(
            do="load",
            backend=self.backend.name,
            device=self.device,
            threads=self.threads,
            model=model,
            class_count=class_count,
            weights=str(weights),
            onnx=None if onnx is None else str(onnx),
            folder=str(self.folder),
        )

    def time(self, pixels: Path, calls: int) -> list[float]:
        """Milliseconds of each of `calls` passes over the batch in a file: (B, in_channels, H, W) uint8."""
        times: list[float] = self._ask(do="time", pixels=str(pixels), calls=calls)["ms"]
        return times

    def predict(self, pixels: Path) -> list[np.ndarray]:
        """Mask probabilities (B, C, H, W) float32 and, with a classification head, class probabilities (B, C)."""
        out = self.folder / "output.npz"
        self._ask(do="predict", pixels=str(pixels), out=str(out))
        with np.load(out) as parts:
            return [parts[name] for name in parts.files]

    def memory(self) -> dict[str, float | None]:
        """memory_mb: peak of the process in RAM; gpu_mb: of the GPU's memory, where known; size_mb: on the disk."""
        return self._ask(do="memory")

    def _ask(self, **message: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            print(json.dumps(message), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            log = (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            said = f": {log[-1][:_LONGEST_REASON]}" if log else ""
            raise BackendError(f"its process ended with code {self.process.wait()}{said}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise BackendError((str(reply["error"]).strip().splitlines() or ["no reason given"])[0][:_LONGEST_REASON])
        return reply
