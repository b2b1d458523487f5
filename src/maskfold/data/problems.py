"""Collects the problems of several files, so that one error reports them all."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from maskfold.config import Section
from maskfold.data.competition import SHOWN_PROBLEMS, Competition, DataError, OnBadImage
from maskfold.data.groups import read_groups
from maskfold.data.image_files import UNKNOWN_PEAK, Check, ImageHeader, check_channels, check_images, list_images
from maskfold.data.image_headers import read_declared
from maskfold.data.sample_file import read_sample_file
from maskfold.paths import resolve

T = TypeVar("T")

HINTED = SHOWN_PROBLEMS  # a hint looks through all names, so problems that are not shown get none
_EMPTY_HINT = "; a test image may be answered with empty masks instead: --on-bad-image empty"
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
_PLACES = ("root", "sample_submission", "groups_csv", "check", "test_images", "test_csv", "exclude", "exclude_from")


class Problems(list[str]):
    """Problems found so far.

    tolerated: they are only collected, for an audit; readers then leave out the images and labels that have them.
    """

    def __init__(self, tolerated: bool = False) -> None:
        super().__init__()
        self.tolerated = tolerated

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
    if not path.is_dir():
        hint = "make it with: python src/make_demo_data.py" if path == resolve("data/demo") else "set data.root to it"
        raise DataError([f"{path}: no such folder; {hint}"])
    return path


def images_by_id(
    folder: Path | None, by_stem: bool, problems: Problems, pattern: re.Pattern[str] | None = None
) -> dict[str, Path]:
    """image_id -> file of a folder's images, sorted by name; the id is the file's name or its stem.

    pattern: names that match it whole are images, others are left out; its group `stem` is the stem. No folder gives no
    images. Problems are an id that two files share, names that differ only by case, by jpg and jpeg or by how accents
    are coded, which another system takes for one, and names that no csv can hold, or not with the spaces at their ends.
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
        if image_id != image_id.strip():
            problems.append(f"{path}: its id {image_id!r} begins or ends with a space, which no csv keeps; rename it")
            continue
        other = images.setdefault(image_id, path)
        alike = folded.setdefault(_folded(stem if by_stem else stem + _SAME.get(suffix.lower(), suffix)), path)
        if other != path:
            problems.append(f"{path}: image id {image_id!r} is ambiguous, {other.name} has it too")
        elif alike != path:
            by = "case or by jpg/jpeg" if path.name.isascii() else "case, by jpg/jpeg or by how accents are coded"
            problems.append(f"{path}: its name differs from {alike.name} only by {by}; rename one")
    return images


def check_files(
    train: Iterable[Path],
    test: Mapping[str, Path],
    check: Check,
    on_bad_image: OnBadImage,
    problems: Problems,
) -> tuple[dict[Path, ImageHeader], dict[str, str]]:
    """Check every file once; returns the headers, and image_id -> reason of the test images that cannot be read.

    Strict: those are problems as all others are. Otherwise they are let pass, with the size they declare, or else that
    of most other test images; every test image is then decoded, since none may fail later. That all fail is a problem.
    """
    if on_bad_image == "strict":
        headers, bad_images = check_images([*train, *test.values()], check)
        only_test = {str(path) for path in test.values() if path not in headers}
        hints = [_EMPTY_HINT if line.partition(": ")[0] in only_test else "" for line in bad_images]
        problems += [line + hint for line, hint in zip(bad_images, hints, strict=True)]
        return headers, {}
    headers, bad_images = check_images([*train], check)
    problems += bad_images
    of_test, bad_tests = check_images([*test.values()], "decode")
    reasons = {line.partition(": ")[0]: line.partition(": ")[2] for line in bad_tests}
    unreadable = {key: reasons.get(str(path), "cannot be read") for key, path in test.items() if path not in of_test}
    if unreadable and not of_test:
        problems += [*bad_tests, "not one of the test images can be read; an answer would be empty"]
    usual = Counter(header[:2] for header in of_test.values()).most_common(1)
    for image_id in unreadable:
        height, width = _declared_size(test[image_id]) or (usual[0][0] if usual else (1, 1))
        of_test[test[image_id]] = ImageHeader(height, width, UNKNOWN_PEAK)
    return headers | of_test, unreadable


def readable(images: Mapping[str, Path], headers: Mapping[Path, ImageHeader]) -> dict[str, Path]:
    """The images that the check found whole: all of them, unless problems are tolerated."""
    return {image_id: path for image_id, path in images.items() if path in headers}


def with_channels(competition: Competition, channels: int, on_bad_image: OnBadImage) -> Competition:
    """The competition, its channels checked: a test image that has others cannot be read either."""
    test = competition.readable_test
    bad_train = check_channels([Path(path) for path in competition.train["path"]], channels)
    bad_test = check_channels([Path(path) for path in test["path"]], channels)
    refused = on_bad_image == "strict" or len(bad_test) == len(test)
    problems = [*bad_train.values(), *(bad_test.values() if refused else ())]
    if problems:
        raise DataError(problems)
    pairs = zip(test["image_id"], map(Path, test["path"]), strict=True)
    more = {name: bad_test[path].removeprefix(f"{path}: ") for name, path in pairs if path in bad_test}
    return replace(competition, unreadable={**competition.unreadable, **more}) if more else competition


def _declared_size(path: Path) -> tuple[int, int] | None:
    try:
        declared = read_declared(path)
    except DataError:
        return None
    return None if declared is None else (declared.height, declared.width)


def image_names(folder: Path) -> list[str]:
    """The names of the images right in a folder, sorted; none where there is no such folder."""
    try:
        return [path.name for path in list_images(folder)]
    except DataError:
        return []


def is_file(path: Path) -> bool:
    """Whether there is such a file; False too for a name that no file system takes, where Path.is_file raises."""
    return os.path.isfile(path)  # noqa: PTH113


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
    """A hint at the known name that differs from `name` by case, suffix or the code of accents only; or ""."""
    wanted = {_folded(name), _folded(Path(name).stem)}
    near = next((other for other in known if {_folded(other), _folded(Path(other).stem)} & wanted), None)
    if near is None:
        return ""
    composed = [unicodedata.normalize("NFC", text) for text in (name, near)]
    return f"; there is {near!r}" + (", whose accents are coded in another way" if composed[0] == composed[1] else "")


def _folded(name: str) -> str:
    """The same for names that some system takes for one: whatever the case, accents composed or not."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


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
