"""One writer at a time: a lock for each run and stage, which goes with the process that holds it.

The system's own lock, which NFS knows too. Where a file system has none (some cluster and cloud mounts), a file that
its holder renews; it counts for nothing once it was not renewed for a minute, wherever the holder was.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.errors import UsageError
from maskfold.execution.processes import is_first_process

_LEASE_SECONDS = 60.0
NO_WAIT = "MASKFOLD_NO_WAIT"  # in the environment: refuse instead of waiting, as --no-wait asks

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def one_writer(
    stage: str,
) -> Callable[[Callable[Concatenate[Config, Arguments], Result]], Callable[Concatenate[Config, Arguments], Result]]:
    """Let one process at a time run a stage of a run; others wait, and say for whom, or are refused with UsageError."""

    def decorated(
        function: Callable[Concatenate[Config, Arguments], Result],
    ) -> Callable[Concatenate[Config, Arguments], Result]:
        """The stage under its lock."""

        @wraps(function)
        def alone(config: Config, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            """Run the stage while this process holds its lock."""
            if not is_first_process():  # it works for the first one, which holds the lock
                return function(config, *args, **kwargs)
            with one_at_work(RunPaths.of(config), stage):
                return function(config, *args, **kwargs)

        return alone

    return decorated


def at_work(paths: RunPaths, stage: str) -> str | None:
    """Who is at work on a stage of a run, in words; None if nobody is.

    Of another machine, whoever said so last is believed; on this one the process must still be there.
    """
    try:
        who = _holder(paths, stage).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = re.fullmatch(r"process (\d+) on (.+), since .+", who)
    if found is None or found[2] != socket.gethostname():
        return who
    return who if Path("/proc", found[1]).exists() or not Path("/proc/self").exists() else None


def _holder(paths: RunPaths, stage: str) -> Path:
    """The file that says who holds the lock of a stage."""
    return paths.lock(stage).with_suffix(".holder")


@contextmanager
def one_at_work(paths: RunPaths, stage: str) -> Iterator[None]:
    """Hold the lock of a stage, or of one of its jobs (`train.fold0`), in the block.

    The system gives it back when the process ends, however it ends.
    """
    path = paths.lock(stage)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = _holder(paths, stage)
    try:
        lock = _acquired(FileLock(path, fallback_to_soft=False), holder, paths.name, stage)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        lease = SoftFileLease(path.with_suffix(".lease"), lease_duration=_LEASE_SECONDS)
        lock = _acquired(lease, holder, paths.name, stage)
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {since}", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquired(lock: BaseFileLock, holder: Path, run: str, stage: str) -> BaseFileLock:
    """A lock once this process has it. Raises UsageError instead of waiting where that was asked for."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "an unknown process"
        if os.environ.get(NO_WAIT):
            raise UsageError(
                f"{stage} of the run {run} is already at work: {who}; start this command again when it has "
                "ended, or without --no-wait"
            ) from None
        print(f"{stage}: waiting for {who}, which is at work on the run {run}", flush=True)
        lock.acquire()
    return lock
