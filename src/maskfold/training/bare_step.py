"""A training step without its trainer, to measure how fast it is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from maskfold.config import LossConfig
from maskfold.inference.runtime import Runtime
from maskfold.network.model import SegmentationModel
from maskfold.training.losses.combined import SegmentationLoss


def bare_step(
    model: SegmentationModel, loss: LossConfig, runtime: Runtime, pixels: Tensor, masks: Tensor
) -> Callable[[], None]:
    """A function that trains the model on one batch.

    pixels: (N, in_channels, H, W) uint8; masks: (N, classes, H, W) uint8 in {0, 1}; both on the runtime's device.
    """
    of_masks = SegmentationLoss(loss).to(runtime.device)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        """One step of the optimiser."""
        with runtime.autocast():
            value = of_masks(model(pixels), masks)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
