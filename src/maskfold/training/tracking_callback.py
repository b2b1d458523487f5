"""What a training tells its trackers beyond lightning's own figures: parameters, the history, and pictures."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import nn
from torch.utils.hooks import RemovableHandle

from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.data.recognition.overlays import telling_images
from maskfold.drawing.sheet import cell_of, sheet_of
from maskfold.errors import DataError
from maskfold.execution.console import markdown_table
from maskfold.inference.predict import original_size_maps
from maskfold.network.model import Outputs
from maskfold.pixels.exclusive import decided_maps
from maskfold.tracking.contents import give_picture
from maskfold.tracking.parameters import parameters
from maskfold.training.datamodule import FoldData
from maskfold.training.history_callback import HistoryCallback

_IMAGES, _COLUMNS = 6, 4  # that are shown; a truth beside its prediction takes two columns
_PAUSE_SECONDS = 60.0  # between two pictures; the last validation always has one
_ON = 128  # a probability of 0.5
_FIGURES = ("learning_rate", "seconds", "peak_memory_mb")  # of the history; lightning sends the others


class TrackingCallback(Callback):
    """Sends parameters and training samples at the start, figures after each epoch, pictures after validations.

    The maps of the pictures are taken from the validation's own predictions: nothing is predicted twice.
    """

    def __init__(self, config: Experiment, competition: Competition, number: int, samples: Path) -> None:
        """number: of the model; samples: the picture of its first training samples."""
        self.config, self.competition, self.number, self.samples = config, competition, number, samples
        self.shown: list[str] = []  # images
        self.maps: dict[str, np.ndarray] = {}  # of the last validation that has no picture yet: (C, H, W) uint8
        self.outputs: Outputs | None = None
        self.hook: RemovableHandle | None = None
        self.next_picture = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Send the parameters and the picture of the first samples."""
        if not trainer.is_global_zero or not trainer.loggers:
            return
        named = parameters(self.config) | {"model": self.config.model_name(self.number)}
        for logger in trainer.loggers:
            if not isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(named)
            elif trainer.current_epoch == 0:
                rows = [(name, str(value)) for name, value in named.items()]
                logger.experiment.add_text("parameters", markdown_table(("key", "value"), rows, text_columns=2))
        with Image.open(self.samples) as picture:
            give_picture(trainer.loggers, "training_samples", np.asarray(picture.convert("RGB")), 0)
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, FoldData)
        if len(data.valid_images):
            self.shown = telling_images(self.competition, data.valid_images, _IMAGES)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at what the network says from now on."""
        self.maps = {}
        if self.shown and isinstance(pl_module.model, nn.Module):
            self.hook = pl_module.model.register_forward_hook(self._keep)

    def _keep(self, _network: nn.Module, _inputs: Any, outputs: Outputs) -> None:
        self.outputs = outputs

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the maps of the images that are shown."""
        said, self.outputs = self.outputs, None
        if said is None:
            return
        for row, image_id in enumerate(batch.image_ids):
            if image_id in self.shown:
                part = slice(row, row + 1)
                prob = said.mask_logits[part].detach().float().sigmoid()
                [found] = original_size_maps(prob, batch.part(part))
                self.maps[image_id] = decided_maps(found) if self.competition.exclusive else found

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look no more; send a picture if it is time."""
        if self.hook is not None:
            self.hook.remove()
            self.hook = None
        if time.monotonic() >= self.next_picture:
            self._send(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Send the figures of the history that lightning does not."""
        histories = [each for each in trainer.callbacks if isinstance(each, HistoryCallback)]  # type: ignore[attr-defined]
        rows = [row for history in histories for row in history.rows[-1:]]
        for row in rows if trainer.is_global_zero else []:
            figures = {name: float(row[name]) for name in _FIGURES if not math.isnan(row[name])}
            for logger in trainer.loggers:
                logger.log_metrics(figures, trainer.global_step)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Send the picture of the last validation."""
        self._send(trainer)

    def _send(self, trainer: L.Trainer) -> None:
        """Draw the images of the last validation, each truth beside its prediction, and send the picture."""
        if not self.maps or not trainer.is_global_zero or not trainer.loggers:
            return
        photos, cells, words = photos_of(self.competition.train), [], []
        for image_id in [each for each in self.shown if each in self.maps]:
            ignored = self.competition.ignored_in(image_id)
            try:
                image = photos[image_id].for_display()
            except DataError:  # no picture is worth a training
                continue
            predicted = (self.maps[image_id] >= _ON).astype(np.uint8)
            for masks, name in ((self.competition.masks(image_id), "truth"), (predicted, "prediction")):
                cells.append(cell_of(image, masks, ignored))
                words.append(f"{image_id}: {name}")
        self.maps = {}
        if cells:
            sheet = np.asarray(sheet_of(cells, words, self.competition.class_names, _COLUMNS))
            give_picture(trainer.loggers, "validation", sheet, trainer.global_step)
            self.next_picture = time.monotonic() + _PAUSE_SECONDS
