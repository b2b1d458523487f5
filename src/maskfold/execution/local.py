"""The local engine: jobs side by side in worker processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from maskfold.execution.job import ATTEMPTS, Failure, Job, Place
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.processes import worker_variables
from maskfold.execution.signals import stopped_by_signals
from maskfold.execution.worker import work

_GRACE_SECONDS = 10.0  # for workers that are asked to end
_SPAWN = get_context("spawn")  # a fork would take threads and locks of torch along in pieces


@dataclass
class _Worker:
    """A process and what it does. job: None while it waits; attempt: of the job, from 1."""

    place: Place
    process: Any
    connection: Connection
    job: Job | None = None
    attempt: int = 0

    def give(self, job: Job, attempt: int) -> None:
        """Let it do a job."""
        self.job, self.attempt = job, attempt
        with contextlib.suppress(OSError):  # it has just died, which is seen next
            self.connection.send(job)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()  # before it had a group of its own
        self.process.join()
        self.connection.close()


@dataclass
class LocalEngine:
    """Does jobs in worker processes, one at each place; shown: where progress goes; final: errors that a second
    attempt would meet again, such as bad data."""

    places: Sequence[Place]
    shown: JobsShown
    final: tuple[type[Exception], ...] = ()
    _workers: list[_Worker] = field(default_factory=list)

    def run(self, jobs: Sequence[Job]) -> list[Failure]:
        """Do all jobs, in order as places become free; returns those that failed, after all others are done.

        A job that fails is done again, up to ATTEMPTS times. Ctrl-C, SIGTERM and SIGHUP end all workers and
        raise KeyboardInterrupt.
        """
        for job in jobs:
            assert any(place.suits(job) for place in self.places[: len(jobs)]), f"no place has what {job.name} needs"
        queue = deque((job, 1) for job in jobs)
        failures: list[Failure] = []
        with stopped_by_signals(), self.shown:
            try:
                for place in self.places[: len(jobs)]:
                    self._workers.append(_started(place, len(self.places)))
                while queue or any(worker.job for worker in self._workers):
                    self._give(queue)
                    for worker in self._ready():
                        failure = self._listen(worker)
                        if failure is None:
                            continue
                        final = isinstance(failure.error, self.final) or worker.attempt == ATTEMPTS
                        self.shown.failed(failure, None if final else worker.attempt + 1)
                        if final:
                            failures.append(failure)
                        else:
                            queue.append((failure.job, worker.attempt + 1))
                for worker in self._workers:
                    with contextlib.suppress(OSError):
                        worker.connection.send(None)
                    worker.process.join(_GRACE_SECONDS)
            finally:
                self._end()
        return failures

    def _give(self, queue: deque[tuple[Job, int]]) -> None:
        for worker in self._workers:
            fitting = (each for each in queue if worker.place.suits(each[0]))
            if worker.job is None and (chosen := next(fitting, None)) is not None:
                queue.remove(chosen)
                worker.give(*chosen)
                self.shown.began(chosen[0])
        self.shown.waiting = len(queue)

    def _ready(self) -> list[_Worker]:
        """The workers that have something to say, or are dead; waits up to a second for one."""
        of = {each: worker for worker in self._workers for each in (worker.connection, worker.process.sentinel)}
        ready = wait(list(of), timeout=1.0)
        self.shown.tick()
        return list({id(of[each]): of[each] for each in ready}.values())

    def _listen(self, worker: _Worker) -> Failure | None:
        """Take one message of a worker; a dead one is replaced. Returns how its job failed, if it did."""
        try:
            if not worker.connection.poll():
                raise EOFError
            kind, value = worker.connection.recv()
        except (EOFError, OSError):
            return self._replace(worker)
        job = worker.job
        assert job is not None, "a worker without a job says nothing"
        if kind == "line":
            self.shown.line(value)
        elif kind == "progress":
            self.shown.progress(job, value)
        else:
            worker.job = None
            if kind == "failed":
                error = value if isinstance(value, Exception) else RuntimeError(value)
                return Failure(job, error, str(error) or type(error).__name__)
            self.shown.done(job)
        return None

    def _replace(self, worker: _Worker) -> Failure | None:
        job = worker.job
        worker.kill()
        code = worker.process.exitcode
        fresh = _started(worker.place, len(self.places))
        worker.process, worker.connection, worker.job = fresh.process, fresh.connection, None
        if job is None:
            return None
        how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        hint = "; often the memory was full" if code == -signal.SIGKILL else ""
        return Failure(job, None, f"its process ended with {how}{hint}")

    def _end(self) -> None:
        """End all workers: those at work are asked first, and a second Ctrl-C ends them at once."""
        try:
            alive = [worker for worker in self._workers if worker.process.is_alive()]
            for worker in alive:
                worker.process.terminate()
            until = time.monotonic() + _GRACE_SECONDS
            for worker in alive:
                worker.process.join(max(0.0, until - time.monotonic()))
        finally:
            for worker in self._workers:
                worker.kill()
            self._workers.clear()


def _started(place: Place, side_by_side: int) -> _Worker:
    """A new worker process at a place, one of so many."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=work, args=(theirs,))
    with _as_at(place, side_by_side):
        process.start()
    theirs.close()
    return _Worker(place, process, ours)


@contextlib.contextmanager
def _as_at(place: Place, side_by_side: int) -> Iterator[None]:
    """Be bound to the place's cores, with its environment, while a process starts that takes both over."""
    changes = worker_variables(place.threads, side_by_side)
    if place.gpu is not None:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        changes["CUDA_VISIBLE_DEVICES"] = visible[place.gpu] if visible != [""] else str(place.gpu)
    before = {name: os.environ.get(name) for name in changes}
    own = os.sched_getaffinity(0) if place.cores else set()
    os.environ.update(changes)
    try:
        if place.cores:
            os.sched_setaffinity(0, place.cores)
        yield
    finally:
        if place.cores:
            os.sched_setaffinity(0, own)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
