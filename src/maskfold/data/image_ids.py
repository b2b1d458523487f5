"""What images are called: ids of a folder's files, and the nearest known name."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from maskfold.data.images.files import list_images, scan_images
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.problems import Problems
from maskfold.errors import SHOWN_PROBLEMS, DataError
from maskfold.execution.text import controls

HINTED = SHOWN_PROBLEMS  # a hint looks through all names, so problems that are not shown get none


_DEPTH = 3  # folders below the root in which a missing file is looked for
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}


def images_by_id(folder: Path | None, by_stem: bool, problems: Problems) -> dict[str, Path]:
    """image_id -> file of the images right in a folder, sorted by name; the id is the file's name or its stem.

    No folder gives no images. Everything else in the folder is added to `problems.unused`.
    """
    if folder is None:
        return {}
    images, others = problems.attempt(lambda: scan_images(folder), (list[Path](), list[Path]()))
    problems.unused += others
    return ids_of([(without_image_suffix(path.name), path) for path in images], by_stem, problems)


def ids_of(files: Iterable[tuple[str, Path]], by_stem: bool, problems: Problems) -> dict[str, Path]:
    """image_id -> file of files with their stems; the id is the file's name or its stem.

    Problems are an id that two files share, names that differ only by case, by jpg and jpeg or by how accents are
    coded, which another system takes for one, and names that no csv can hold, or not with the spaces at their ends.
    """
    images: dict[str, Path] = {}
    folded: dict[str, Path] = {}
    for stem, path in files:
        suffix = path.suffix
        image_id = stem if by_stem else path.name
        if controls(path.name) or controls(image_id):
            problems.append(f"{str(path)!a}: its name holds a control character or is not UTF-8; rename it")
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


def list_names(folder: Path) -> list[str]:
    """The names of the images right in a folder, sorted; none where there is no such folder."""
    try:
        return [path.name for path in list_images(folder)]
    except DataError:
        return []


def nearest_name(name: str, known: Collection[str]) -> str:
    """A hint at the known name that differs from `name` by case, suffix or the code of accents only; or ""."""
    wanted = {_folded(name), _folded(without_image_suffix(name))}
    near = next((other for other in known if {_folded(other), _folded(without_image_suffix(other))} & wanted), None)
    if near is None:
        return ""
    composed = [unicodedata.normalize("NFC", text) for text in (name, near)]
    return f"; there is {near!r}" + (", whose accents are coded in another way" if composed[0] == composed[1] else "")


def lies_elsewhere(root: Path, name: str) -> str:
    """A hint at a file of this name in some folder of the competition, up to three folders deep; or ""."""
    wanted, folders = PurePosixPath(name.replace("\\", "/")).name, [root]
    for _ in range(_DEPTH + 1):
        found = next((folder for folder in folders if os.path.isfile(folder / wanted)), None)  # noqa: PTH113  # any name
        if found is not None:
            return f"; it lies in {found}"
        folders = [inner for folder in folders for inner in _folders(folder)]
    return ""


def _folders(place: Path) -> list[Path]:
    """The visible folders in one, sorted."""
    with os.scandir(place) as entries:
        return sorted(Path(entry) for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _folded(name: str) -> str:
    """The same for names that some system takes for one: whatever the case, accents composed or not."""
    return name.casefold() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
