"""How many cores a process may use: of its affinity, of its container's quota, and of its run."""

from __future__ import annotations

import math
import os
from pathlib import Path

LIMIT = "MASKFOLD_CORES"  # in the environment, so that processes of this one keep to it: `run.cores`
_CGROUP = Path("/sys/fs/cgroup")
_V1_QUOTA, _V1_PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


def own_cores() -> list[int]:
    """The numbers of the cores that the system lets this process run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [*range(os.cpu_count() or 1)]


def usable_cores(root: Path = _CGROUP) -> int:
    """How many of them it may use at a time, at least 1; root: where the quota of its container stands."""
    limits = [len(own_cores())]
    quota = quota_cores(root)
    if quota is not None:
        limits.append(quota)
    limit = os.environ.get(LIMIT, "")
    if limit.isdigit():
        limits.append(int(limit))
    return max(1, min(limits))


def quota_cores(root: Path) -> int | None:
    """Cores that a container's quota allows, rounded up; None: there is no quota."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        try:
            quota, period = ((root / name).read_text(encoding="utf-8").strip() for name in (_V1_QUOTA, _V1_PERIOD))
        except OSError:
            return None
    return math.ceil(int(quota) / int(period)) if quota.isdigit() and int(period) else None


def limit_cores(cores: int | None) -> None:
    """Let this process, and those it starts, use at most so many cores; before torch and numba are loaded.

    cores: None: all of its own. Without a limit and a quota nothing changes: the libraries ask for the affinity
    themselves. OMP_NUM_THREADS of the user is kept.
    """
    if cores is not None:
        os.environ[LIMIT] = str(cores)
    if usable_cores() < len(own_cores()):
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))
        os.environ.setdefault("NUMBA_NUM_THREADS", str(usable_cores()))
