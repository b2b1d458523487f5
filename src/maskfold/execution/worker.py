"""How a process does a job, with its output in a log; and the worker process of the local engine, which does many."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from maskfold.execution.job import Job
from maskfold.execution.progress import listening_to_progress

Send = Callable[[str, Any], None]  # a kind of message and its value


def work(connection: Connection) -> None:
    """Do the jobs that come, until None comes; what happens is sent back as (kind, value).

    `line`: text that the job printed; `progress`: a Progress; `done`: None; `failed`: the exception, or its text where
    it cannot be sent. Ends with the process that started it, however that one ends.
    """
    os.setsid()  # Ctrl-C in a terminal reaches the first process alone, which ends the others
    Thread(target=_end_with_parent, daemon=True).start()
    send = _Sender(connection)
    while (job := connection.recv()) is not None:
        error = error_of(job, send)
        send("done", None) if error is None else send("failed", sendable(error))


def error_of(job: Job, send: Send) -> Exception | None:
    """Do a job; returns what it raised, None where it is done.

    All its output goes to its log. send: gets what happens meanwhile, as (kind, value): each `line` that Python prints,
    and each `progress` that the job reports.
    """
    with _output_to(job.log, send), listening_to_progress(lambda progress: send("progress", progress)):
        try:
            job.function(*job.inputs)
        except Exception as error:
            traceback.print_exc()
            return error
    return None


class _Sender:
    """Sends messages; threads of a job may print at the same time."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.lock = connection, Lock()

    def __call__(self, kind: str, value: Any) -> None:
        with self.lock:
            self.connection.send((kind, value))


def _end_with_parent() -> None:
    """End this process and all that it started, at once, when its parent is gone: files are whole or absent."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.killpg(0, signal.SIGKILL)


def sendable(error: Exception) -> Exception | str:
    """The error, or its text where another process could not make it again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # an error's own code runs here
        return f"{type(error).__name__}: {error}"
    return error


class _Lines(io.TextIOBase):
    """Text goes to a log as it comes, and to the first process line by line."""

    def __init__(self, log: io.TextIOBase, send: Send) -> None:
        self.log, self.send, self.rest = log, send, ""

    def write(self, text: str) -> int:
        """Take some text."""
        self.log.write(text)
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.send("line", line)
        return len(text)

    def flush(self) -> None:
        """Write the log."""
        self.log.flush()


@contextlib.contextmanager
def _output_to(log: Path, send: Send) -> Iterator[None]:
    """Collect all output in `log`, that of libraries too, and send what Python prints."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", buffering=1) as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        with contextlib.redirect_stdout(_Lines(file, send)), contextlib.redirect_stderr(file):
            yield
    sys.stdout.flush()
