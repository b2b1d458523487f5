"""Records each epoch of a training: one row in history.csv, one line on the screen."""

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
from maskfold.execution.processes import side_by_side
from maskfold.execution.progress import JOBS_AFTER, SILENCE_SECONDS, Progress, report_progress
from maskfold.training.clock import TrainingClock
from maskfold.training.history import read_history, write_history
from maskfold.training.module import FoldModule

_LATEST_EPOCHS = 3  # whose speed tells the time left: another program may have come or gone


class HistoryCallback(Callback):
    """Writes history.csv whole after every epoch; a resumed training drops the rows of epochs that it repeats."""

    def __init__(self, history_csv: Path, title: str, clock: TrainingClock | None = None) -> None:
        self.history_csv, self.title, self.clock = history_csv, title, clock
        self.rows: list[dict[Hashable, Any]] = []
        self.later = JOBS_AFTER.get()
        self.started = self.said = 0.0
        self.last_steps = 0

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
        self.started = self.said = time.monotonic()
        self.last_steps = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """In a log, where no progress bar shows, print a line now and then within a long epoch."""
        now, steps = time.monotonic(), int(trainer.num_training_batches)
        if now - self.said < SILENCE_SECONDS or sys.stdout.isatty() or batch_idx + 1 == steps:
            return
        if trainer.is_global_zero:
            assert isinstance(pl_module, FoldModule)
            done, epochs = batch_idx + 1, trainer.max_epochs or 1
            seconds = (now - self.said) / (done - self.last_steps)  # a step, of the latest ones alone
            self.said, self.last_steps = now, done
            images = len(batch.pixels) * trainer.world_size / seconds
            ahead = steps * (epochs - trainer.current_epoch) - done
            left, loss = self._left(seconds * ahead), pl_module.mean_train_loss()
            report_progress(Progress(trainer.current_epoch, epochs, "epoch", f"loss {loss:.3f}", left))
            print(
                f"  {self.title} epoch {trainer.current_epoch + 1}/{epochs}, step {done}/{steps}: loss {loss:.3f}, "
                f"{images:.0f} images a second, {self._of_stage(left, seconds * steps * epochs)}",
                flush=True,
            )

    def _left(self, seconds: float) -> float:
        """The seconds left: by the speed so far, or by the clock where that ends earlier."""
        if self.clock is not None:
            seconds = min(seconds, self.clock.seconds - self.clock.elapsed)
        return max(0.0, seconds)

    def _of_stage(self, left: float, whole: float) -> str:
        """The time left in words, that of the trainings that follow included.

        left: seconds of this training; whole: of a whole one by its speed, or by the clock where that ends earlier.
        """
        whole = whole if self.clock is None else min(whole, self.clock.seconds)
        if side_by_side() > 1:  # the first process knows of the others, and says the time left in all
            return f"{left / 60:.0f} min left of its own"
        words = f"{(left + self.later * whole) / 60:.0f} min left"
        return f"{words} with the {self.later} after it" if self.later else words

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
        left = self._left(seconds * (epochs - 1 - row["epoch"]))
        figures = f"loss {row['train_loss']:.3f}"
        figures += "" if math.isnan(row["valid_metric"]) else f", metric {row['valid_metric']:.4f}"
        report_progress(Progress(row["epoch"] + 1, epochs, "epoch", figures, left))
        line = f"  {self.title} epoch {row['epoch'] + 1}/{epochs}: loss {row['train_loss']:.3f}"
        if not math.isnan(row["valid_metric"]):
            named = ((str(key), value) for key, value in row.items() if str(key).startswith("dice_"))
            classes = ", ".join(f"{key.removeprefix('dice_')} {value:.2f}" for key, value in named)
            line += f" (validation {row['valid_loss']:.3f}), metric {row['valid_metric']:.4f}"
            line += f"; non-empty Dice: {classes}"
        print(f"{line}; {row['seconds']:.0f} s, {self._of_stage(left, seconds * epochs)}", flush=True)


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
