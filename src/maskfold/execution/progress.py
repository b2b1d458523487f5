"""Progress bars with time left, on a terminal only; and what a job says of its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from rich import progress as bars
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn, track
from rich.text import Text

Item = TypeVar("Item")


def tracked(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, with a bar that shows how many of `total` are done and the time left; silent into a file or pipe."""
    console = Console(stderr=True)
    yield from track(items, title, total=total, console=console, transient=True, disable=not console.is_terminal)


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
