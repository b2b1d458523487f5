"""The most memory that this process has held."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # man 5 proc: the peak becomes what is held now


def peak_memory_mb() -> float:
    """The most memory this process had in RAM since it started, or since reset_peak_memory (MB)."""
    if _STATUS.exists():
        # Not getrusage, which on Linux starts at the size of the process that started this one.
        line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def reset_peak_memory() -> None:
    """Forget the peak so far, where the system lets a process do so (Linux); elsewhere nothing happens."""
    with contextlib.suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK, encoding="utf-8")
