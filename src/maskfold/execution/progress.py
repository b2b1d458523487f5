"""Progress with the time left: a bar on a terminal, a line now and then in a log; and what a job says of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import NamedTuple, TypeVar

from rich import progress as bars
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn, track
from rich.text import Text

SILENCE_SECONDS = 30.0  # of a log, at most, while a stage works

# How many jobs like the one at work follow it in its stage, which sets this; they count for the time left of the stage.
JOBS_AFTER: ContextVar[int] = ContextVar("JOBS_AFTER", default=0)

Item = TypeVar("Item")


def tracked(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, with a bar that shows how many of `total` are done and the time left.

    Into a file or pipe it prints a line when SILENCE_SECONDS have passed, with the time left by the speed since the
    line before.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        yield from track(items, title, total=total, console=console, transient=True)
    else:
        yield from _logged(items, total, title)


def _logged(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    said, last = time.monotonic(), 0
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - said >= SILENCE_SECONDS:
            left = (now - said) / max(1, done - last) * (total - done)
            report_progress(Progress(done, total, "item", title, left))
            print(f"  {title}: {done:,} of {total:,}, {left / 60:.0f} min left", flush=True)
            said, last = now, done
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
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(items, total, description=title)


class Progress(NamedTuple):
    """How far a job is. done of total, of `unit`; text: the latest figures; seconds_left: by its latest speed."""

    done: int
    total: int
    unit: str
    text: str
    seconds_left: float


_listeners: list[Callable[[Progress], None]] = []


def listen_to_progress(listener: Callable[[Progress], None]) -> None:
    """Call a function, from now on, whenever the work of this process reports how far it is."""
    _listeners.append(listener)


def report_progress(progress: Progress) -> None:
    """Say how far this process is with its job, where something listens."""
    for listener in _listeners:
        listener(progress)
