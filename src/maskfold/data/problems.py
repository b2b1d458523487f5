"""Collects the problems of several files, so that one error reports them all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from maskfold.artefacts.paths import resolve
from maskfold.config import Section
from maskfold.errors import DataError

T = TypeVar("T")

_PLACES = ("root", "sample_submission", "groups_csv", "check", "test_images", "test_csv", "exclude", "exclude_from")


class Problems(list[str]):
    """Problems found so far.

    tolerated: they are only collected, for an audit; readers then leave out the images and labels that have them.
    unused: what is in folders of images and masks, but is neither.
    """

    def __init__(self, tolerated: bool = False) -> None:
        super().__init__()
        self.tolerated = tolerated
        self.unused: list[Path] = []

    def attempt(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` returns, or `otherwise` when it raises DataError, whose problems are kept."""
        try:
            return read()
        except DataError as error:
            self.extend(error.problems)
            return otherwise

    def raise_any(self) -> None:
        """Raise all problems as one DataError, if there are any and they are not tolerated."""
        if self and not self.tolerated:
            raise DataError(self)


def data_root(root: str) -> Path:
    """The competition's folder. Raises DataError with what to do when it is not there."""
    path = resolve(root)
    if path.is_file():
        raise DataError([f"{path}: is a file, expected a folder; unpack it if it is an archive, and give the folder"])
    if not path.is_dir():
        hint = "make it with: python src/make_demo_data.py" if path == resolve("data/demo") else "set data.root to it"
        raise DataError([f"{path}: no such folder; {hint}"])
    return path


def is_file(path: Path) -> bool:
    """Whether there is such a file; False too for a name that no file system takes, where Path.is_file raises."""
    return os.path.isfile(path)  # noqa: PTH113


def with_validation(
    train: dict[str, Path], valid: dict[str, Path], train_labels: dict[str, T], valid_labels: dict[str, T]
) -> tuple[dict[str, Path], dict[str, T], frozenset[str]]:
    """Training and validation images and their labels together, and the ids of the validation images.

    Where an id is in both, every validation image's id begins with valid/.
    """
    prefix = "valid/" if train.keys() & valid.keys() else ""
    images = train | {f"{prefix}{image_id}": path for image_id, path in valid.items()}
    labels = train_labels | {f"{prefix}{image_id}": label for image_id, label in valid_labels.items()}
    return images, labels, frozenset(f"{prefix}{image_id}" for image_id in valid)


def reading_of(data: Section) -> str:
    """How the labels are read, as JSON: what a data section sets that is neither a place nor a check of files."""
    settings = data.model_dump(mode="json", exclude=set(_PLACES), exclude_defaults=True)
    return json.dumps(settings, sort_keys=True)
