"""The training dataset: every random number of a sample is a function of (seed, fold, epoch, draw, image) alone.

So the samples depend neither on the number of loader processes nor on the epoch at which a training was resumed.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from maskfold.config import ModelConfig, TrainConfig
from maskfold.data.competition import IgnoredSource, MaskSource, SoftSource
from maskfold.data.images.stacks import stack_list
from maskfold.network.model import STRIDE
from maskfold.pixels.geometry import (
    crop_corner,
    network_size,
    pad_to,
    padded_size,
    resize_labels,
    resize_soft,
)
from maskfold.pixels.intensity import Intensity
from maskfold.pixels.soft import HALF
from maskfold.training.samples.augmentation import augment, augmentation
from maskfold.training.samples.image_cache import ImageCache
from maskfold.training.samples.mixing import join, paste_object
from maskfold.training.samples.sampling import ANY_CLASS, MIXING, Draw, phase_at


class Sample(NamedTuple):
    """One augmented crop, or a batch of them with a leading batch axis.

    pixels: (h, w, input_channels) stored values, uint8 or float32; masks: (h, w, C) uint8 in {0, 1}, in a competition
    with ignored pixels (h, w, C + 1), the last 1 where a pixel is ignored; with soft masks, and in a phase with mixup,
    float32 in 0..1; image: the row of its training image. Channels come last, as in the files and in channels_last
    memory: nothing is transposed on the way.
    """

    pixels: Tensor
    masks: Tensor
    image: int | Tensor


class TrainingDataset(Dataset[Sample]):
    """Augmented crops of training images; the phase that a draw's epoch belongs to sets their size."""

    def __init__(
        self,
        images: pd.DataFrame,
        masks: MaskSource | SoftSource,
        train: TrainConfig,
        model: ModelConfig,
        seed: int,
        fold: int,
        folder: Path | None = None,
        intensity: Intensity | None = None,
        ignored: IgnoredSource | None = None,
        exclusive: bool = False,
        soft: bool = False,
    ) -> None:
        """folder: for a cache on disk, None: the system's folder for temporary files; intensity: of the network;
        ignored: reads the pixels that are not labelled, None: all are; exclusive: each pixel is of one class or none;
        soft: `masks` reads probabilities, q stands for q/255.
        """
        self.intensity, self.ignored, self.exclusive, self.soft = intensity, ignored, exclusive, soft
        self.least = HALF if soft else 1  # of planes, that counts as in the mask
        self.image_ids = images["image_id"].tolist()
        self.masks = masks
        sizes = list(zip(images["height"].tolist(), images["width"].tolist(), strict=True))
        self.cache = ImageCache(
            stack_list(images, model.neighbours), sizes, model, train.cache, folder or Path(gettempdir()), train.devices
        )
        self.seed, self.fold, self.images = seed, fold, model.images
        self.phases = train.phases()
        self.augmentations = [augmentation(phase) for phase in self.phases]
        self.crop_sizes = [phase.crop_size or _common_size(images, model) for phase in self.phases]

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, draw: Draw) -> Sample:
        rng = np.random.default_rng([self.seed, self.fold, draw.epoch, draw.number, draw.image])
        mixing_rng = np.random.default_rng([self.seed, self.fold, draw.epoch, draw.number, draw.image, MIXING])
        phase, _ = phase_at(self.phases, draw.epoch)
        pixels, planes = self._crop(draw.image, draw.target, phase, rng)
        if draw.mix.donors:
            pixels, planes = pixels.copy(), planes.copy()
        for donor in draw.mix.donors:
            image, labels = self._labelled(donor.image)
            flips = self.phases[phase].flips
            labelled = labels.transpose(1, 2, 0)
            paste_object(pixels, planes, (image, labelled), donor.target, flips, mixing_rng, self.least)
        sample = augment(self.augmentations[phase], pixels, planes, rng, self.intensity, self.images)
        mixing = self.phases[phase].mixing
        if draw.mix.kind is not None:
            others = [self._augmented(each.image, each.target, phase, mixing_rng) for each in draw.mix.partners]
            classes = sample[1].shape[2] - (self.ignored is not None)
            sample = join(draw.mix.kind, [sample, *others], mixing.mixup_alpha, classes, mixing_rng)
        pixels, planes = (np.ascontiguousarray(array) for array in sample)
        if self.soft:
            planes = planes.astype(np.float32) / 255
        elif mixing.mixup:  # of one type in all samples of a batch
            planes = planes.astype(np.float32, copy=False)
        return Sample(torch.from_numpy(pixels), torch.from_numpy(planes), draw.image)

    def _augmented(self, row: int, target: int, phase: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """An augmented crop of a training image."""
        pixels, planes = self._crop(row, target, phase, rng)
        return augment(self.augmentations[phase], pixels, planes, rng, self.intensity, self.images)

    def _crop(self, row: int, target: int, phase: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A crop of a training image, filled up to the crop size: (h, w, channels) and its planes (h, w, K)."""
        image, labels = self._labelled(row)
        size, share = self.crop_sizes[phase], self.phases[phase].sampling.defect_crop_share
        masks = labels if self.ignored is None else labels[:-1]
        shown = self._shown(masks >= self.least if self.soft else masks, target, share, rng)
        top, left = crop_corner(labels.shape[1:], size, shown, rng)
        pixels = pad_to(image[top : top + size[0], left : left + size[1]], size)
        planes = pad_to(labels[:, top : top + size[0], left : left + size[1]].transpose(1, 2, 0), size)
        return pixels, planes

    def _labelled(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """A training image at the network's size, (h, w, channels), and its planes (K, h, w) as `resize_labels` makes
        them, or `resize_soft`.
        """
        image, image_id = self.cache.image(row), self.image_ids[row]
        ignored = None if self.ignored is None else self.ignored(image_id)
        masks, size = self.masks(image_id), (image.shape[0], image.shape[1])
        if self.soft:
            return image, resize_soft(masks, ignored, size)
        return image, resize_labels(masks, ignored, size, self.exclusive)

    def _shown(self, masks: np.ndarray, target: int, share: float, rng: np.random.Generator) -> np.ndarray | None:
        """The (H, W) mask of the class that must be in the crop; None if the crop may be anywhere."""
        present = np.flatnonzero(masks.any(axis=(1, 2)))
        if not len(present) or rng.random() >= share:
            return None
        # Resizing may have removed the class this draw was made for.
        chosen = target if target != ANY_CLASS and target in present else int(rng.choice(present))
        shown: np.ndarray = masks[chosen]
        return shown


def _common_size(images: pd.DataFrame, model: ModelConfig) -> tuple[int, int]:
    """The smallest size, a multiple of the stride, that holds every resized training image."""
    pairs = zip(images["height"], images["width"], strict=True)
    sizes = [network_size(int(height), int(width), model.resize) for height, width in pairs]
    return padded_size(max(height for height, _ in sizes), max(width for _, width in sizes), STRIDE)
