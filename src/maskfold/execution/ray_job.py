"""What runs on a node of a Ray cluster: a look at what the node sees and has, and a job."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ray.exceptions import RayError
from ray.util.queue import Queue

from maskfold.execution.job import Job
from maskfold.execution.worker import error_of, sendable

_MESSAGE_SECONDS = 10.0  # until the last message has arrived


class Expected(NamedTuple):
    """What every node must have. files: that it sees; installation: called on the node, tells what is installed there
    and where it works, which must be what `installed` says, the same of the first process."""

    files: tuple[Path, ...]
    installation: Callable[[], str]
    installed: str

    def missing(self) -> list[str]:
        """What this process's node lacks, in words."""
        lacks = [f"does not see {path}" for path in self.files if not path.exists()]
        found = self.installation()
        return lacks + ([] if found == self.installed else [f"has {found}, expected {self.installed}"])


class UnfitNodeError(RuntimeError):
    """A job came to a node that lacks what every node must have."""


def look(expected: Expected) -> list[str]:
    """What this node lacks."""
    return expected.missing()


def do_on_node(job: Job, expected: Expected, messages: Queue, final: tuple[type[Exception], ...]) -> Exception | None:
    """Do a job in a process of Ray's; returns an error that another attempt would meet again, None when it is done.

    Raises other errors, after which Ray tries again. messages: gets (name of the job, kind, value): `began` with the
    name of the node, what `error_of` sends, and `failed` with the error's text before it is raised.
    """

    sender = _Sender(job.name, messages)
    sender("began", socket.gethostname())
    sender.wait()
    if lacks := expected.missing():
        return UnfitNodeError(f"the node {socket.gethostname()} {', '.join(lacks)}")
    with _output_given_back():
        error = error_of(job, sender)
    if error is not None:
        ready = sendable(error)
        error = ready if isinstance(ready, Exception) else RuntimeError(ready)
        if not isinstance(error, final):
            sender("failed", str(error) or type(error).__name__)
    sender.wait()
    if error is None or isinstance(error, final):
        return error
    raise error


class _Sender:
    """Sends messages about a job to the first process; the job goes on where that cannot be reached."""

    def __init__(self, job: str, messages: Queue) -> None:
        self.job = job
        self.actor: Any = messages.actor
        self.last: Any = None  # Ray's reference to the latest message

    def __call__(self, kind: str, value: Any) -> None:
        self.last = self.actor.put_nowait.remote((self.job, kind, value))

    def wait(self) -> None:
        """Wait until all has arrived; not with ray.get, for Ray gives the cores of a job that waits to another."""
        with contextlib.suppress(RayError, TimeoutError):
            self.last.future().result(_MESSAGE_SECONDS)


@contextlib.contextmanager
def _output_given_back() -> Iterator[None]:
    """Let the process's output go, after the block, where it went before: Ray's processes do jobs of many kinds."""
    kept = [os.dup(number) for number in (1, 2)]
    try:
        yield
    finally:
        sys.stdout.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
