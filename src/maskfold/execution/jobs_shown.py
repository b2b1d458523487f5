"""Several jobs in one console: a live table on a terminal, plain lines in a log, and the time left of them all."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from maskfold.execution.job import Failure, Job
from maskfold.execution.progress import Progress

_LINE_SECONDS = 30.0  # between lines about all jobs, in a log


@dataclass
class _Running:
    """A job at work. began, at: seconds of time.monotonic when it began, and of its latest progress; where: the node of
    a cluster, "" on this machine."""

    began: float
    at: float
    where: str = ""
    progress: Progress | None = None

    @property
    def left(self) -> float | None:
        """Seconds left; None: not known yet."""
        return None if self.progress is None else max(0.0, self.progress.seconds_left - (time.monotonic() - self.at))

    @property
    def whole(self) -> float | None:
        """Seconds from its beginning to its end, as it looks now."""
        return None if self.progress is None else self.at - self.began + self.progress.seconds_left


class JobsShown:
    """Shows how far jobs are. Use it in a `with`; title: of the stage; places: how many jobs run at a time."""

    def __init__(self, title: str, places: int) -> None:
        self.title, self.places, self.waiting = title, places, 0
        self.running: dict[str, _Running] = {}
        self.finished: list[float] = []  # seconds that each took
        self.console = Console(markup=False, emoji=False, highlight=False)
        self.live = Live(console=self.console, transient=True, get_renderable=self._table)
        self.said = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.live.stop()

    def line(self, text: str) -> None:
        """Show a line that a job printed."""
        if self.console.is_terminal:
            self.console.print(text)
        else:
            print(text, flush=True)

    def began(self, job: Job, where: str = "") -> None:
        """A job starts, on the node `where` of a cluster; one that is at work has lost its process."""
        lost, now = self.running.get(job.name), time.monotonic()
        if lost is not None:
            self.line(f"{self.title}: {job.name} begins again on {where}: its process, or the node {lost.where}, ended")
        self.running[job.name] = _Running(now, now, where)

    def progress(self, job: Job, progress: Progress) -> None:
        """A job says how far it is."""
        running = self.running.get(job.name)
        if running is not None:
            running.progress, running.at = progress, time.monotonic()

    def done(self, job: Job) -> None:
        """A job is done."""
        running = self.running.pop(job.name, None)
        if running is not None:
            self.finished.append(time.monotonic() - running.began)

    def failed(self, failure: Failure, next_attempt: int | None) -> None:
        """A job has failed; next_attempt: its number, None: there is none."""
        self.running.pop(failure.job.name, None)
        then = "it is not tried again" if next_attempt is None else f"attempt {next_attempt} follows"
        self.line(f"{self.title}: {failure.job.name} failed: {failure.reason}; {then}; its output: {failure.job.log}")

    def tick(self) -> None:
        """In a log, print a line about all jobs now and then."""
        now = time.monotonic()
        if self.console.is_terminal or now - self.said < _LINE_SECONDS or not self.running:
            return
        self.said = now
        parts = [f"{name}{_words(each.progress)}" for name, each in self.running.items()]
        print(f"{self.title}: {', '.join(parts)}, {self.waiting} waiting; {self._left()}", flush=True)

    def _left(self) -> str:
        """The time left of all jobs, in words."""
        known = [whole for each in self.running.values() if (whole := each.whole) is not None] + self.finished
        if not known:
            return "time left not known yet"
        usual = sum(known) / len(known)
        now = time.monotonic()
        running = [max(0.0, usual - (now - each.began)) if each.left is None else each.left
                   for each in self.running.values()]  # fmt: skip
        return f"{seconds_left(running, self.waiting, usual, self.places) / 60:.0f} min left in all"

    def _table(self) -> Table:
        where = ["where"] if any(each.where for each in self.running.values()) else []
        table = Table(
            "job", *where, "done", "", "min left", title=f"{self.title}: {self._left()}, {self.waiting} waiting"
        )
        for name, each in self.running.items():
            left = "" if each.left is None else f"{each.left / 60:.0f}"
            node = [each.where] if where else []
            table.add_row(name, *node, _words(each.progress).strip(), each.progress.text if each.progress else "", left)
        return table


def _words(progress: Progress | None) -> str:
    return " starts" if progress is None else f" {progress.unit} {progress.done}/{progress.total}"


def seconds_left(running: Sequence[float], waiting: int, usual: float, places: int) -> float:
    """Seconds until all jobs are done: those at work, with their seconds left, then each waiting one at a free place.

    usual: seconds of a waiting job; places: how many run at a time.
    """
    free = [0.0] * (places - len(running)) + list(running)
    heapq.heapify(free)
    for _ in range(waiting):
        heapq.heappush(free, heapq.heappop(free) + usual)
    return max(free, default=0.0)
