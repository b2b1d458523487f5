"""What this machine offers: cores, bf16, GPUs, memory and disk that are free."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from maskfold.execution.jobs import available_cores
from maskfold.inference.runtime import fast_bf16

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """cores: this process may use; name: of the processor or GPU that trains; ram, gpu_ram, disk: free bytes; gpus: how
    many there are; bf16: computed in hardware by what trains."""

    cores: int
    name: str
    bf16: bool
    ram: int
    disk: int
    gpus: int = 0
    gpu_ram: int = 0

    @property
    def kind(self) -> str:
        """`gpu` or `cpu`: what trains."""
        return "gpu" if self.gpus else "cpu"

    @property
    def in_words(self) -> str:
        """What trains, in words."""
        cores = f"{self.cores} core" + ("" if self.cores == 1 else "s")
        place = f"{self.name} with {self.gpu_ram / 2**30:.0f} GB free" if self.gpus else "no GPU"
        bf16 = "bf16" if self.bf16 else "no bf16"
        return f"{cores}, {place}, {bf16}, {self.ram / 2**30:.0f} GB of memory free, {self.disk / 2**30:.0f} GB of disk"


def this_machine(cores: int | None, folder: Path) -> Machine:
    """The machine as this process may use it.

    cores: use no more than these; folder: on the disk where the run's files will be, or below a folder that exists.
    """
    usable = available_cores() if cores is None else max(1, min(cores, available_cores()))
    while not folder.exists():
        folder = folder.parent
    disk, ram = shutil.disk_usage(folder).free, free_memory(_CGROUP)
    if torch.cuda.is_available():
        device = torch.device("cuda")
        free = torch.cuda.mem_get_info()[0]
        name, gpus = torch.cuda.get_device_name(), torch.cuda.device_count()
        return Machine(usable, name, fast_bf16(device), ram, disk, gpus, free)
    return Machine(usable, _processor(), fast_bf16(torch.device("cpu")), ram, disk)


def free_memory(root: Path = _CGROUP) -> int:
    """Bytes of memory that are free, of the machine or of the container, whichever has less."""
    available = _meminfo().get("MemAvailable")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = [total // 2 if available is None else available]  # half where the system does not say
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            free.append(
                int((root / limit).read_text(encoding="utf-8")) - int((root / used).read_text(encoding="utf-8"))
            )
        except (OSError, ValueError):
            continue
    return max(0, min(free))


def _meminfo() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {name.rstrip(":"): int(value) * 1024 for name, value, *_ in pairs}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "CPU"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "CPU")
