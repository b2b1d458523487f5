"""The loaders of one fold: augmented crops to train on, whole images to validate on."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.dataset import EpochSampler, TrainingDataset
from maskfold.inference import ImageBatch, batch_loader, loader_workers, single_threaded


class FoldData(L.LightningDataModule):
    """The loaders of one fold: augmented crops to train on, whole images to validate on."""

    def __init__(
        self, config: Config, competition: Competition, folds: pd.DataFrame, fold: int, first_epoch: int
    ) -> None:
        super().__init__()
        fold_of = folds.set_index("image_id")["fold"]
        images = competition.train
        in_fold = images["image_id"].map(fold_of) == fold
        self.config, self.fold, self.first_epoch = config, fold, first_epoch
        self.valid_images = images[in_fold].reset_index(drop=True)
        self.train_images = images[~in_fold].reset_index(drop=True)
        self.dataset = TrainingDataset(
            self.train_images, competition.masks, config.train, config.model, config.seed, fold
        )
        self.non_empty = np.array([bool(competition.masks(image_id).any()) for image_id in self.dataset.image_ids])

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Batches of augmented crops; under several processes, this process's share."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        train = self.config.train
        sampler = EpochSampler(self.non_empty, train.sampling.non_empty_share, self.config.seed, self.fold, rank, world)
        # Lightning sets every epoch but the first of a resumed training, whose batches it asks for too early.
        sampler.set_epoch(self.first_epoch)
        device = self.trainer.strategy.root_device
        workers = loader_workers(self.config, device)
        return DataLoader(
            self.dataset,
            batch_size=train.batch_size,
            sampler=sampler,
            drop_last=len(sampler) >= train.batch_size,  # a last batch of one image upsets batch norm
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=4 if workers else None,
            pin_memory=device.type == "cuda",
            worker_init_fn=single_threaded,
        )

    def val_dataloader(self) -> DataLoader[ImageBatch]:
        """Batches of whole images."""
        assert self.trainer is not None
        return batch_loader(self.valid_images, self.config, self.trainer.strategy.root_device)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move training batches; a validation batch moves its own pixels."""
        if isinstance(batch, ImageBatch):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)
