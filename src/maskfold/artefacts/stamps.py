"""What an artefact was when it was written: its hash, size and times, so that damage and exchanges are noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from maskfold.artefacts.files import file_hash, folder_fingerprint


class Stamp(BaseModel):
    """A file or folder as it was written.

    sha256: of its contents, for a folder of the names and hashes of its files; size: bytes; times: hash of names, sizes
    and modification times, "" to have the contents read at the next check.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: str
    size: int
    times: str

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file or folder as it is now; reads all of it."""
        times, size = _times(path), _size(path)  # first: what changes while it is read is then read again
        return cls(sha256=_contents(path), size=size, times=times)

    def compare(self, path: Path) -> tuple[str, Stamp]:
        """Why `path` is not what was stamped, "" if it is; and its stamp, with new times if only these have changed.

        The contents are read only where the size is the same and a time is not.
        """
        if not path.exists():
            return f"{path.name} does not exist", self
        if (size := _size(path)) != self.size:
            return f"{path.name} has {size:,} bytes, {self.size:,} were written: damaged or replaced", self
        if _times(path) == self.times:
            return "", self
        now = Stamp.of(path)
        if now.sha256 != self.sha256:
            return f"the contents of {path.name} are not those written: damaged or replaced", self
        return "", now


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _times(path: Path) -> str:
    return folder_fingerprint(_files(path))


def _contents(path: Path) -> str:
    if path.is_file():
        return file_hash(path)
    names = "".join(f"{file.relative_to(path).as_posix()}\0{file_hash(file)}\n" for file in _files(path))
    return hashlib.sha256(names.encode()).hexdigest()
