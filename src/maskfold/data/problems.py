"""Collects the problems of several files, so that one error reports them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from maskfold.config import Section
from maskfold.data.competition import DataError
from maskfold.data.groups import read_groups
from maskfold.data.image_files import list_images
from maskfold.data.sample_file import read_sample_file
from maskfold.paths import resolve

T = TypeVar("T")

_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
_PLACES = ("root", "sample_submission", "groups_csv", "check", "test_images", "test_csv")


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


def images_by_id(
    folder: Path | None, by_stem: bool, problems: Problems, pattern: re.Pattern[str] | None = None
) -> dict[str, Path]:
    """image_id -> file of a folder's images, sorted by name; the id is the file's name or its stem.

    pattern: names that match it whole are images, others are left out; its group `stem` is the stem. No folder gives no
    images. Problems are an id that two files share, names that differ only by case or by jpg and jpeg, which another
    system takes for one, and names that no csv can hold.
    """
    images: dict[str, Path] = {}
    folded: dict[str, Path] = {}
    for path in problems.attempt(lambda: list_images(folder), list[Path]()) if folder is not None else []:
        match = None if pattern is None else pattern.fullmatch(path.name)
        if pattern is not None and match is None:
            continue
        stem, suffix = path.stem if match is None else match["stem"], path.suffix
        image_id = stem if by_stem else path.name
        if not _writable(path.name):
            problems.append(f"{str(path)!a}: its name holds a line break or is not UTF-8; rename it")
            continue
        other = images.setdefault(image_id, path)
        alike = folded.setdefault((stem if by_stem else stem + _SAME.get(suffix.lower(), suffix)).casefold(), path)
        if other != path:
            problems.append(f"{path}: image id {image_id!r} is ambiguous, {other.name} has it too")
        elif alike != path:
            problems.append(f"{path}: its name differs from {alike.name} only by case or by jpg/jpeg; rename one")
    return images


def image_names(folder: Path) -> list[str]:
    """The names of the images right in a folder, sorted; none where there is no such folder."""
    try:
        return [path.name for path in list_images(folder)]
    except DataError:
        return []


def _writable(name: str) -> bool:
    """Whether a name can stand in a csv of UTF-8, one line a row."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable() or not any(ord(character) < 32 for character in name)


def pooled(
    train: dict[str, Path], valid: dict[str, Path], train_labels: dict[str, T], valid_labels: dict[str, T]
) -> tuple[dict[str, Path], dict[str, T], frozenset[str]]:
    """Training and validation images and their labels together, and the ids of the validation images.

    Where an id is in both, every validation image's id begins with valid/.
    """
    prefix = "valid/" if train.keys() & valid.keys() else ""
    images = train | {f"{prefix}{image_id}": path for image_id, path in valid.items()}
    labels = train_labels | {f"{prefix}{image_id}": label for image_id, label in valid_labels.items()}
    return images, labels, frozenset(f"{prefix}{image_id}" for image_id in valid)


def nearest_name(name: str, known: Collection[str]) -> str:
    """A hint at the known name that differs from `name` by case or suffix only; "" where there is none."""
    wanted = {name.casefold(), Path(name).stem.casefold()}
    near = [other for other in known if {other.casefold(), Path(other).stem.casefold()} & wanted]
    return f"; there is {near[0]!r}" if near else ""


def reading_of(data: Section) -> str:
    """How the labels are read, as JSON: what a data section sets that is neither a place nor a check of files."""
    settings = data.model_dump(mode="json", exclude=set(_PLACES), exclude_defaults=True)
    return json.dumps(settings, sort_keys=True)


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
