"""COCO's list of test images: `images` with id and file_name, and perhaps `categories`; it replaces a sample csv."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from maskfold.config import ImageNames
from maskfold.data.images.naming import ids_by_name, unlisted
from maskfold.errors import DataError


class SampleJson(NamedTuple):
    """Rows in the order of the images, every class of each; names: image_id -> id in the json, as text."""

    rows: tuple[tuple[str, int], ...]
    names: Mapping[str, str]
    category_ids: tuple[int, ...]


def read_sample_json(
    path: Path, class_names: Sequence[str], test: Mapping[str, Path], naming: ImageNames | None
) -> SampleJson:
    """Read the images that COCO results are wanted for, and check them against the test images.

    Without categories there are no category_ids. Raises DataError with all problems: no such file, no such json, images
    that are not among `test`, test images that are not listed, classes that are no category.
    """
    tree = _tree(path)
    images = [entry for entry in tree["images"] if isinstance(entry, dict)]
    files = {str(entry.get("file_name")): entry.get("id") for entry in images}
    ids, hint = ids_by_name(files.keys(), test, naming)
    problems = [f"{path}: there is no test image {name!r}{hint}" for name in files if name not in ids]
    problems += unlisted(path, test, {ids.get(name) for name in files}, "is not listed") if not hint else []
    problems += [
        f"{path}: image {name!r} has the id {value!r}; expected a whole number"
        for name, value in files.items()
        if type(value) is not int
    ]
    if len(set(files.values())) < len(images) or len(files) < len(images):
        problems.append(f"{path}: two images share a file_name or an id, or one is no object")
    category_ids, unknown = _category_ids(tree.get("categories"), class_names)
    problems += [f"{path}: {problem}" for problem in unknown]
    if problems:
        raise DataError(problems)
    rows = tuple((ids[name], index) for name in files for index in range(len(class_names)))
    return SampleJson(rows, {ids[name]: str(value) for name, value in files.items()}, category_ids)


def _tree(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError([f"{path}: no such file"])
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError([f"{path}: not a json file in UTF-8: {error}"]) from None
    if not isinstance(tree, dict) or not isinstance(tree.get("images"), list):
        raise DataError([f"{path}: expected an object with a list of images, as COCO's image_info files are"])
    return tree


def _category_ids(categories: Any, class_names: Sequence[str]) -> tuple[tuple[int, ...], list[str]]:
    """The category of every class by its name, and what is wrong with them; none where no class is a category."""
    if not isinstance(categories, list):
        return (), []
    entries = [entry for entry in categories if isinstance(entry, dict) and type(entry.get("id")) is int]
    known: dict[str, int] = {str(entry.get("name")): entry["id"] for entry in entries}
    found = {name: known[name] for name in class_names if name in known}
    if not found or len(found) == len(class_names):
        return tuple(found.values()), []
    missing = [name for name in class_names if name not in found]
    return (), [f"no category is called {name!r}; it has {', '.join(known)}" for name in missing]
