"""A network exported to ONNX in onnxruntime (CPU, CUDA, TensorRT) and OpenVINO. Imports neither torch nor maskfold's
stages, so that a worker's memory is that of the runtime alone."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.speed.backends import Backend, Device

_CUDA, _TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"


class OnnxRuntimeEngine:
    """An ONNX file in onnxruntime, ready to be timed."""

    def __init__(self, backend: Backend, device: Device, threads: int, onnx: Path, folder: Path) -> None:
        """folder: where TensorRT keeps its engine. Raises RuntimeError when onnxruntime falls back to another."""
        if device == "gpu":
            _load_libraries(backend)
        import onnxruntime  # large, and of no use to other workers

        self.device = device
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only
        providers = _providers(backend, device, folder)
        self.session = onnxruntime.InferenceSession(onnx, options, providers=providers)
        wanted = providers[0][0]
        if self.session.get_providers()[0] != wanted:
            raise RuntimeError(f"onnxruntime could not load its {wanted}; it needs the libraries of this CUDA version")
        self.onnx, self.folder, self.runtime = onnx, folder, onnxruntime

    @property
    def files(self) -> list[Path]:
        """What lies on the disk: TensorRT's engine where there is one, else the ONNX file."""
        return sorted(self.folder.glob("*.engine")) or [self.onnx]

    def place(self, pixels: np.ndarray) -> Any:
        """(B, in_channels, H, W) uint8 in the device's memory."""
        if self.device == "cpu":
            return pixels
        binding = self.session.io_binding()
        binding.bind_ortvalue_input("pixels", self.runtime.OrtValue.ortvalue_from_numpy(pixels, "cuda", 0))
        for output in self.session.get_outputs():
            binding.bind_output(output.name, "cuda")
        return binding

    def run(self, placed: Any) -> Any:
        """The probabilities, in the device's memory; returns when they are there."""
        if self.device == "cpu":
            return self.session.run(None, {"pixels": placed})
        self.session.run_with_iobinding(placed)
        placed.synchronize_outputs()
        return placed

    def fetch(self, result: Any) -> list[np.ndarray]:
        """The probabilities as float32 arrays."""
        return list(result if self.device == "cpu" else result.copy_outputs_to_cpu())

    def gpu_mb(self) -> float | None:
        """onnxruntime does not say what it takes of the GPU's memory."""
        return None


class OpenVinoEngine:
    """An ONNX file in OpenVINO on the CPU, compiled for each batch size that comes."""

    def __init__(self, backend: Backend, threads: int, onnx: Path) -> None:
        import openvino  # large, and of no use to other workers

        self.core, self.files = openvino.Core(), [onnx]
        self.settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # Left alone, OpenVINO takes bf16 wherever the CPU has it, and calls it the default.
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[backend.precision],
        }
        self.requests: dict[tuple[int, ...], Any] = {}

    def place(self, pixels: np.ndarray) -> np.ndarray:
        """(B, in_channels, H, W) uint8 as it is."""
        if pixels.shape not in self.requests:
            model = self.core.read_model(self.files[0])
            model.reshape(list(pixels.shape))
            self.requests[pixels.shape] = self.core.compile_model(model, "CPU", self.settings).create_infer_request()
        return pixels

    def run(self, placed: np.ndarray) -> Any:
        """The probabilities."""
        return self.requests[placed.shape].infer({"pixels": placed}, share_inputs=True, share_outputs=True)

    def fetch(self, result: Any) -> list[np.ndarray]:
        """The probabilities as float32 arrays."""
        return [np.array(each, dtype=np.float32) for each in result.values()]

    def gpu_mb(self) -> float | None:
        """None: it runs on the CPU."""
        return None


def _providers(backend: Backend, device: Device, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """onnxruntime's execution providers, the wanted one first."""
    cpu: tuple[str, dict[str, Any]] = ("CPUExecutionProvider", {})
    if device == "cpu":
        return [cpu]
    cuda = (_CUDA, {"use_tf32": 0})
    if backend.engine != "tensorrt":
        return [cuda, cpu]
    settings = {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_fp16_enable": backend.precision == "fp16",
    }
    return [(_TENSORRT, settings), cuda, cpu]


def _load_libraries(backend: Backend) -> None:
    """Load what onnxruntime links to from the packages that pip installed with it."""
    import onnxruntime  # large, and of no use to other workers

    onnxruntime.preload_dlls()
    if backend.engine == "tensorrt" and find_spec("tensorrt") is not None:
        import_module("tensorrt")
