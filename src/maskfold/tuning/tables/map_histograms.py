"""Cumulative histograms of single maps on disk: what the `mask` and `triplet` rules need to know of every map.

They do not add up over images as the score tables do, and at 2 KB a map those of all maps would fill the memory. So the
pass spills them to a file and what needs them reads them back, both a chunk at a time. Chunks hold maps of one class
and are members of an npz archive, in the end that of the score tables. They are read, not mapped: the pages of a mapped
file count as memory of the process.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

CHUNK_MAPS = 256  # half a megabyte: few reads, and all that is computed from a chunk stays in the processor's cache


def record(rows: int) -> np.dtype:
    """One map. true_area: px; histograms: how many pixels, true ones and, in a third row, ignored ones a level has."""
    return np.dtype([("gate_level", np.int32), ("true_area", np.int32), ("histograms", np.int32, (rows, 256))])


def write_member(archive: ZipFile, name: str, array: np.ndarray, compress: bool) -> None:
    """Add an array to an npz archive."""
    member = ZipInfo(f"{name}.npy")  # dated 1980, so that equal arrays make equal files
    member.compress_type = ZIP_DEFLATED if compress else ZIP_STORED
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def _chunk_name(class_index: int, number: int) -> str:
    return f"curves_{class_index}_{number}"  # as in files of earlier versions


class _UnnamedFile:
    """An archive in a file without a name, which is deleted with its last reader, or with a killed process."""

    def __init__(self, folder: Path | None) -> None:
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.archive = ZipFile(self.file, "w")
        weakref.finalize(self, _close, self.archive, self.file)


def _close(archive: ZipFile, file: IO[bytes]) -> None:
    archive.close()
    file.close()


@dataclass(frozen=True)
class MapHistograms:
    """The histograms of the maps that have a pixel above zero, in the order of the images.

    parts: the files that hold them, in order, each with the numbers its classes have there.
    """

    parts: tuple[tuple[Path | _UnnamedFile, tuple[int, ...]], ...] = ()

    def __add__(self, other: MapHistograms) -> MapHistograms:
        """These maps, then the other's."""
        return MapHistograms(self.parts + other.parts)

    def chunks(self, class_index: int) -> Iterator[np.ndarray]:
        """The maps of one class in arrays (n,) of a `record`, at most a chunk in memory at a time."""
        for source, classes in self.parts:
            with ZipFile(source if isinstance(source, Path) else source.file) as archive:
                names = set(archive.namelist())
                for number in count():
                    name = f"{_chunk_name(classes[class_index], number)}.npy"
                    if name not in names:
                        break
                    with archive.open(name) as member:
                        yield np.lib.format.read_array(member, allow_pickle=False)

    def write(self, archive: ZipFile, class_index: int) -> None:
        """Copy the maps of one class to an npz archive, from which `MapHistograms` can read them."""
        for number, records in enumerate(self.chunks(class_index)):
            write_member(archive, _chunk_name(class_index, number), records, compress=False)


class HistogramSpill:
    """Takes histograms map by map and keeps them in a file; what waits in memory is less than a chunk a class."""

    def __init__(self, folder: Path | None, classes: int, rows: int = 2) -> None:
        """folder: where the unnamed file is; None: where the system keeps temporary files; rows: of a histogram."""
        self._spilled = _UnnamedFile(folder)
        self._waiting = np.zeros((classes, CHUNK_MAPS), dtype=record(rows))
        self._waiting_maps = [0] * classes
        self._chunks = [0] * classes

    def add(self, class_index: int, gate_level: int, true_area: int, histograms: np.ndarray) -> None:
        """Add one map. true_area: px; histograms: (rows, 256) int32."""
        place = self._waiting_maps[class_index]
        self._waiting[class_index, place] = (gate_level, true_area, histograms)
        self._waiting_maps[class_index] += 1
        if self._waiting_maps[class_index] == self._waiting.shape[1]:
            self._flush(class_index)

    def _flush(self, class_index: int) -> None:
        records = self._waiting[class_index, : self._waiting_maps[class_index]]
        name = _chunk_name(class_index, self._chunks[class_index])
        write_member(self._spilled.archive, name, records, compress=False)
        self._chunks[class_index] += 1
        self._waiting_maps[class_index] = 0

    def finish(self) -> MapHistograms:
        """Everything added; nothing can be added after that."""
        for class_index, waiting in enumerate(self._waiting_maps):
            if waiting:
                self._flush(class_index)
        self._spilled.archive.close()
        return MapHistograms(((self._spilled, tuple(range(len(self._chunks)))),))
