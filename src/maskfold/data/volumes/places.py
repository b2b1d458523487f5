"""The place of an image: its volume or clip, and its index there, by its name or a csv."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from maskfold.config import LabelledData, VolumesConfig
from maskfold.data.competition import Competition
from maskfold.data.csv_files import read_csv
from maskfold.data.images.suffixes import without_image_suffix
from maskfold.data.problems import Problems, data_root
from maskfold.errors import DataError
from maskfold.execution.text import control_fault

_PARTS = 4  # of a path, at most, that a pattern fits


class Place(NamedTuple):
    """Where an image lies: the name of its volume and its index there."""

    volume: str
    number: int


def place_of(path: Path, pattern: str) -> Place | None:
    """The volume and index that a pattern finds in a file's name without suffix, or in the end of its path; or None.

    Raises DataError where the index is no whole number.
    """
    parts = (*path.parts[:-1], without_image_suffix(path.name))
    for count in range(1, min(_PARTS, len(parts)) + 1):
        found = re.fullmatch(pattern, "/".join(parts[-count:]))
        if found is not None:
            return Place(found["volume"] or "", _whole(found["index"] or "", f"{path}: data.volumes.name"))
    return None


def placing(
    data: LabelledData, volumes: VolumesConfig, competition: Competition, problems: Problems
) -> partial[Place | None]:
    """A function (image_id or None, path) -> the image's place, or None where it has none."""
    if volumes.name is not None:
        return partial(_by_name, volumes.name)
    assert volumes.csv is not None
    known = {*competition.train["image_id"], *competition.test["image_id"]}
    file = data_root(data.root) / volumes.csv
    found = problems.attempt(lambda: _read_places(file, known, problems), dict[str, Place]())
    if not found:
        problems.raise_any()  # or all images would be reported to have no row
    return partial(_by_row, found)


def _by_name(pattern: str, _image_id: str | None, path: Path) -> Place | None:
    return place_of(path, pattern)


def _by_row(places: Mapping[str, Place], image_id: str | None, _path: Path) -> Place | None:
    return None if image_id is None else places.get(image_id)


def _read_places(path: Path, known: Collection[str], problems: Problems) -> dict[str, Place]:
    """image_id -> place, of a csv ImageId,Volume,Index; what is wrong with its rows is added to the problems.

    Raises DataError where there is no such csv.
    """
    columns = ("ImageId", "Volume", "Index")
    places: dict[str, Place] = {}
    for number, (image_id, volume, index) in read_csv(path, [columns]).select(columns):
        where = f"{path}, row {number}"
        if image_id not in known:
            problems.append(f"{where}: there is no image {image_id!r}")
        elif image_id in places:
            problems.append(f"{where}: {image_id!r} has a row already")
        else:
            places[image_id] = Place(volume, problems.attempt(partial(_whole, index, f"{where}: Index"), 0))
        if fault := control_fault("Volume", volume):
            problems.append(f"{where}: {fault}")
    return places


def _whole(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError([f"{where}: expected a whole number as index, found {text!r}"]) from None


def unplaced(data: LabelledData) -> str:
    """Why an image has no place, after its path."""
    volumes = data.volumes
    if volumes is None or volumes.name is None:
        return "has no row in data.volumes.csv; give each image its volume and index"
    return f"its name does not fit data.volumes.name, {volumes.name!r}, which must fit that of every image"
