"""How many cores a process may use, of its affinity, its container's quota and its run; and how busy they are."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path

LIMIT = "MASKFOLD_CORES"  # in the environment, so that processes of this one keep to it: `run.cores`
BUSY = 0.5  # share of the cores that other programs keep at work, from which threads should not spin
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


def busy_share(seconds: float = 0.3) -> float:
    """The share of this process's cores that work now, whoever for, 0 to 1; 0 where the system does not say."""
    before = _core_times()
    time.sleep(seconds)
    after = _core_times()
    worked = sum(after[core][0] - before[core][0] for core in before.keys() & after.keys())
    passed = sum(after[core][1] - before[core][1] for core in before.keys() & after.keys())
    return worked / passed if passed else 0.0


def core_times(stat: str, cores: list[int]) -> dict[int, tuple[int, int]]:
    """Core -> (ticks of work, ticks in all) of the given cores, from the text of /proc/stat."""
    found = {}
    for line in stat.splitlines():
        name, *numbers = line.split()
        if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in cores:
            user, nice, system, idle, iowait, irq, softirq, steal, *_ = map(int, numbers)
            work = user + nice + system + irq + softirq + steal
            found[int(name[3:])] = (work, work + idle + iowait)
    return found


def _core_times() -> dict[int, tuple[int, int]]:
    try:
        return core_times(Path("/proc/stat").read_text(encoding="utf-8"), own_cores())
    except (OSError, ValueError):
        return {}


def yield_to_others() -> float | None:
    """Where other programs keep the cores busy, let OpenMP's threads sleep while they wait for each other.

    By default they spin, and a thread that spins keeps the core from the one that it waits for. On a quiet machine
    sleeping is slower. Neither changes a bit of the result. Returns the busy share of the cores if threads will sleep,
    None if not: cores are free, the user has chosen (OMP_WAIT_POLICY, GOMP_SPINCOUNT), or torch has started OpenMP.
    """
    chosen = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys()
    if chosen or "torch" in sys.modules or usable_cores() == 1 or os.environ.get("OMP_NUM_THREADS") == "1":
        return None
    share = busy_share()
    if share < BUSY:
        return None
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    return share
