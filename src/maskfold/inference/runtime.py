"""Where a network runs and in which precision, and whether the GPU is out of memory."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from maskfold.config import Experiment


@dataclass(frozen=True)
class Runtime:
    """Where and how a network runs: the device and whether autocast to bf16, or else to fp16, is on."""

    device: torch.device
    bf16: bool
    fp16: bool = False

    @classmethod
    def of(cls, config: Experiment) -> Runtime:
        """The runtime a config asks for on this machine."""
        accelerator = config.train.accelerator
        cuda = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
        device = torch.device("cuda" if cuda else "cpu")
        asked = config.train.precision
        bf16 = asked == "bf16" or (asked == "auto" and fast_bf16(device))
        return cls(device, bf16, asked == "fp16" or (asked == "auto" and not bf16 and fast_fp16(device)))

    def autocast(self) -> AbstractContextManager[None]:
        """The autocast context to run the network in."""
        dtype = torch.float16 if self.fp16 else torch.bfloat16
        return torch.autocast(self.device.type, dtype=dtype, enabled=self.bf16 or self.fp16)


def fast_bf16(device: torch.device) -> bool:
    """Whether this device computes bf16 in hardware; emulated it would be slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine().lower() in ("x86_64", "amd64"):
        # oneDNN takes bf16 on any AVX-512 CPU, but without these instructions at half the speed of fp32.
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def fast_fp16(device: torch.device) -> bool:
    """Whether this device computes fp16 in tensor cores (NVIDIA from V100 and T4 on); never on a CPU."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 7


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that the GPU is out of memory; CUDA, cuDNN and cuBLAS word it differently."""
    text = str(error)
    known = ("CUDA error: out of memory", "CUDNN_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(message in text for message in known)
