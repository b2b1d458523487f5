"""The runtimes and precisions that are measured. Imports nothing: the worker's memory is part of what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Device = Literal["cpu", "gpu"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]


@dataclass(frozen=True)
class Backend:
    """One way to run a network.

    precision: of convolutions and matrix products; compiled: by torch.compile.
    """

    name: str
    engine: Literal["torch", "onnxruntime", "openvino", "tensorrt"]
    precision: Precision
    compiled: bool = False

    @property
    def needs_onnx(self) -> bool:
        """Whether it reads an ONNX file instead of model.pt."""
        return self.engine != "torch"


BACKENDS = (
    Backend("torch", "torch", "fp32"),
    Backend("torch-tf32", "torch", "tf32"),
    Backend("torch-bf16", "torch", "bf16"),
    Backend("torch-fp16", "torch", "fp16"),
    Backend("torch-compile", "torch", "fp32", compiled=True),
    Backend("torch-compile-bf16", "torch", "bf16", compiled=True),
    Backend("onnxruntime", "onnxruntime", "fp32"),
    Backend("openvino", "openvino", "fp32"),
    Backend("openvino-bf16", "openvino", "bf16"),
    Backend("tensorrt", "tensorrt", "fp32"),
    Backend("tensorrt-fp16", "tensorrt", "fp16"),
)

BY_NAME = {backend.name: backend for backend in BACKENDS}
