"""The only way from an image to probabilities: used for validation, OOF, test images, photos and video alike."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from maskfold.config import Config, InferenceConfig, ModelConfig
from maskfold.data.image_files import read_image
from maskfold.data.transforms import network_size, pad_to, padded_size, resize_image
from maskfold.errors import InferenceError
from maskfold.models import SegmentationModel
from maskfold.tiling import predict_tiled
from maskfold.tta import tta_views


class Prediction(NamedTuple):
    """One image's probabilities at its original size.

    prob: (C, H, W) uint8, q stands for q/255; class_prob: (C,) float32 in 0..1, or None without a classification head.
    """

    image_id: str
    prob: np.ndarray
    class_prob: np.ndarray | None


@dataclass(frozen=True)
class ImageBatch:
    """Images of one padded size, ready for the network.

    pixels: (B, in_channels, h, w) uint8; sizes: original (height, width); inner_sizes: (height, width) before padding.
    """

    image_ids: list[str]
    pixels: Tensor
    sizes: list[tuple[int, int]]
    inner_sizes: list[tuple[int, int]]

    def part(self, rows: slice) -> ImageBatch:
        """Some of the images."""
        return ImageBatch(self.image_ids[rows], self.pixels[rows], self.sizes[rows], self.inner_sizes[rows])

    def pin_memory(self) -> ImageBatch:
        """The same batch in page-locked memory, for copies that overlap with the GPU's work."""
        return ImageBatch(self.image_ids, self.pixels.pin_memory(), self.sizes, self.inner_sizes)


@dataclass(frozen=True)
class Runtime:
    """Where and how a network runs: the device and whether autocast to bf16 is on."""

    device: torch.device
    bf16: bool

    @classmethod
    def of(cls, config: Config) -> Runtime:
        """The runtime a config asks for on this machine."""
        accelerator = config.train.accelerator
        cuda = accelerator == "gpu" or (accelerator == "auto" and torch.cuda.is_available())
        device = torch.device("cuda" if cuda else "cpu")
        return cls(device, config.train.precision == "bf16" or (config.train.precision == "auto" and fast_bf16(device)))

    def autocast(self) -> AbstractContextManager[None]:
        """The autocast context to run the network in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is in this device's hardware, so that it is faster and not emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.machine().lower() in ("x86_64", "amd64"):
        # oneDNN takes bf16 on any AVX-512 CPU, but without these instructions at half the speed of fp32.
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class BatchDataset(Dataset[ImageBatch]):
    """Batches of images that share a padded size; batch i is always the same images, whoever loads it."""

    def __init__(self, images: pd.DataFrame, model: ModelConfig, batch_size: int, pad_multiple: int) -> None:
        self.model, self.pad_multiple = model, pad_multiple
        self.image_ids = images["image_id"].tolist()
        self.paths = images["path"].tolist()
        pairs = zip(images["height"].tolist(), images["width"].tolist(), strict=True)
        self.inner_sizes = [network_size(height, width, model.resize) for height, width in pairs]
        self.batches = plan_batches(self.inner_sizes, batch_size, pad_multiple)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> ImageBatch:
        rows = self.batches[index]
        images = [read_image(self.paths[row], self.model.in_channels) for row in rows]
        return image_batch([self.image_ids[row] for row in rows], images, self.model, self.pad_multiple)


def image_batch(
    image_ids: list[str], images: Sequence[np.ndarray], model: ModelConfig, pad_multiple: int
) -> ImageBatch:
    """Images, (H, W, in_channels) uint8 each, resized and padded for the network; their padded sizes must be equal."""
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    inner_sizes = [network_size(*size, model.resize) for size in sizes]
    size = padded_size(*inner_sizes[0], pad_multiple)
    padded = [
        pad_to(resize_image(image, inner), size, mirror=True) for image, inner in zip(images, inner_sizes, strict=True)
    ]
    pixels = torch.from_numpy(np.stack(padded).transpose(0, 3, 1, 2))
    return ImageBatch(image_ids, pixels.contiguous(memory_format=torch.channels_last), sizes, inner_sizes)


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
    images: pd.DataFrame, config: Config, device: torch.device, rank: int = 0, world: int = 1
) -> DataLoader[ImageBatch]:
    """A loader of whole images for inference; decoding runs beside the network. Process `rank` takes its share."""
    # Small enough that every process has a batch: one without any would not answer when the others gather.
    batch_size = min(config.inference.batch_size, max(1, len(images) // world))
    batches = BatchDataset(images, config.model, batch_size, config.inference.pad_multiple)
    return DataLoader(
        Subset(batches, range(rank, len(batches), world)),
        batch_size=None,
        num_workers=loader_workers(config, device),
        pin_memory=device.type == "cuda",
        worker_init_fn=single_threaded,
        prefetch_factor=4 if loader_workers(config, device) else None,
    )


def loader_workers(config: Config, device: torch.device) -> int:
    """Number of loader processes: as configured, else up to four beside a GPU and one beside a network on the CPU."""
    if config.train.workers is not None:
        return config.train.workers
    return min(4, os.cpu_count() or 1) if device.type == "cuda" else 1


def single_threaded(_worker: int) -> None:
    """Keep a loader process from starting threads of its own, which would fight the network's."""
    cv2.setNumThreads(0)


