"""Which backends this machine has, and why it lacks the others."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import torch

from maskfold.errors import UsageError
from maskfold.inference.runtime import fast_bf16
from maskfold.speed.backends import BACKENDS, BY_NAME, Backend, Device

_PACKAGES = {
    "onnxruntime": "pip install -r requirements-onnx.txt",
    "openvino": "pip install -r requirements-speed.txt",
}
_EXPORT_PACKAGES = ("onnx", "onnxscript")


def choose_backends(names: Sequence[str]) -> tuple[Backend, ...]:
    """The backends of these names, all where none is given. Raises UsageError with the nearest for unknown ones."""
    problems = []
    for name in names:
        if name not in BY_NAME:
            near = difflib.get_close_matches(name, BY_NAME, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(BY_NAME)}"
            problems.append(f"--backends: unknown {name!r}; {hint}")
    if problems:
        raise UsageError("\n".join(problems))
    return tuple(BY_NAME[name] for name in dict.fromkeys(names)) or BACKENDS


def choose_devices(name: str) -> tuple[Device, ...]:
    """The devices to measure on; `auto` is the CPU and, where there is one, the GPU.

    Raises UsageError when a GPU is asked for and not there.
    """
    if name == "gpu" and not torch.cuda.is_available():
        raise UsageError("--device gpu: torch finds no NVIDIA GPU here; give --device cpu")
    if name in ("cpu", "gpu"):
        return ("gpu",) if name == "gpu" else ("cpu",)
    return ("cpu", "gpu") if torch.cuda.is_available() else ("cpu",)


def why_missing(backend: Backend, device: Device) -> str | None:
    """Why a backend cannot run here, and what to install; None when it can."""
    if backend.engine == "torch":
        return _torch_lacks(backend, device)
    if backend.engine == "tensorrt" and device == "cpu":
        return "TensorRT needs an NVIDIA GPU"
    if backend.engine == "openvino" and device == "gpu":
        return "OpenVINO does not run on NVIDIA GPUs"
    package = "openvino" if backend.engine == "openvino" else "onnxruntime"
    for needed in (package, *_EXPORT_PACKAGES):
        if find_spec(needed) is None:
            return f"{needed} is not installed; {_PACKAGES.get(needed, _PACKAGES['onnxruntime'])}"
    if backend.engine == "openvino":
        return None if backend.precision == "fp32" else _cpu_lacks_bf16()
    return None if device == "cpu" else _provider_lacks(backend)


def _torch_lacks(backend: Backend, device: Device) -> str | None:
    if device == "gpu":
        if backend.precision in ("bf16", "tf32") and not fast_bf16(torch.device("cuda")):
            return f"this GPU has no {backend.precision} arithmetic"  # both came with the same generation
        return None
    if backend.precision == "tf32":
        return "TF32 is a format of NVIDIA GPUs"
    if backend.precision == "fp16" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():
        return "this CPU has no fp16 arithmetic"
    if backend.compiled and shutil.which(os.environ.get("CXX", "g++")) is None:
        return "torch.compile needs a C++ compiler on the CPU; install g++"
    return _cpu_lacks_bf16() if backend.precision == "bf16" else None


def _cpu_lacks_bf16() -> str | None:
    return None if fast_bf16(torch.device("cpu")) else "this CPU has no bf16 arithmetic"


def _provider_lacks(backend: Backend) -> str | None:
    """Whether onnxruntime was built for the GPU; that its libraries load shows when the session is opened."""
    import onnxruntime  # only where it is installed

    wanted = "TensorrtExecutionProvider" if backend.engine == "tensorrt" else "CUDAExecutionProvider"
    if wanted in onnxruntime.get_available_providers():
        return None
    more = " tensorrt" if backend.engine == "tensorrt" else ""
    return f"this onnxruntime has no {wanted}; pip install onnxruntime-gpu{more} in place of onnxruntime"
