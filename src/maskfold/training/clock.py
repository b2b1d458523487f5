"""The clock of a training: how far along it is by wall-clock time, its end when the time is up, and what is left."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from maskfold.execution.processes import side_by_side
from maskfold.execution.progress import JOBS_AFTER


class TrainingClock(Callback):
    """Ends a training after `minutes` of wall-clock time; a resumed training goes on with the time that was left."""

    def __init__(self, minutes: float) -> None:
        self.seconds, self.before, self.started = 60 * minutes, 0.0, time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, of this process and of those it continues."""
        return self.before + time.monotonic() - self.started

    @property
    def share(self) -> float:
        """Elapsed share of the time, 0 to 1."""
        return min(1.0, self.elapsed / self.seconds)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """End the training, in the middle of an epoch too, when the time is up."""
        # One process could see the end a batch before another, which would then wait for it for ever.
        trainer.should_stop = trainer.strategy.reduce_boolean_decision(self.share >= 1, all=False)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the time of the checkpoint."""
        self.before = float(state_dict["elapsed"])


class TimeLeft:
    """The time left of a training, and in words that of the trainings that follow it in its stage too.

    clock: that ends it, if there is one. Made where the stage has set JOBS_AFTER.
    """

    def __init__(self, clock: TrainingClock | None = None) -> None:
        self.clock, self.later = clock, JOBS_AFTER.get()

    def seconds(self, expected: float) -> float:
        """The seconds left: as many as its speed lets expect, or those of the clock where it ends earlier."""
        if self.clock is not None:
            expected = min(expected, self.clock.seconds - self.clock.elapsed)
        return max(0.0, expected)

    def in_words(self, left: float, whole: float) -> str:
        """left: seconds of this training; whole: of a whole one by its speed."""
        whole = whole if self.clock is None else min(whole, self.clock.seconds)
        if side_by_side() > 1:  # the first process knows of the others, and says the time left in all
            return f"{left / 60:.0f} min left of its own"
        words = f"{(left + self.later * whole) / 60:.0f} min left"
        return f"{words} with the {self.later} after it" if self.later else words
