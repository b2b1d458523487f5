"""The lightning module: the network, its loss and optimiser, and the metric on whole validation images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.errors import TrainingError
from maskfold.inference.batches import ImageBatch
from maskfold.inference.predict import original_size_maps
from maskfold.mask_metrics.metric import mask_metric
from maskfold.network.model import Outputs, SegmentationModel
from maskfold.pixels.exclusive import decided_maps
from maskfold.pixels.geometry import pad_to, resize_labels, resize_soft
from maskfold.training.clock import TrainingClock
from maskfold.training.deep_supervision import DeepSupervision, supervised_loss
from maskfold.training.losses.combined import SegmentationLoss
from maskfold.training.optimisers import build_optimizer
from maskfold.training.samples.dataset import Sample
from maskfold.training.samples.sampling import phase_at
from maskfold.training.schedule import rate_over_training
from maskfold.training.validation import ValidationScores, gathered

MONITOR = "valid_metric"


class FoldModule(L.LightningModule):
    """The network, its loss, its optimiser, and the competition metric on whole validation images."""

    def __init__(
        self,
        model: SegmentationModel,
        config: Experiment,
        fold: int,
        competition: Competition,
        train_image_ids: list[str],
        clock: TrainingClock | None = None,
        supervision: DeepSupervision | None = None,
    ) -> None:
        super().__init__()
        self.clock = clock
        self.model = model
        self.config = config
        self.fold, self.name = fold, config.model_title(fold)
        self.masks, self.ignored_in, self.exclusive = competition.masks, competition.ignored_in, competition.exclusive
        self.soft = competition.soft
        self.class_names = competition.class_names
        self.train_image_ids = train_image_ids
        self.phases = config.train.phases()
        self.losses = nn.ModuleList([SegmentationLoss(phase.loss) for phase in self.phases])
        self.supervision = supervision
        self.scores = ValidationScores(config.tuning.metric, mask_metric(config.tuning))
        self.valid_losses: list[tuple[float, int]] = []
        self.train_losses: list[Tensor] = []
        self.last_images: Tensor | None = None

    def loss(self, outputs: Outputs, planes: Tensor) -> Tensor:
        """The loss of the current phase; planes: masks (B, C, h, w), then ignored pixels (B, 1, h, w) if any."""
        classes = len(self.class_names)
        ignored = planes[:, classes:] if planes.shape[1] > classes else None
        phase, _ = phase_at(self.phases, self.current_epoch)
        loss: Tensor = self.losses[phase](outputs, planes[:, :classes], ignored)
        return loss

    def on_train_start(self) -> None:
        """Let the next step have the rate of this schedule: the checkpoint may be the last of a shorter training."""
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR) and self.clock is None:
            rates = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
            for group, (peak, factor) in zip(scheduler.optimizer.param_groups, rates, strict=True):
                group["lr"] = peak * factor(scheduler.last_epoch)

    def on_train_epoch_start(self) -> None:
        """Let the encoder learn, or not yet."""
        self.train_losses = []
        freeze = self.config.model.freeze
        early = self.current_epoch < self.config.train.frozen_encoder_epochs
        for name, frozen in (("encoder", early or freeze is not None), ("decoder", freeze == "encoder_and_decoder")):
            part = self.model.network.get_submodule(name)
            part.train(not frozen)  # batch norm keeps its statistics too
            part.requires_grad_(not frozen)

    def on_train_batch_start(self, _batch: Sample, index: int) -> None:
        """Seed dropout and the like, so that a resumed epoch draws the same numbers as an uninterrupted one.

        At the first batch, not before: a loader draws a number when an epoch begins, but not in a resumed one.
        """
        if index == 0:
            torch.manual_seed(epoch_seed(self.config.seed, self.fold, self.current_epoch + 1) + self.global_rank)

    def training_step(self, batch: Sample, index: int) -> Tensor:
        """The loss of a batch of crops: pixels (B, h, w, in_channels) uint8 and masks as in `Sample`."""
        self._stop_on_broken_loss(index)
        pixels, masks = batch.pixels.permute(0, 3, 1, 2), batch.masks.permute(0, 3, 1, 2)
        loss = self._train_loss(pixels, masks)
        self.train_losses.append(loss.detach())
        assert isinstance(batch.image, Tensor)
        self.last_images = batch.image
        return loss

    def _train_loss(self, pixels: Tensor, planes: Tensor) -> Tensor:
        """The loss of a batch, with deep supervision also at the lower resolutions of the decoder."""
        phase, _ = phase_at(self.phases, self.current_epoch)
        config = self.phases[phase].loss
        if self.supervision is None or not config.level_weights:
            return self.loss(self.model(pixels), planes)
        with self.supervision.recorded() as stages:
            full = self.loss(self.model(pixels), planes)
        levels = self.supervision.outputs(stages, len(config.level_weights))
        return supervised_loss(full, levels, planes, config, self.loss)

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch for the history."""
        self._stop_on_broken_loss(len(self.train_losses))
        self.log("train_loss", self.mean_train_loss(), sync_dist=True)

    def mean_train_loss(self) -> float:
        """The mean loss of the epoch's batches so far, in this process."""
        return float(torch.stack(self.train_losses).mean())

    def _stop_on_broken_loss(self, index: int) -> None:
        """Raise TrainingError when the loss of the batch before this one was NaN or infinite.

        One batch late, because asking for the newest loss would make the CPU wait for the GPU at every step.
        """
        if not self.train_losses or self.last_images is None or bool(torch.isfinite(self.train_losses[-1])):
            return
        names = [self.train_image_ids[row] for row in self.last_images.tolist()]
        raise TrainingError(
            f"{self.name}, epoch {self.current_epoch + 1}, batch {index}: the loss became NaN or infinite "
            f"({self.train_losses[-1].item()}). Images of the batch: {', '.join(names)}. The checkpoints of earlier "
            "epochs are kept. Lower train.learning_rate or train.gradient_clip, or set train.precision: '32'; if it "
            "happens in the first batches, check these images."
        )

    def on_validation_epoch_start(self) -> None:
        """Reset the scores; with several processes, all take the batch norm statistics of the first."""
        self.scores.reset()
        self.valid_losses = []
        if dist.is_initialized():
            for buffer in self.model.buffers():
                dist.broadcast(buffer, 0)

    def validation_step(self, batch: ImageBatch, _index: int) -> None:
        """Score whole images at their original size with the competition's metric at threshold 0.5."""
        outputs = self.model(batch.pixels.to(self.device, non_blocking=True))
        truths = [self.masks(image_id) for image_id in batch.image_ids]
        ignored = [self.ignored_in(image_id) for image_id in batch.image_ids]
        if self.soft is None:
            sized = [
                resize_labels(*each, self.exclusive) for each in zip(truths, ignored, batch.inner_sizes, strict=True)
            ]
        else:
            shares = [self.soft(image_id) for image_id in batch.image_ids]
            sized = [resize_soft(*each) for each in zip(shares, ignored, batch.inner_sizes, strict=True)]
        padded = torch.from_numpy(_padded(sized, batch)).to(self.device)
        padded = padded if self.soft is None else padded.float() / 255
        self.valid_losses.append((self.loss(outputs, padded).item(), len(truths)))
        prob = outputs.mask_logits.float().sigmoid()
        for prob_map, truth, out in zip(original_size_maps(prob, batch), truths, ignored, strict=True):
            self.scores.add(decided_maps(prob_map) if self.exclusive else prob_map, truth, out)

    def on_validation_epoch_end(self) -> None:
        """Log the validation's losses and scores for the history, the checkpoints and early stopping."""
        self.scores.gather()
        losses = gathered(self.valid_losses)
        images = sum(count for _, count in losses)
        # Gathered, so all processes log the same values and need no synchronisation.
        figures = {
            "valid_loss": sum(loss * count for loss, count in losses) / images,
            MONITOR: self.scores.mean(),
            **{f"dice_{name}": d for name, d in zip(self.class_names, self.scores.non_empty_dice(), strict=True)},
        }
        self.log_dict({name: value for name, value in figures.items() if not math.isnan(value)}, rank_zero_only=False)

    def configure_optimizers(self) -> Any:
        """The optimiser, with a learning rate of its own for the encoder, and the schedules of all phases by step."""
        train = self.config.train
        optimizer, rates = build_optimizer(self.model, train, self.supervision)
        if train.schedule.kind == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, "max", factor=train.schedule.plateau_factor, patience=train.schedule.plateau_patience
            )
            every = {"interval": "epoch", "frequency": train.validate_every or 1, "monitor": MONITOR}
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, **every}}
        steps = self.trainer.datamodule.steps_per_epoch()  # type: ignore[attr-defined]
        clock = self.clock
        elapsed = None if clock is None else lambda: clock.share
        factors: list[Callable[[int], float]] = [
            rate_over_training(self.phases, steps, rate, elapsed) for rate in rates
        ]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _padded(masks: list[np.ndarray], batch: ImageBatch) -> np.ndarray:
    """Masks of the network's size, (C, h, w) or with the ignored pixels as one plane more, padded as the images are."""
    size = (batch.pixels.shape[2], batch.pixels.shape[3])
    return np.stack([pad_to(mask.transpose(1, 2, 0), size).transpose(2, 0, 1) for mask in masks])


def epoch_seed(seed: int, fold: int, epoch: int) -> int:
    """A torch seed that is a function of (seed, fold, epoch) alone."""
    return int(np.random.SeedSequence([seed, fold, epoch]).generate_state(1)[0])
