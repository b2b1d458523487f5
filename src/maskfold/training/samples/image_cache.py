"""A cache of decoded training images, so that only the first epoch decodes them."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from maskfold.config import ModelConfig
from maskfold.data.images.depth import stored_type
from maskfold.data.images.stacks import Stack, joined
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.processes import side_by_side
from maskfold.execution.progress import tracked
from maskfold.pixels.geometry import network_size, resize_image

Mode = Literal["auto", "ram", "disk", "none"]

_SHARE_OF_MEMORY = 4  # auto: the cache may take up to 1/4 of the memory that is free now
_SHARE_OF_SHARED_MEMORY = 2  # where loader processes need room for their batches
_SHARED_MEMORY = Path("/dev/shm")
_PREFIX = ".images-"


class ImageCache:
    """Training images at the network's size, read once; loader processes share them without a copy.

    In mode `ram` they are in shared memory; in mode `disk` in a memory-mapped file, of which the system keeps in memory
    what fits, and which is removed when the process that made it ends. In mode `none` every image is read and resized
    each time. The pixels are the same in every mode.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        sizes: Sequence[tuple[int, int]],
        model: ModelConfig,
        mode: Mode,
        folder: Path,
        processes: int = 1,
    ) -> None:
        """stacks: the images that make up each training image, each of which is kept once; sizes: (height, width) in px
        of each training image; folder: for the file of mode `disk`; processes: how many train on this machine, each
        with its own cache.
        """
        size_of = {photo: size for stack, size in zip(stacks, sizes, strict=True) for photo in stack}
        self.photos, self.model = list(size_of), model
        place_of = {photo: place for place, photo in enumerate(self.photos)}
        self.stacks = [tuple(place_of[photo] for photo in stack) for stack in stacks]
        self.sizes = [network_size(height, width, model.resize) for height, width in size_of.values()]
        self.dtype = np.dtype(stored_type(self.photos[0].path) if self.photos else np.uint8)
        lengths = [height * width * model.in_channels * self.dtype.itemsize for height, width in self.sizes]
        self.ends = np.cumsum(lengths, dtype=np.int64)
        self.total_bytes = int(self.ends[-1]) if lengths else 0
        self.mode = _settled(mode, self.total_bytes, processes)
        if self.mode == "none":
            return
        kind = "shared memory" if self.mode == "ram" else "a mapped file"
        print(f"train: keeping {len(self.photos)} decoded images in {kind}, {_size(self.total_bytes)}", flush=True)
        if self.mode == "ram":
            self._shared = torch.empty(self.total_bytes, dtype=torch.uint8).share_memory_()
            self._fill(self._shared.numpy())
        else:
            self._file = _temporary_file(folder)
            weakref.finalize(self, _remove, self._file, os.getpid())
            self._fill(np.memmap(self._file, dtype=np.uint8, mode="w+", shape=self.total_bytes))

    def image(self, index: int) -> np.ndarray:
        """A training image at the network's size, (h, w, input_channels) of the stored type, read-only. Raises
        DataError.
        """
        places = self.stacks[index]
        return joined(tuple(self.photos[place] for place in places), [self._photo(place) for place in places])

    def _photo(self, index: int) -> np.ndarray:
        """One photo at the network's size, (h, w, in_channels)."""
        if self.mode == "none":
            return self._read(index)
        if self.mode == "ram":
            return self._place(self._shared.numpy(), index)
        return self._place(np.memmap(self._file, dtype=np.uint8, mode="r"), index)

    def _read(self, index: int) -> np.ndarray:
        image = self.photos[index].pixels(self.model.in_channels)
        if image.dtype != self.dtype:
            raise DataError(
                [f"{self.photos[index].path}: stores {image.dtype} values, {self.photos[0].path} {self.dtype}"]
            )
        return resize_image(image, self.sizes[index])

    def _place(self, pixels: np.ndarray, index: int) -> np.ndarray:
        height, width = self.sizes[index]
        end = int(self.ends[index])
        start = end - height * width * self.model.in_channels * self.dtype.itemsize
        return pixels[start:end].view(self.dtype).reshape(height, width, self.model.in_channels)

    def _fill(self, pixels: np.ndarray) -> None:
        images = map_threads(self._read, range(len(self.photos)), available_cores())  # decoding leaves Python's lock
        for index, image in enumerate(tracked(images, len(self.photos), "decoding images")):
            self._place(pixels, index)[:] = image


def _settled(mode: Mode, total_bytes: int, processes: int) -> Mode:
    """`ram` or `none` for `auto`; `disk` where shared memory is too small, as in many containers."""
    if mode == "auto":
        room = min(_free_bytes() // _SHARE_OF_MEMORY, _free_shared_bytes() // _SHARE_OF_SHARED_MEMORY) // (
            processes * side_by_side()
        )
        return "ram" if total_bytes <= room else "none"
    if mode == "ram" and total_bytes > _free_shared_bytes():
        print(
            f"train: shared memory ({_SHARED_MEMORY}) has {_size(_free_shared_bytes())} free, the images need "
            f"{_size(total_bytes)}: using a mapped file (train.cache: disk)"
        )
        return "disk"
    return mode


def _temporary_file(folder: Path) -> Path:
    """A new empty file; files that killed trainings left behind are removed."""
    for old in folder.glob(f"{_PREFIX}*"):
        if not Path("/proc", old.name.split("-")[1]).exists():
            old.unlink()
    handle, name = tempfile.mkstemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder)
    os.close(handle)
    return Path(name)


def _remove(file: Path, maker: int) -> None:
    """Remove the file, but only in the process that made it: loader processes inherit this call."""
    if os.getpid() == maker:
        file.unlink(missing_ok=True)


def _free_bytes() -> int:
    """Memory this process may still take: of the machine, and of the container where that is less."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lines = _text(Path("/proc/meminfo")).splitlines()
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), free)
    limit, used = (_text(Path("/sys/fs/cgroup") / name).strip() for name in ("memory.max", "memory.current"))
    return min(free, int(limit) - int(used)) if limit.isdigit() and used.isdigit() else free


def _free_shared_bytes() -> int:
    try:
        state = os.statvfs(_SHARED_MEMORY)
    except OSError:
        return 0
    return state.f_bavail * state.f_frsize


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB" if size_bytes >= 2**30 else f"{size_bytes / 2**20:.0f} MiB"
