"""Progress with the time left: a bar on a terminal, a line now and then in a log; and what a job says of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar, NamedTuple, TypeVar

from rich import progress as bars
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn, track
from rich.text import Text

SILENCE_SECONDS = 30.0  # of a log, at most, while a stage works

_BRIEF_SECONDS = 1.0  # of a first step, which says nothing about the time left

# How many jobs like the one at work follow it in its stage, which sets this; they count for the time left of the stage.
JOBS_AFTER: ContextVar[int] = ContextVar("JOBS_AFTER", default=0)

Item = TypeVar("Item")


class LogClock:
    """When a log is due a line: where the next step, if it takes as long as the last one, would end after the silence.

    said: seconds of time.monotonic of the last line of any clock, as the silence goes on from one task to the next;
    since, latest: of the start of the count, and of the last step.
    """

    said: ClassVar[float] = time.monotonic()

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count other steps from now on; the silence goes on."""
        self.since = self.latest = time.monotonic()
        self.counted = 0

    @staticmethod
    def spoke() -> None:
        """Note that a line was printed that a clock did not ask for."""
        LogClock.said = time.monotonic()

    def pace(self, done: int) -> float | None:
        """The seconds of a step, by those since the last line, where a line is due; else None. done: steps so far."""
        now = time.monotonic()
        step, self.latest = now - self.latest, now
        known = done > self.counted or now - self.since > _BRIEF_SECONDS
        if not known or now + step < LogClock.said + SILENCE_SECONDS:
            return None
        seconds = (now - self.since) / max(1, done - self.counted)
        LogClock.said = self.since = now
        self.counted = done
        return seconds


def tracked(items: Iterable[Item], total: int, title: str, after: int = 0) -> Iterator[Item]:
    """The items, with a bar that shows how many of `total` are done and the time left.

    after: items like these that follow in the stage. Into a file or pipe it prints a line before SILENCE_SECONDS have
    passed, with the time left by the speed since the line before.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, title, total=total, console=console, transient=True)
    else:
        yield from _logged(items, total, title, after)


def _logged(items: Iterable[Item], total: int, title: str, after: int) -> Iterator[Item]:
    clock = LogClock()
    for done, item in enumerate(items):
        seconds = clock.pace(done)
        if seconds is not None:
            left = seconds * (total - done)
            report_progress(Progress(done, total, "item", title, left))
            in_all = f", {(left + seconds * after) / 60:.0f} min in all" if after else ""
            print(f"  {title}: {done:,} of {total:,}, {left / 60:.0f} min left{in_all}", flush=True)
        yield item


class _Rate(ProgressColumn):
    """How many items are done a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} {self.unit}/s")


def rated(items: Iterable[Item], total: int | None, title: str, unit: str) -> Iterator[Item]:
    """Like tracked, with how many a second, e.g. of the unit `frames`; total: None where nobody knows."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from _rated_lines(items, total, title, unit)
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    with bars.Progress(*columns, console=console, transient=True) as progress:
        yield from progress.track(items, total, description=title)


def _rated_lines(items: Iterable[Item], total: int | None, title: str, unit: str) -> Iterator[Item]:
    clock = LogClock()
    for done, item in enumerate(items):
        seconds = clock.pace(done)
        if seconds:
            rest = "" if total is None else f" of {total:,}"
            left = "" if total is None else f", {seconds * max(0, total - done) / 60:.0f} min left"
            print(f"  {title}: {done:,}{rest} {unit}, {1 / seconds:.1f} {unit} a second{left}", flush=True)
        yield item


class Progress(NamedTuple):
    """How far a job is. done of total, of `unit`; text: the latest figures; seconds_left: by its latest speed."""

    done: int
    total: int
    unit: str
    text: str
    seconds_left: float


_listeners: list[Callable[[Progress], None]] = []


@contextmanager
def listening_to_progress(listener: Callable[[Progress], None]) -> Iterator[None]:
    """Call a function whenever the work of this process, inside the block, reports how far it is."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def report_progress(progress: Progress) -> None:
    """Say how far this process is with its job, where something listens."""
    for listener in _listeners:
        listener(progress)
