"""A trained network in torch: eager or compiled, in fp32, TF32, bf16 or fp16, on the CPU or the GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from maskfold.config import ModelConfig
from maskfold.network.model import SegmentationModel, load_model
from maskfold.speed.backends import Backend, Device

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Probabilities(nn.Module):
    """From raw pixels to probabilities, as `inference.predict.Ensemble` asks one network."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """pixels: (B, in_channels, H, W) uint8.

        Returns mask probabilities (B, C, H, W) float32 and, with a classification head, class probabilities (B, C).
        """
        outputs = self.model(pixels)
        logits = [each for each in (outputs.mask_logits, outputs.class_logits) if each is not None]
        # float() first: a sigmoid in bf16 has too few steps near 1 for 8-bit probabilities.
        return tuple(each.float().sigmoid() for each in logits)


class TorchEngine:
    """One trained network, ready to be timed."""

    def __init__(
        self, backend: Backend, device: Device, threads: int, model: ModelConfig, class_count: int, weights: Path
    ) -> None:
        torch.set_num_threads(threads)
        self.device = torch.device("cuda" if device == "gpu" else "cpu")
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = backend.precision == "tf32"
        self.dtype = _AUTOCAST.get(backend.precision)
        self.free_at_start = torch.cuda.mem_get_info()[0] if self.device.type == "cuda" else 0
        network = Probabilities(load_model(weights, model, class_count)).to(self.device).eval()
        # Sizes do not change here, and a compilation for free ones would be slower.
        self.network: Any = torch.compile(network, dynamic=False) if backend.compiled else network
        self.files = [weights]

    def place(self, pixels: np.ndarray) -> Tensor:
        """(B, in_channels, H, W) uint8 in the device's memory."""
        return torch.from_numpy(pixels).to(self.device).contiguous(memory_format=torch.channels_last)

    def run(self, placed: Tensor) -> tuple[Tensor, ...]:
        """The probabilities, in the device's memory; returns when they are there."""
        with torch.inference_mode(), torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            result: tuple[Tensor, ...] = self.network(placed)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return result

    def fetch(self, result: tuple[Tensor, ...]) -> list[np.ndarray]:
        """The probabilities as float32 arrays."""
        return [each.float().cpu().numpy() for each in result]

    def gpu_mb(self) -> float | None:
        """What the GPU's memory shrank by since the engine was loaded (MB); None on the CPU."""
        if self.device.type != "cuda":
            return None
        return (self.free_at_start - torch.cuda.mem_get_info()[0]) / 2**20
