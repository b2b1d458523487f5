"""Records each epoch of a training: one row in history.csv, one line on the screen, and lines within long epochs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from maskfold.execution.memory import peak_memory_mb, reset_peak_memory
from maskfold.execution.progress import LogClock, Progress, report_progress
from maskfold.training.clock import TimeLeft, TrainingClock
from maskfold.training.history import read_history, write_history
from maskfold.training.module import FoldModule

_LATEST_EPOCHS = 3  # whose speed tells the time left: another program may have come or gone


class HistoryCallback(Callback):
    """Writes history.csv whole after every epoch; a resumed training drops the rows of epochs that it repeats."""

    def __init__(self, history_csv: Path, title: str, clock: TrainingClock | None = None) -> None:
        self.history_csv, self.title, self.time_left = history_csv, title, TimeLeft(clock)
        self.rows: list[dict[Hashable, Any]] = []
        self.started = self.trained = 0.0  # seconds of time.monotonic: when the epoch began, and its validation
        self.validation = 0.0  # seconds of the last one
        self.log = LogClock()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far: each checkpoint holds the history, so that a damaged csv costs nothing."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the rows of the epochs before the first one that is trained."""
        _reset_peak_memory()
        if not self.rows and self.history_csv.is_file():  # a checkpoint of an earlier version
            self.rows = read_history(self.history_csv).to_dict("records")
        self.rows = [row for row in self.rows if row["epoch"] < trainer.current_epoch]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the epoch's clock."""
        self.started, self.log = time.monotonic(), LogClock()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """In a log, where no progress bar shows, print a line now and then within a long epoch."""
        done, steps = batch_idx + 1, int(trainer.num_training_batches)
        seconds = self.log.pace(done)
        if seconds is None or not _shows_lines(trainer):
            return
        assert isinstance(pl_module, FoldModule)
        epochs, every = trainer.max_epochs or 1, pl_module.config.train.validate_every
        epoch = seconds * steps + (self.validation / every if every else 0)
        left = epoch * (epochs - trainer.current_epoch) - seconds * done
        images = len(batch.pixels) * trainer.world_size / seconds
        loss = f"loss {pl_module.mean_train_loss():.3f}"
        self._print_line(trainer, f"step {done}/{steps}: {loss}, {images:.0f} images a second", loss, left, epoch)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the validation's batches."""
        self.trained = time.monotonic()
        self.log.restart()

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """In a log, print a line now and then within a long validation."""
        done, steps = batch_idx + 1, int(sum(trainer.num_val_batches))
        seconds = self.log.pace(done)
        if seconds is None or not _shows_lines(trainer):
            return
        assert isinstance(pl_module, FoldModule)
        epochs, every = trainer.max_epochs or 1, pl_module.config.train.validate_every or 1
        epoch = self.trained - self.started + seconds * steps / every
        left = seconds * (steps - done) + epoch * (epochs - trainer.current_epoch - 1)
        images = len(batch.image_ids) * trainer.world_size / seconds
        text = f"validation {done}/{steps}"
        self._print_line(trainer, f"{text}: {images:.0f} images a second", text, left, epoch)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep how long it took."""
        self.validation = time.monotonic() - self.trained

    def _print_line(self, trainer: L.Trainer, text: str, short: str, left: float, epoch: float) -> None:
        """Print how far the epoch is; left: seconds; epoch: seconds of one with its share of the validations."""
        number, epochs = trainer.current_epoch, trainer.max_epochs or 1
        left = self.time_left.seconds(left)
        report_progress(Progress(number, epochs, "epoch", short, left))
        words = self.time_left.in_words(left, epoch * epochs)
        print(f"  {self.title} epoch {number + 1}/{epochs}, {text}, {words}", flush=True)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's row; its validation, if any, has ended."""
        if not trainer.is_global_zero:
            return
        assert isinstance(pl_module, FoldModule)
        row: dict[Hashable, Any] = {
            "epoch": trainer.current_epoch,
            "train_loss": pl_module.mean_train_loss(),
            "valid_loss": math.nan,
            "valid_metric": math.nan,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self.started, 2),
            "peak_memory_mb": round(_peak_memory_mb()),
        }
        every = pl_module.config.train.validate_every
        if every is not None and (trainer.current_epoch + 1) % every == 0:
            figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
            row |= {name: value for name, value in figures.items() if name.startswith(("valid_", "dice_"))}
        self.rows.append(row)
        write_history(self.history_csv, self.rows)
        self.print_epoch(trainer.max_epochs or 0)

    def print_epoch(self, epochs: int) -> None:
        """Print the last epoch of so many: losses, metric, Dice by class, and the time left."""
        row = self.rows[-1]
        latest = self.rows[-_LATEST_EPOCHS:]
        seconds = sum(past["seconds"] for past in latest) / len(latest)
        left = self.time_left.seconds(seconds * (epochs - 1 - row["epoch"]))
        figures = f"loss {row['train_loss']:.3f}"
        figures += "" if math.isnan(row["valid_metric"]) else f", metric {row['valid_metric']:.4f}"
        report_progress(Progress(row["epoch"] + 1, epochs, "epoch", figures, left))
        line = f"  {self.title} epoch {row['epoch'] + 1}/{epochs}: loss {row['train_loss']:.3f}"
        if not math.isnan(row["valid_metric"]):
            named = ((str(key), value) for key, value in row.items() if str(key).startswith("dice_"))
            classes = ", ".join(f"{key.removeprefix('dice_')} {value:.2f}" for key, value in named)
            line += f" (validation {row['valid_loss']:.3f}), metric {row['valid_metric']:.4f}"
            line += f"; non-empty Dice: {classes}"
        print(f"{line}; {row['seconds']:.0f} s, {self.time_left.in_words(left, seconds * epochs)}", flush=True)
        LogClock.spoke()


def _shows_lines(trainer: L.Trainer) -> bool:
    """Whether this process prints lines within an epoch: the first one, into a file or pipe."""
    return trainer.is_global_zero and not sys.stdout.isatty()


def _peak_memory_mb() -> float:
    """The highest memory use since the training started: of the GPU if one is used, else of this process (MB)."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    return peak_memory_mb()


def _reset_peak_memory() -> None:
    """Start the measurement again, without earlier folds in this process."""
    reset_peak_memory()
    if torch.cuda.is_initialized():
        torch.cuda.reset_peak_memory_stats()
