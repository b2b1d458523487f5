"""A tracker that the work does not depend on: what it does not take waits, and the work goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger

from maskfold.execution.processes import is_first_process
from maskfold.tracking.record import Record

Call = Callable[[Logger], None]

_PAUSE_SECONDS = 60.0  # after a failure at least, and ten times as long as it took
_MOST_WAITING = 10_000  # calls
_TRIES = 5  # of a call, so that one that never succeeds is dropped


class Guarded(Logger):
    """One of lightning's loggers behind a queue. A failure is said once; later calls try again now and then."""

    def __init__(self, tracker: str, record: Record, opened: Callable[[Record], Logger]) -> None:
        """opened: makes the logger; called at the first call, and again where that failed."""
        super().__init__()
        self.tracker, self.record = tracker, record
        self.is_new = record.id_of(tracker) is None
        self._opened = opened
        self._inner: Logger | None = None
        self._waiting: deque[tuple[Call, int]] = deque()
        self._lost, self._failing, self._next_try = 0, False, 0.0

    name = version = ""  # asking a server for them could fail

    def do(self, call: Call) -> None:
        """Give the logger to a function now, or when the tracker is there again."""
        if is_first_process():
            self._waiting.append((call, _TRIES))
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            if time.monotonic() >= self._next_try:
                self._drain()

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Send figures."""
        kept = dict(metrics)
        self.do(lambda logger: logger.log_metrics(kept, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Send parameters, unless the record has some: MLflow's cannot be changed."""
        if self.is_new:
            self.do(lambda logger: logger.log_hyperparams(params, *args, **kwargs))

    def finalize(self, status: str) -> None:
        """Send what is left, and end the record."""
        self.do(lambda logger: logger.finalize(status))
        if self._waiting and self._next_try:  # one last time, whenever the next try was due
            self._drain(patience=3)
        self._close(status)
        lost, self._lost = self._lost + len(self._waiting), 0
        self._waiting.clear()
        if lost:
            print(f"track: {self.tracker} lacks {lost} entries of {self.record.title}", flush=True)
        self.complete = lost == 0

    complete = False  # after `finalize`: whether the tracker has taken everything

    def _drain(self, patience: int = 1) -> None:
        """Make the calls that wait, in their order, until so many failed; those are tried again after the others."""
        while self._waiting and patience > 0:
            call, tries = self._waiting.popleft()
            started = time.monotonic()
            try:
                if self._inner is None:
                    self._inner = self._opened(self.record)
                call(self._inner)
            except Exception as error:  # any library's: of networks, servers, databases, disks
                now = time.monotonic()
                self._next_try = now + max(_PAUSE_SECONDS, 10 * (now - started))
                if tries > 1:
                    self._waiting.append((call, tries - 1))
                else:
                    self._lost += 1
                self._say_failure(error)
                patience -= 1
                continue
            if self._failing:
                self._failing = False
                print(f"track: {self.tracker} takes the entries of {self.record.title} again", flush=True)

    def _say_failure(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            print(
                f"track: warning: {self.tracker} does not take the entries of {self.record.title} ({reason}); the work "
                "goes on, and they are sent later if it comes back",
                flush=True,
            )

    def _close(self, status: str) -> None:
        """Let wandb end its own process; other trackers have none."""
        if isinstance(self._inner, WandbLogger):
            try:
                self._inner.experiment.finish(exit_code=int(status != "success"))
            except Exception as error:
                self._say_failure(error)
        self._inner = None
