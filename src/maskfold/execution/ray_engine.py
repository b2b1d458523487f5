"""The Ray engine: jobs as tasks of a cluster. Ray decides where and when, and tries again when a node dies."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.queue import Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from maskfold.execution.job import ATTEMPTS, Failure, Job
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.ray_cluster import last_line
from maskfold.execution.ray_job import Expected, do_on_node
from maskfold.execution.signals import stopped_by_signals

_SUBMITTED = 1000  # jobs that Ray knows of at a time, so that their inputs do not fill its memory


@dataclass
class RayEngine:
    """Does jobs on the cluster that this process is connected with.

    shown: where progress goes; expected: what every node must have; environment: variables of the jobs' processes;
    final: errors that a second attempt would meet again.
    """

    shown: JobsShown
    expected: Expected
    environment: dict[str, str]
    final: tuple[type[Exception], ...] = ()
    _task: Any = field(default_factory=lambda: ray.remote(do_on_node))  # once: Ray sends it to the nodes each time
    _jobs: dict[str, Job] = field(default_factory=dict)
    _running: dict[Any, str] = field(default_factory=dict)  # Ray's reference -> name of the job
    _attempts: Counter[str] = field(default_factory=Counter)  # of each job, that have begun

    def run(self, jobs: Sequence[Job]) -> list[Failure]:
        """Do all jobs; returns those that failed, after all others are done.

        Ctrl-C, SIGTERM and SIGHUP end all jobs and raise KeyboardInterrupt.
        """
        waiting, failures = deque(jobs), list[Failure]()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        with stopped_by_signals(), self.shown:
            try:
                while waiting or self._running:
                    while waiting and len(self._running) < _SUBMITTED:
                        self._submit(waiting.popleft(), messages)
                    ended, _ = ray.wait(list(self._running), timeout=1.0)
                    for name, kind, value in messages.get_nowait_batch(messages.qsize()):
                        self._hear(self._jobs[name], kind, value)
                    failures += [failure for each in ended if (failure := self._outcome(each)) is not None]
                    self.shown.waiting = len(waiting) + len(self._running) - len(self.shown.running)
                    self.shown.tick()
            finally:
                for each in self._running:
                    with contextlib.suppress(RayError):
                        ray.cancel(each, force=True)
                messages.shutdown(force=True)
        return failures

    def _submit(self, job: Job, messages: Queue) -> None:
        needs = job.needs
        task = self._task.options(
            name=job.name,
            num_cpus=needs.threads,
            num_gpus=needs.gpus,
            memory=None if needs.memory_gb is None else int(needs.memory_gb * 2**30),
            max_retries=ATTEMPTS - 1,
            retry_exceptions=True,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": self.environment},
        )
        self._running[task.remote(job, self.expected, messages, self.final)] = job.name
        self._jobs[job.name] = job

    def _hear(self, job: Job, kind: str, value: Any) -> None:
        """Show what a job has sent; the last attempt's error comes with its outcome."""
        if kind == "line":
            self.shown.line(value)
        elif kind == "began":
            self._attempts[job.name] += 1
            self.shown.began(job, value)
        elif kind == "progress":
            self.shown.progress(job, value)
        elif self._attempts[job.name] < ATTEMPTS:
            self.shown.failed(Failure(job, None, value), self._attempts[job.name] + 1)

    def _outcome(self, reference: Any) -> Failure | None:
        """Take what came of a job; returns how it failed, if it did."""
        job, error = self._jobs[self._running.pop(reference)], None
        try:
            error = ray.get(reference)
            reason = None if error is None else str(error) or type(error).__name__
        except RayTaskError as raised:
            error = raised.cause if isinstance(raised.cause, Exception) else None
            reason = last_line(raised) if error is None else str(error) or type(error).__name__
        except RayError as raised:
            reason = " ".join(str(raised).split())
        if reason is None:
            self.shown.done(job)
            return None
        failure = Failure(job, error, reason)
        self.shown.failed(failure, None)
        return failure
