"""Inspects many files once: what was found is kept under runs/ with each file's size and modification time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import image_index
from maskfold.errors import DataError
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked

# Fewer files than this are inspected again faster than an index of them is worth keeping.
MIN_INDEXED = 200

_CHUNK = 64  # files a task of the pool: one future a file would cost more than many a header
_COLUMNS = ("name", "size", "mtime_ns", "finding")

Stamp = tuple[str, int, int]  # name, size in bytes, modification time in ns


class FileIndex:
    """Findings (one line of text each) about files, by folder; `kind` keeps those of different inspections apart.

    found: file -> finding; new: files that are still to be inspected; failed: those whose inspection raised.
    """

    def __init__(self, paths: Sequence[Path], kind: str) -> None:
        self.kind = kind
        self.found: dict[Path, str] = {}
        self.new: list[Path] = []
        self.failed: set[Path] = set()
        self._stamps: dict[Path, Stamp] = {}
        self._folders: dict[str, list[Path]] = {}
        for path in paths:
            self._folders.setdefault(os.path.dirname(path), []).append(path)  # noqa: PTH120  # Path.parent is slow
        for folder, inside in self._folders.items():
            known = self._read(folder) if len(inside) >= MIN_INDEXED else {}
            for path in inside:
                stamp = self._stamps[path] = _stamp(path)
                finding = known.get(stamp)
                if finding is not None:
                    self.found[path] = finding
                else:
                    self.new.append(path)

    def inspect_again(self, paths: Collection[Path]) -> None:
        """Take these for new, whatever was found about them."""
        self.new += [path for path in paths if self.found.pop(path, None) is not None]

    def inspect_new(self, inspect: Callable[[Path], str], title: str) -> list[str]:
        """Inspect in threads what is not known yet, and keep what was found; returns the problems, one a bad file."""
        problems = []
        for path, finding in _inspected(self.new, inspect, title):
            if isinstance(finding, DataError):
                problems += finding.problems
                self.failed.add(path)
            else:
                self.found[path] = finding
        changed = {os.path.dirname(path) for path in self.new}  # noqa: PTH120
        for folder in changed:
            if len(self._folders[folder]) >= MIN_INDEXED:
                self._write(folder)
        self.new = []
        return problems

    def _file(self, folder: str) -> Path:
        return image_index(Path(folder)).with_suffix(f".{self.kind}.csv")

    def _read(self, folder: str) -> dict[Stamp, str]:
        """Earlier findings; none where the index is missing or damaged."""
        try:
            table = pd.read_csv(self._file(folder), dtype={"name": "str", "finding": "str"}, keep_default_na=False)
            columns = [table[column].tolist() for column in _COLUMNS]
        except (OSError, ValueError, KeyError):
            return {}
        return {(name, size, mtime): finding for name, size, mtime, finding in zip(*columns, strict=True)}

    def _write(self, folder: str) -> None:
        rows = [(*self._stamps[path], self.found[path]) for path in self._folders[folder] if path in self.found]
        # The index only saves time; on a read-only disk every stage inspects the files again.
        with contextlib.suppress(OSError), whole_file(self._file(folder)) as temporary:
            pd.DataFrame(rows, columns=list(_COLUMNS)).to_csv(temporary, index=False)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:  # the inspection says what is wrong with it
        return path.name, -1, -1
    return path.name, status.st_size, status.st_mtime_ns


def _inspected(
    paths: Sequence[Path], inspect: Callable[[Path], str], title: str
) -> Iterable[tuple[Path, str | DataError]]:
    """Each path with what was found, in order; decoding and reading leave Python's lock."""

    def inspect_chunk(chunk: Sequence[Path]) -> list[str | DataError]:
        """What was found out about some files, one entry each."""
        findings: list[str | DataError] = []
        for path in chunk:
            try:
                findings.append(inspect(path))
            except DataError as error:
                findings.append(error)
        return findings

    chunks = [paths[first : first + _CHUNK] for first in range(0, len(paths), _CHUNK)]
    with ThreadPoolExecutor(max_workers=available_cores()) as pool:
        found = (finding for findings in pool.map(inspect_chunk, chunks) for finding in findings)
        yield from zip(paths, tracked(found, len(paths), title), strict=True)
