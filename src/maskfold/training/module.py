"""What lightning drives: the network, its loss and optimiser, and the metric on whole validation images."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.transforms import pad_to, padded_size, resize_masks
from maskfold.inference import ImageBatch, original_size_maps
from maskfold.losses import SegmentationLoss
from maskfold.models import STRIDE, SegmentationModel
from maskfold.training.validation import ValidationScores

MONITOR = "valid_metric"


class FoldModule(L.LightningModule):
    """The network, its loss, its optimiser, and the competition metric on whole validation images."""

    def __init__(self, model: SegmentationModel, config: Config, fold: int, competition: Competition) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.fold = fold
        self.masks = competition.masks
        self.class_names = competition.class_names
        self.loss = SegmentationLoss(config.train.loss)
        self.scores = ValidationScores(config.tuning.metric)
        self.valid_losses: list[tuple[float, int]] = []
        self.train_losses: list[Tensor] = []

    def on_train_epoch_start(self) -> None:
        """Seed dropout and its like anew, so that a resumed epoch draws what an undisturbed one draws."""
        torch.manual_seed(epoch_seed(self.config.seed, self.fold, self.current_epoch + 1) + self.global_rank)
        self.train_losses = []

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """The loss of a batch of crops: pixels (B, in_channels, h, w) uint8 and masks (B, C, h, w) uint8."""
        pixels, masks = batch
        loss = self.loss(self.model(pixels), masks)
        self.train_losses.append(loss.detach())
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the epoch before."""
        self.scores.reset()
        self.valid_losses = []

    def validation_step(self, batch: ImageBatch, _index: int) -> None:
        """Score whole images at their original size, as the competition would, at threshold 0.5."""
        outputs = self.model(batch.pixels.to(self.device, non_blocking=True))
        truths = [self.masks(image_id) for image_id in batch.image_ids]
        padded = torch.from_numpy(_network_masks(truths, batch)).to(self.device)
        self.valid_losses.append((self.loss(outputs, padded).item(), len(truths)))
        prob = outputs.mask_logits.float().sigmoid()
        for prob_map, truth in zip(original_size_maps(prob, batch), truths, strict=True):
            self.scores.add(prob_map, truth)

    def on_validation_epoch_end(self) -> None:
        """Log the epoch's figures for the history, the checkpoints and early stopping."""
        images = sum(count for _, count in self.valid_losses)
        self.log("valid_loss", sum(loss * count for loss, count in self.valid_losses) / images)
        # Every process scores all validation images, so each already holds the same value.
        self.log(MONITOR, self.scores.mean())
        for name, dice in zip(self.class_names, self.scores.non_empty_dice(), strict=True):
            if not math.isnan(dice):
                self.log(f"dice_{name}", dice)
        if self.train_losses:
            self.log("train_loss", torch.stack(self.train_losses).mean())

    def configure_optimizers(self) -> Any:
        """AdamW with the encoder's own rate, linear warm-up and cosine decay to zero, step by step."""
        train = self.config.train
        encoder = self.model.encoder_parameters()
        in_encoder = {id(parameter) for parameter in encoder}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in in_encoder]
        groups = [
            {"params": others, "lr": train.learning_rate},
            {"params": encoder, "lr": train.encoder_learning_rate or train.learning_rate},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=train.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = min(steps - 1, round(train.schedule.warmup_epochs * steps / train.epochs))

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _network_masks(truths: list[np.ndarray], batch: ImageBatch) -> np.ndarray:
    """Truths (C, H, W) brought to the network's size: (B, C, h, w) uint8, padded as the images are."""
    size = padded_size(*batch.inner_sizes[0], STRIDE)
    resized = [resize_masks(truth, inner) for truth, inner in zip(truths, batch.inner_sizes, strict=True)]
    return np.stack([pad_to(mask.transpose(1, 2, 0), size, mirror=True).transpose(2, 0, 1) for mask in resized])


def epoch_seed(seed: int, fold: int, epoch: int) -> int:
    """A torch seed that is a function of (seed, fold, epoch) alone."""
    return int(np.random.SeedSequence([seed, fold, epoch]).generate_state(1)[0])
