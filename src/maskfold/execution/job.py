"""A job: one piece of a stage's work that any process can do, and where it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Needs(NamedTuple):
    """What a place must have for a job: threads, at least; gpus: 0 or 1; memory_gb: None: not said.

    On this machine memory is not counted.
    """

    threads: int = 1
    gpus: int = 0
    memory_gb: float | None = None


ONE_THREAD = Needs()


@dataclass(frozen=True)
class Job:
    """One piece of work: small, picklable, with one artefact; done twice it gives the same.

    name: as messages call it, e.g. `fold 0`; function, inputs: what is called in the worker, a function at the top
    level of a module; artefact: the file it writes, whole or not at all; log: where its output goes.
    """

    name: str
    function: Callable[..., None]
    inputs: tuple[Any, ...]
    artefact: Path
    log: Path
    needs: Needs = ONE_THREAD


ATTEMPTS = 3  # of a job whose worker dies, or that fails in a way nobody foresaw


class Failure(NamedTuple):
    """A job that gave no artefact. error: what it raised; None: its worker died; reason: in one line."""

    job: Job
    error: Exception | None
    reason: str


class Place(NamedTuple):
    """Where a worker runs. cores: it is bound to, empty: not bound; gpu: the number of its own, None: none."""

    threads: int
    cores: tuple[int, ...] = ()
    gpu: int | None = None

    def suits(self, job: Job) -> bool:
        """Whether the place has what the job needs."""
        return job.needs.threads <= self.threads and job.needs.gpus <= int(self.gpu is not None)


def places(workers: int, own: list[int], usable: int, gpus: int = 0) -> list[Place]:
    """A place for each worker, all with the same number of threads, so that it does not matter who does which job.

    own: numbers of the cores that this process may run on; usable: how many of them at a time. Workers are bound to
    cores of their own where there are enough, and the run may use all: else the system does better. With more workers
    than cores each has one thread, and the system shares the cores evenly. gpus: how many there are; shared in turn.
    """
    threads = max(1, usable // workers)
    bound = workers <= usable == len(own)
    parts = [tuple(own[len(own) * each // workers : len(own) * (each + 1) // workers]) for each in range(workers)]
    return [Place(threads, part if bound else (), each % gpus if gpus else None) for each, part in enumerate(parts)]
