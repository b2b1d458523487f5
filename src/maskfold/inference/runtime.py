"""Where a network runs and in which precision, and whether the GPU is out of memory."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from maskfold.config import Experiment


@dataclass(frozen=True)
class Runtime:
    """Where and how a network runs: the device and whether autocast to bf16 is on."""

    device: torch.device
    bf16: bool

    @classmethod
    def of(cls, config: Experiment) -> Runtime:
        """The runtime a config asks for on this machine."""
        accelerator = config.train.accelerator
        cuda = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
        device = torch.device("cuda" if cuda else "cpu")
        return cls(device, config.train.precision == "bf16" or (config.train.precision == "auto" and fast_bf16(device)))

    def autocast(self) -> AbstractContextManager[None]:
        """The autocast context to run the network in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def fast_bf16(device: torch.device) -> bool:
    """Whether this device computes bf16 in hardware; emulated it would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine().lower() in ("x86_64", "amd64"):
        # oneDNN takes bf16 on any AVX-512 CPU, but without these instructions at half the speed of fp32.
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that the GPU is out of memory; CUDA, cuDNN and cuBLAS word it differently."""
    text = str(error)
    known = ("CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(message in text for message in known)
