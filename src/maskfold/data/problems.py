"""Collects the problems of several files, so that one error reports them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from maskfold.data.competition import DataError
from maskfold.data.groups import read_groups
from maskfold.data.image_files import list_images
from maskfold.data.sample_file import read_sample_file
from maskfold.paths import resolve

T = TypeVar("T")


class Problems(list[str]):
    """Problems found so far."""

    def attempt(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` returns, or `otherwise` when it raises DataError, whose problems are kept."""
        try:
            return read()
        except DataError as error:
            self.extend(error.problems)
            return otherwise

    def raise_any(self) -> None:
        """Raise all problems as one DataError, if there are any."""
        if self:
            raise DataError(self)


def data_root(root: str) -> Path:
    """The competition's folder. Raises DataError with what to do when it is not there."""
    path = resolve(root)
    if not path.is_dir():
        hint = "make it with: python src/make_demo_data.py" if path == resolve("data/demo") else "set data.root to it"
        raise DataError([f"{path}: no such folder; {hint}"])
    return path


def images_by_id(folder: Path | None, by_stem: bool, problems: Problems) -> dict[str, Path]:
    """image_id -> file of a folder's images, sorted by name; the id is the file's name or its stem.

    No folder gives no images. A stem that two files share is a problem.
    """
    images: dict[str, Path] = {}
    for path in problems.attempt(lambda: list_images(folder), list[Path]()) if folder is not None else []:
        image_id = path.stem if by_stem else path.name
        other = images.setdefault(image_id, path)
        if other != path:
            problems.append(f"{path}: image id {image_id!r} is ambiguous, {other.name} has it too")
    return images


def check_sample(
    root: Path, name: str | None, class_names: Sequence[str], test: Mapping[str, Path], problems: Problems
) -> Path | None:
    """The competition's sample submission, checked against the test images; None where the config names none."""
    if name is None:
        return None
    problems.attempt(lambda: read_sample_file(root / name, class_names, test), None)
    return root / name


def checked_groups(
    root: Path, name: str | None, train: Mapping[str, Path], problems: Problems
) -> dict[str, str] | None:
    """image_id -> group of the competition's groups file, checked; None where the config names none."""
    return None if name is None else problems.attempt(lambda: read_groups(root / name, list(train)), dict[str, str]())
