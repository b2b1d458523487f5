"""The loaders of one fold: augmented crops to train on, whole images to validate on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, default_collate, get_worker_info

from maskfold.config import Experiment
from maskfold.data.competition import Competition, MaskSource, SoftSource
from maskfold.inference.batches import (
    ImageBatch,
    batch_loader,
    loader_workers,
    single_threaded,
)
from maskfold.pixels.intensity import Intensity
from maskfold.training.pseudo_labels import JoinedIgnored, PseudoLabels, joined_masks
from maskfold.training.samples.dataset import Sample, TrainingDataset
from maskfold.training.samples.sampling import (
    EpochSampler,
    PseudoRows,
    draws_of,
    phase_at,
    subset_rows,
)


def _split(images: pd.DataFrame, folds: pd.DataFrame, fold: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The images to train on and those to validate on."""
    in_fold = images["image_id"].map(folds.set_index("image_id")["fold"]) == fold
    return images[~in_fold].reset_index(drop=True), images[in_fold].reset_index(drop=True)


class FoldData(L.LightningDataModule):
    """The loaders of one fold: augmented crops to train on, whole images to validate on."""

    def __init__(
        self,
        config: Experiment,
        competition: Competition,
        folds: pd.DataFrame,
        fold: int,
        first_epoch: int,
        folder: Path | None = None,
        pseudo: PseudoLabels | None = None,
        intensity: Intensity | None = None,
    ) -> None:
        """first_epoch: where the training starts or resumes; folder: of the fold, for a cache on disk; pseudo: labelled
        test images, the most confident of which are added to the training images; intensity: of the network.
        """
        super().__init__()
        train_images, self.valid_images = _split(competition.train, folds, fold)
        self.config, self.fold, self.first_epoch = config, fold, first_epoch
        self.class_names = competition.class_names
        self.phases = config.train.phases()
        presence = class_presence(competition, train_images)
        # All phases draw from the subset of the first one: a subset is a choice of data.
        rows = subset_rows(presence, config.train.sampling.subset, config.seed, fold)
        self.train_images, self.presence = train_images.iloc[rows].reset_index(drop=True), presence[rows]
        ignored = competition.ignored
        masks: MaskSource | SoftSource = competition.soft or competition.masks
        soft = competition.soft is not None or (pseudo is not None and pseudo.soft)
        self.pseudo = None if pseudo is None else pseudo.chosen(self.presence)
        if self.pseudo is not None:
            masks = joined_masks(competition, self.pseudo)
            ignored = None if ignored is None else JoinedIgnored(ignored, self.pseudo.masks)
            self.train_images = pd.concat([self.train_images, self.pseudo.images], ignore_index=True)
            self.presence = np.concatenate([self.presence, self.pseudo.presence])
        self.dataset = TrainingDataset(
            self.train_images,
            masks,
            config.train,
            config.model,
            config.seed,
            fold,
            folder,
            intensity,
            ignored,
            competition.exclusive,
            soft,
        )

    def absent_classes(self) -> list[str]:
        """Names of the classes that are in no training image of this fold."""
        return [name for name, found in zip(self.class_names, self.presence.any(axis=0), strict=True) if not found]

    def first_samples(self, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """The first samples of the first epoch: pixels (h, w, in_channels) and masks (on from 0.5), uint8."""
        draws = islice(self._sampler(0, 1), count)
        samples = [self.dataset[draw] for draw in draws]
        return [
            (self._shown(sample.pixels.numpy()), (sample.masks >= 0.5).to(torch.uint8).numpy()) for sample in samples
        ]

    def _shown(self, pixels: np.ndarray) -> np.ndarray:
        """(h, w, in_channels) uint8 of the image itself, of stored values, as the network scales them."""
        intensity, model = self.dataset.intensity, self.config.model
        scaled = pixels if intensity is None else np.rint(255 * intensity.scaled(pixels)).astype(np.uint8)
        first = 0 if model.neighbours is None else model.neighbours.before * model.in_channels
        return scaled[..., first : first + model.in_channels]

    def train_dataloader(self) -> DataLoader[Sample]:
        """Batches of augmented crops for the next epoch; with several processes, this process's share."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        sampler = self._sampler(rank, world)
        # Lightning sets the epoch, except for the first of a resumed training, whose batches it asks for too early.
        epoch = max(self.first_epoch, self.trainer.current_epoch)
        sampler.set_epoch(epoch)
        device = self.trainer.strategy.root_device
        workers = loader_workers(self.config.train.workers, device)
        batch_size = self.phases[phase_at(self.phases, epoch)[0]].batch_size
        return DataLoader(
            self.dataset,
            batch_size=batch_size,
            sampler=sampler,
            drop_last=len(sampler) >= batch_size,  # batch norm fails on a last batch of one image
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            pin_memory=device.type == "cuda",
            worker_init_fn=single_threaded,
            collate_fn=_batch,
        )

    def _sampler(self, rank: int, world: int) -> EpochSampler:
        """The draws of process `rank` of `world`."""
        pseudo = None
        if self.pseudo is not None:
            pseudo = PseudoRows(len(self.pseudo.images), self.pseudo.config.max_share)
        train, seed = self.config.train, self.config.seed
        return EpochSampler(self.presence, train, seed, self.fold, rank, world, pseudo, self.class_names)

    def steps_per_epoch(self) -> list[int]:
        """Optimiser steps of an epoch of each phase."""
        assert self.trainer is not None
        steps = []
        for phase in self.phases:
            batches = draws_of(self.presence, phase, self.trainer.world_size) // phase.batch_size or 1
            steps.append(-(-batches // self.config.train.accumulate_batches))
        return steps

    def val_dataloader(self) -> DataLoader[ImageBatch]:
        """Batches of whole images; with several processes, this process's share."""
        trainer = self.trainer
        assert trainer is not None
        device = trainer.strategy.root_device
        model, inference, workers = self.config.model, self.config.inference, self.config.train.workers
        rank, world = trainer.global_rank, trainer.world_size
        return batch_loader(self.valid_images, model, inference, workers, device, rank, world)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move training batches; validation_step moves the pixels of its batches itself."""
        if isinstance(batch, ImageBatch):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)


def _batch(samples: list[Sample]) -> Sample:
    """Samples as one batch; in a loader process all of it is in shared memory, as in BatchDataset."""
    batch: Sample = default_collate(samples)
    if get_worker_info() is not None:
        for part in batch:
            torch.as_tensor(part).share_memory_()
    return batch


def class_presence(competition: Competition, images: pd.DataFrame) -> np.ndarray:
    """(images, classes) bool: which classes are in each image."""
    shown = [competition.masks(image_id).any(axis=(1, 2)) for image_id in images["image_id"]]
    return np.array(shown, dtype=bool).reshape(len(images), len(competition.class_names))
