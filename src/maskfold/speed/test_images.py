"""The images that the backends are timed and compared on, as the network sees them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from maskfold.config import Experiment, ModelConfig, Resize
from maskfold.data.opening import open_competition
from maskfold.errors import DataError
from maskfold.export.onnx import Size, default_size
from maskfold.inference.batches import BatchDataset, ImageBatch
from maskfold.network.model import STRIDE
from maskfold.pixels.geometry import network_size, padded_size
from maskfold.speed.network import Subject


@dataclass(frozen=True)
class ShownImages:
    """Images of one padded size; real: they come from the run's own data, so that masks of them mean something."""

    batch: ImageBatch
    real: bool

    @property
    def size(self) -> Size:
        """(height, width) in px that the network sees."""
        return self.batch.pixels.shape[2], self.batch.pixels.shape[3]

    def batches(self, size: int) -> list[np.ndarray]:
        """All images in full batches, (size, in_channels, H, W) uint8 each; the last is filled up from the start."""
        pixels = self.batch.pixels.contiguous().numpy()
        rows = np.arange(-(-len(pixels) // size) * size) % len(pixels)
        return [np.ascontiguousarray(pixels[part]) for part in rows.reshape(-1, size)]


def shown_images(subject: Subject, size: Size | None, count: int) -> ShownImages:
    """At most `count` test images of a run, spread evenly over those of the commonest size; noise for random weights.

    size: (height, width) in px that all are resized to, then padded to multiples of 32; None: as the run shows them to
    its network. Where the run's data cannot be read, noise too, of `default_size`; a printed line says so.
    """
    config = subject.config
    if subject.trained:
        try:
            return ShownImages(_run_images(config, size or config.inference.tile_size, count), real=True)
        except DataError as error:
            reason = (str(error).splitlines() or ["no data"])[-1].strip()
            print(f"benchmark_inference: the images of {config.name} cannot be read, noise instead ({reason})")
    return ShownImages(_noise(size or default_size(config), config.model.input_channels, count), real=False)


def _run_images(config: Experiment, size: Size | None, count: int) -> ImageBatch:
    competition = open_competition(config.data, config.model.in_channels)
    table = competition.readable_test if len(competition.readable_test) else competition.train
    model, multiple = config.model, config.inference.pad_multiple
    if size is not None:
        # No validation: a Resize of the config has one form only, which the given size replaces.
        model, multiple = ModelConfig.model_copy(model, update={"resize": Resize(size=size)}), STRIDE
    sides = zip(table["height"].tolist(), table["width"].tolist(), strict=True)
    padded = [padded_size(*network_size(height, width, model.resize), multiple) for height, width in sides]
    commonest = Counter(padded).most_common(1)[0][0]
    rows = [row for row, each in enumerate(padded) if each == commonest]
    spread = [rows[index] for index in np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int))]
    batch = BatchDataset(table.iloc[spread], model, count, multiple)[0]
    if batch.stored != "uint8":
        raise DataError([f"they store {batch.stored} values; speed is measured with 8 bits"])
    return batch


def _noise(size: Size, channels: int, count: int) -> ImageBatch:
    padded = padded_size(*size, STRIDE)
    pixels = torch.randint(
        0, 256, (count, channels, *padded), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    return ImageBatch([str(number) for number in range(count)], pixels, [size] * count, [size] * count)
