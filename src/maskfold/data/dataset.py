"""The training dataset and its sampler: every random draw is a function of (seed, fold, epoch, draw, image) alone.

So the samples do not depend on the number of loader processes, on how many draws came before, or on where a killed
training resumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from maskfold.config import ModelConfig, TrainConfig
from maskfold.data.augmentation import augmentation
from maskfold.data.competition import MaskSource
from maskfold.data.image_files import read_image
from maskfold.data.transforms import (
    crop_corner,
    network_size,
    pad_to,
    padded_size,
    resize_image,
    resize_masks,
)
from maskfold.models import STRIDE


class Draw(NamedTuple):
    """One training sample to make: the `number`-th draw of an epoch shows training image `image`."""

    epoch: int
    number: int
    image: int


class TrainingDataset(Dataset[tuple[Tensor, Tensor]]):
    """Augmented crops of training images.

    A sample is pixels (in_channels, h, w) uint8 and masks (C, h, w) uint8 in {0, 1}, (h, w) = `crop_size`.
    """

    def __init__(
        self, images: pd.DataFrame, masks: MaskSource, train: TrainConfig, model: ModelConfig, seed: int, fold: int
    ) -> None:
        self.image_ids = images["image_id"].tolist()
        self.paths = images["path"].tolist()
        self.masks = masks
        self.train = train
        self.model = model
        self.seed, self.fold = seed, fold
        self.augment = augmentation(train)
        self.crop_size = train.crop_size or _common_size(images, model)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, self.fold, draw.epoch, draw.number, draw.image])
        image = read_image(self.paths[draw.image], self.model.in_channels)
        masks = self.masks(self.image_ids[draw.image])
        size = network_size(image.shape[0], image.shape[1], self.model.resize)
        image, masks = resize_image(image, size), resize_masks(masks, size)
        show_something = bool(masks.any()) and rng.random() < self.train.sampling.defect_crop_share
        top, left = crop_corner(masks, self.crop_size, show_something, rng)
        height, width = self.crop_size
        image = pad_to(image[top : top + height, left : left + width], self.crop_size, mirror=True)
        mask = masks[:, top : top + height, left : left + width].transpose(1, 2, 0)
        mask = pad_to(mask, self.crop_size, mirror=True)
        self.augment.set_random_seed(int(rng.integers(2**31)))
        sample = self.augment(image=np.ascontiguousarray(image), mask=np.ascontiguousarray(mask))
        pixels = np.ascontiguousarray(sample["image"].transpose(2, 0, 1))
        return torch.from_numpy(pixels), torch.from_numpy(np.ascontiguousarray(sample["mask"].transpose(2, 0, 1)))


class EpochSampler(Sampler[Draw]):
    """The draws of an epoch: a permutation of the images, or a fixed share of non-empty ones.

    non_empty: (images,) bool. Under several processes each takes every world-th draw, so that together they cover the
    epoch once. Lightning calls `set_epoch`.
    """

    def __init__(
        self, non_empty: np.ndarray, share: float | None, seed: int, fold: int, rank: int = 0, world: int = 1
    ) -> None:
        self.non_empty, self.share = non_empty, share
        self.seed, self.fold, self.rank, self.world = seed, fold, rank, world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose draws come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-(len(self.non_empty) - self.rank) // self.world)

    def __iter__(self) -> Iterator[Draw]:
        rng = np.random.default_rng([self.seed, self.fold, self.epoch])
        for number, image in enumerate(self._images(rng)):
            if number % self.world == self.rank:
                yield Draw(self.epoch, number, int(image))

    def _images(self, rng: np.random.Generator) -> np.ndarray:
        count = len(self.non_empty)
        shown, empty = np.flatnonzero(self.non_empty), np.flatnonzero(~self.non_empty)
        if self.share is None or not len(shown) or not len(empty):
            return rng.permutation(count)
        wanted = round(self.share * count)
        drawn = np.concatenate([_repeat(shown, wanted, rng), _repeat(empty, count - wanted, rng)])
        return rng.permutation(drawn)


def _repeat(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` of `images`, each as often as every other but for one, in random order."""
    rounds = -(-count // len(images))
    return np.concatenate([rng.permutation(images) for _ in range(rounds)])[:count] if count else images[:0]


def _common_size(images: pd.DataFrame, model: ModelConfig) -> tuple[int, int]:
    """The smallest size, a multiple of the stride, that holds every resized training image."""
    pairs = zip(images["height"], images["width"], strict=True)
    sizes = [network_size(int(height), int(width), model.resize) for height, width in pairs]
    return padded_size(max(height for height, _ in sizes), max(width for _, width in sizes), STRIDE)
