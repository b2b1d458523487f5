"""What a machine lacks, by the errors that libraries raise where it does."""

from __future__ import annotations

import errno
import sqlite3
import traceback

_NO_MEMORY = ("can't allocate memory", "can't start new thread", "Cannot allocate memory", "Unable to allocate")
_NO_SHARED_MEMORY = ("shared memory(shm)", "</torch_", "shared memory (shm)", "out of shared memory")


def machine_fault(error: BaseException | None) -> str | None:
    """What to tell a user if the machine lacks room, memory, files or a permission; None if none of these is behind.

    torch and SQLite raise errors of their own, with the system's somewhere behind them, or in their text alone.
    """
    full = "the disk is full{}; free some space and start the same command again"
    while error is not None:
        file = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        if any(words in str(error) for words in _NO_SHARED_MEMORY) or _lacks_room_for_locks(error):
            return (
                "shared memory (/dev/shm) is full: the loader processes hand over their batches there; enlarge it "
                "(docker run --shm-size=2g), or set train.workers=0"
            )
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return full.format(file)
        if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
            return (
                "the memory this process may use is full; end other programs, raise the limit (ulimit -v, or the "
                "container's), or lower train.batch_size, inference.batch_size or run.cores"
            )
        if "Too many open files" in str(error):
            return f"too many files are open{file}; raise the limit (`ulimit -n 1024`), or lower train.workers"
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"no permission{file}; change the file's or folder's rights, or write elsewhere with output_root"
        if isinstance(error, sqlite3.OperationalError) and "disk is full" in str(error):
            return full.format(" (an Optuna study)")
        error = error.__cause__ or error.__context__
    return None


def _lacks_room_for_locks(error: BaseException) -> bool:
    """Whether the system has no room for a lock of multiprocessing, which lies in shared memory without a name."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = frames[-1].f_globals.get("__name__") if frames else None
    return isinstance(error, OSError) and error.errno == errno.ENOSPC and module == "multiprocessing.synchronize"