@dataclass(frozen=True)
class Ensemble:
    """Trained networks on their device, how much each counts (summing to 1), and how an image is shown to them."""

    models: Sequence[SegmentationModel]
    weights: Sequence[float]
    inference: InferenceConfig
    runtime: Runtime

    def predict(self, batch: ImageBatch) -> list[Prediction]:
        """The weighted mean probability over models and the plain mean over views, back at the original sizes.

        When the GPU's memory does not suffice, the batch is halved. Raises InferenceError when one image is too much.
        """
        try:
            return self._predict(batch)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if len(batch.image_ids) == 1:
                height, width = batch.pixels.shape[2:]
                raise InferenceError(
                    f"image {batch.image_ids[0]}: the GPU's memory does not suffice for {height}x{width} px; give "
                    "inference.tile_size, or lower it (now "
                    f"{'null' if self.inference.tile_size is None else list(self.inference.tile_size)})"
                ) from None
        torch.cuda.empty_cache()
        middle = len(batch.image_ids) // 2
        return [*self.predict(batch.part(slice(middle))), *self.predict(batch.part(slice(middle, None)))]

    def _predict(self, batch: ImageBatch) -> list[Prediction]:
        pixels = batch.pixels.to(self.runtime.device, non_blocking=True)
        size = (pixels.shape[2], pixels.shape[3])
        views = tta_views(self.inference.tta, size)
        mask_prob: Tensor | None = None
        class_prob: Tensor | None = None
        with torch.inference_mode(), self.runtime.autocast():
            for view in views:
                seen = view.see(pixels).contiguous(memory_format=torch.channels_last)
                for model, weight in zip(self.models, self.weights, strict=True):
                    prob, present = self._probabilities(model, seen)
                    share = weight / len(views)
                    prob = view.undo(prob, size).mul(share)
                    mask_prob = prob if mask_prob is None else mask_prob.add_(prob)
                    if present is not None:
                        class_prob = present * share if class_prob is None else class_prob.add_(present, alpha=share)
        assert mask_prob is not None, "no model to predict with"
        maps = original_size_maps(mask_prob, batch)
        class_rows = [None] * len(maps) if class_prob is None else list(class_prob.cpu().numpy())
        return [Prediction(*row) for row in zip(batch.image_ids, maps, class_rows, strict=True)]

    def _probabilities(self, model: SegmentationModel, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mask probabilities (B, C, h, w) and class probabilities (B, C) or None of one network, in tiles if so set."""

        def whole(part: Tensor) -> tuple[Tensor, Tensor | None]:
            outputs = model(part)
            # float() first: a sigmoid in bf16 has too few steps near 1 for 8-bit probabilities.
            present = None if outputs.class_logits is None else outputs.class_logits.float().sigmoid()
            return outputs.mask_logits.float().sigmoid(), present

        if self.inference.tile_size is None:
            return whole(pixels)
        return predict_tiled(whole, pixels, self.inference.tile_size, self.inference.tile_overlap)


def out_of_memory(error: RuntimeError) -> bool:
    """Whether the GPU's memory did not suffice; CUDA, cuDNN and cuBLAS say so in words of their own."""
    text = str(error)
    told = "CUDA error: out of memory" in text or "CUDNN_STATUS_ALLOC_FAILED" in text
    return isinstance(error, torch.OutOfMemoryError) or told or "CUBLAS_STATUS_ALLOC_FAILED" in text


def original_size_maps(prob: Tensor, batch: ImageBatch) -> list[np.ndarray]:
    """(B, C, h, w) probabilities of a batch cropped, resized to the original sizes and quantised to (C, H, W) uint8."""
    maps = []
    for row, inner, size in zip(prob, batch.inner_sizes, batch.sizes, strict=True):
        cropped = row[:, : inner[0], : inner[1]]
        if inner != size:
            cropped = torch.nn.functional.interpolate(cropped[None], size, mode="bilinear", antialias=True)[0]
        # Rounded to nearest, never truncated: 254.6 is 255, and a pixel is on at threshold t iff q >= t.
        maps.append(cropped.mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy())
    return maps


def predict_images(
    models: Sequence[SegmentationModel], weights: Sequence[float], images: pd.DataFrame, config: Config
) -> Iterator[Prediction]:
    """Stream the predictions of a table of images (image_id, path, height, width); memory does not grow with it.

    The order is that of the batches, not of the table, and is the same in every run.
    """
    runtime = Runtime.of(config)
    ready = [model.to(runtime.device).eval() for model in models]
    ensemble = Ensemble(ready, weights, config.inference, runtime)
    for batch in batch_loader(images, config, runtime.device):
        yield from ensemble.predict(batch)
