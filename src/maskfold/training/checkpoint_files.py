"""Checkpoints of a training on disk: written whole next to their target, and checked before a training continues."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from maskfold.artefacts.files import whole_file

LAST = "last.ckpt"
_PREVIOUS = "previous.ckpt"  # the one before, for where the last cannot be read
_PART = "maskfold_part"
_UNREADABLE = (RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError)


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name in its own folder and renames it when it is on the disk.

    Lightning's own writes to TMPDIR and moves, which on another file system first empties the old checkpoint.
    """

    def __init__(self, part: str) -> None:
        """part: fold0, fold1, …, kept in each checkpoint."""
        super().__init__()
        self.part = part
        self._unneeded: list[Path] = []  # by the last checkpoint, but by the one before
        self._needed_before: list[Path] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint, whole or not at all; the last one before it is kept."""
        target = Path(path)
        with whole_file(target) as temporary:
            with temporary.open("wb") as file:
                torch.save({**checkpoint, _PART: self.part}, file)
                file.flush()
                os.fsync(file.fileno())
            if target.name == LAST and target.exists():
                target.replace(target.with_name(_PREVIOUS))
        if target.name == LAST:
            for old in self._needed_before:
                old.unlink(missing_ok=True)
            self._unneeded, self._needed_before = [], self._unneeded

    def remove_checkpoint(self, path: Any) -> None:
        """Let a checkpoint go that is no longer among the best, once none that a training continues from names it."""
        self._unneeded.append(Path(path))


def read_checkpoint(path: Path, part: str = "") -> dict[str, Any]:
    """A checkpoint. Raises ValueError, saying why, when it is missing, damaged or of another part.

    torch does not compare the checksums in the file, so that is done first.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} in it is damaged")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        found = checkpoint.get(_PART, part)
    except (*_UNREADABLE, zipfile.BadZipFile, pickle.UnpicklingError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path.name} cannot be read ({reason})") from None
    if part and found != part:
        raise ValueError(f"{path.name} is that of {found}, not of {part}")
    return dict(checkpoint)


def kept_names(last: dict[str, Any]) -> list[str]:
    """File names of the best checkpoints that are kept, best first, the earlier of equals first, from last.ckpt."""
    kept = (state["best_k_models"] for state in last["callbacks"].values() if state.get("best_k_models"))
    scores: dict[str, Any] = next(kept, {})
    # sorted() keeps the order of equals, and the scores are kept in the order of the epochs.
    return [Path(path).name for path in sorted(scores, key=lambda path: -float(scores[path]))]


def stored_history(folder: Path, part: str) -> list[dict[Hashable, Any]]:
    """The history that last.ckpt holds, one row an epoch. Raises ValueError, saying why, when it holds none."""
    callbacks = read_checkpoint(folder / LAST, part).get("callbacks", {})
    rows = next((state["rows"] for state in callbacks.values() if state.get("rows")), None)
    if rows is None:
        raise ValueError(f"{LAST} holds no history")
    return list(rows)


class Finished(NamedTuple):
    """What a training continues from. checkpoint: its file; epochs: it has finished; lost: why later ones are."""

    checkpoint: Path
    epochs: int
    lost: str = ""


def finished_in(folder: Path, part: str) -> Finished | None:
    """What the training in a fold's folder continues from, the last checkpoint or the one before; None: from nothing.

    Raises ValueError, saying why, when it cannot be continued: a checkpoint that it needs is damaged.
    """
    last, previous = folder / LAST, folder / _PREVIOUS
    if not last.is_file() and not previous.is_file():
        return None
    try:
        return Finished(last, _epochs(last, part))
    except ValueError as error:
        if not previous.is_file():
            raise
        lost = str(error)
    try:
        return Finished(previous, _epochs(previous, part), lost)
    except ValueError as error:
        raise ValueError(f"{lost}; {error}") from None


def remove_unneeded(folder: Path) -> None:
    """Remove what a finished training does not need: the checkpoint before the last, and those that were the best."""
    needed = {LAST, *kept_names(read_checkpoint(folder / LAST))}
    for path in folder.glob("*.ckpt"):
        if path.name not in needed:
            path.unlink()


def _epochs(path: Path, part: str) -> int:
    """How many epochs a checkpoint has finished; ValueError where it, or one that it names, is damaged or missing."""
    folder, last = path.parent, read_checkpoint(path, part)
    try:
        epochs, names = int(last["epoch"]) + 1, kept_names(last)
    except (TypeError, LookupError, AttributeError, ValueError) as error:
        raise ValueError(f"{path.name} lacks what a training continues with ({error})") from None
    for name in names:
        read_checkpoint(folder / name, part)
    return epochs
