"""Batches of images of one padded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, get_worker_info

from maskfold.config import InferenceConfig, ModelConfig
from maskfold.data.images.stacks import read_stacks, stack_list
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores
from maskfold.pixels.geometry import (
    network_size,
    pad_to,
    padded_size,
    resize_image,
)


@dataclass(frozen=True)
class ImageBatch:
    """Images of one padded size, ready for the network.

    pixels: (B, input_channels, h, w) stored values, uint8 or float32; sizes: original (height, width); inner_sizes:
    (height, width) before padding; stored: the type of the files' values.
    """

    image_ids: list[str]
    pixels: Tensor
    sizes: list[tuple[int, int]]
    inner_sizes: list[tuple[int, int]]
    stored: str = "uint8"

    def part(self, rows: slice) -> ImageBatch:
        """Some of the images."""
        ids, pixels, sizes = self.image_ids[rows], self.pixels[rows], self.sizes[rows]
        return ImageBatch(ids, pixels, sizes, self.inner_sizes[rows], self.stored)

    def pin_memory(self) -> ImageBatch:
        """The same batch in page-locked memory, for copies that overlap with the GPU's work."""
        return ImageBatch(self.image_ids, self.pixels.pin_memory(), self.sizes, self.inner_sizes, self.stored)


class BatchDataset(Dataset[ImageBatch]):
    """Batches of images that share a padded size; batch i always holds the same images, in every process."""

    def __init__(self, images: pd.DataFrame, model: ModelConfig, batch_size: int, pad_multiple: int) -> None:
        self.model, self.pad_multiple = model, pad_multiple
        self.image_ids = images["image_id"].tolist()
        self.stacks = stack_list(images, model.neighbours)
        pairs = zip(images["height"].tolist(), images["width"].tolist(), strict=True)
        self.inner_sizes = [network_size(height, width, model.resize) for height, width in pairs]
        self.batches = plan_batches(self.inner_sizes, batch_size, pad_multiple)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> ImageBatch:
        rows = self.batches[index]
        images = read_stacks([self.stacks[row] for row in rows], self.model.in_channels)
        batch = image_batch([self.image_ids[row] for row in rows], images, self.model, self.pad_multiple)
        if get_worker_info() is not None:
            # Else torch does so in a thread that loses the batch where shared memory is full, and all wait for ever.
            batch.pixels.share_memory_()
        return batch


class PixelBatches:
    """The image ids and the pixels, (B, input_channels, h, w) stored values, of the batches of one size, or of all."""

    def __init__(self, data: BatchDataset, size: tuple[int, int] | None = None) -> None:
        """size: (height, width) in px that the pixels must have; None: any."""
        self._data = data
        sizes = [padded_size(*data.inner_sizes[rows[0]], data.pad_multiple) for rows in data.batches]
        self._numbers = [number for number, found in enumerate(sizes) if size in (None, found)]

    def __iter__(self) -> Iterator[tuple[list[str], np.ndarray]]:
        for number in self._numbers:
            batch = self._data[number]
            yield batch.image_ids, np.ascontiguousarray(batch.pixels.numpy())

    def __len__(self) -> int:
        return len(self._numbers)


def image_batch(
    image_ids: list[str], images: Sequence[np.ndarray], model: ModelConfig, pad_multiple: int
) -> ImageBatch:
    """Images, (H, W, input_channels) each, resized and padded for the network; their padded sizes must be equal.

    Raises DataError for images that store values of different types.
    """
    types = {image.dtype.name: image_id for image_id, image in zip(image_ids, images, strict=True)}
    if len(types) > 1:
        found = ", ".join(f"{name} ({image_id})" for name, image_id in types.items())
        raise DataError([f"the images of a batch store values of different types: {found}"])
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    inner_sizes = [network_size(*size, model.resize) for size in sizes]
    size = padded_size(*inner_sizes[0], pad_multiple)
    padded = [pad_to(resize_image(image, inner), size) for image, inner in zip(images, inner_sizes, strict=True)]
    [stored] = types
    stacked = np.stack(padded) if stored == "uint8" else np.stack(padded).astype(np.float32)
    pixels = torch.from_numpy(stacked.transpose(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
    return ImageBatch(image_ids, pixels, sizes, inner_sizes, stored)


def plan_batches(inner_sizes: Sequence[tuple[int, int]], batch_size: int, pad_multiple: int) -> list[list[int]]:
    """Rows grouped by padded size, at most `batch_size` a batch, in order of their first image."""
    batches: list[list[int]] = []
    open_batches: dict[tuple[int, int], list[int]] = {}
    for row, inner in enumerate(inner_sizes):
        size = padded_size(*inner, pad_multiple)
        batch = open_batches.get(size)
        if batch is None or len(batch) == batch_size:
            batch = open_batches[size] = []
            batches.append(batch)
        batch.append(row)
    return batches


def batch_loader(
    images: pd.DataFrame,
    model: ModelConfig,
    inference: InferenceConfig,
    workers: int | None,
    device: torch.device,
    rank: int = 0,
    world: int = 1,
) -> DataLoader[ImageBatch]:
    """A loader of whole images for inference, decoded in the background; process `rank` of `world` takes its share.

    images: image_id, path, height, width; workers: loader processes, None for the default (see loader_workers).
    """
    # Small enough that every process has a batch: the others would wait for ever for one that has none.
    batch_size = min(inference.batch_size, max(1, len(images) // world))
    batches = BatchDataset(images, model, batch_size, inference.pad_multiple)
    processes = loader_workers(workers, device)
    return DataLoader(
        Subset(batches, range(rank, len(batches), world)),
        batch_size=None,
        num_workers=processes,
        pin_memory=device.type == "cuda",
        worker_init_fn=single_threaded,
        prefetch_factor=4 if processes else None,
    )


def loader_workers(workers: int | None, device: torch.device) -> int:
    """Number of loader processes: as configured, else up to four with a GPU and one with a network on the CPU."""
    if workers is not None:
        return min(workers, 4 * available_cores())  # more only fill the memory
    return min(4, available_cores()) if device.type == "cuda" else 1


def single_threaded(_worker: int) -> None:
    """Keep a loader process from starting threads, which would compete with the network's for the cores."""
    cv2.setNumThreads(0)
