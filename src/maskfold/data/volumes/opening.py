"""A competition with its volumes: every image in its place, with its neighbours, and all of a volume in one group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pandas as pd

from maskfold.config import LabelledData
from maskfold.data.competition import Competition
from maskfold.data.images.files import ImageHeader, scan_images
from maskfold.data.images.photo import Photo, photo_list
from maskfold.data.images.stacks import Volume
from maskfold.data.images.suffixes import is_unread_image
from maskfold.data.problems import Problems
from maskfold.data.validation import check_files
from maskfold.data.volumes.places import Place, placing, unplaced


@dataclass(frozen=True)
class _Image:
    """One image of a volume; image_id: None for a file that only is a neighbour."""

    image_id: str | None
    photo: Photo
    size: tuple[int, int]


@dataclass
class _Table:
    """The images of a table by their places; extra: files that are only neighbours."""

    places: dict[str, Place] = field(default_factory=dict)
    volumes: dict[str, dict[int, _Image]] = field(default_factory=dict)
    extra: list[Path] = field(default_factory=list)


def with_volumes(competition: Competition, data: LabelledData, problems: Problems) -> Competition:
    """The competition with the volume of each image, as the columns `volume` and `volume_index`, and as its group.

    Raises DataError with all problems: images without a place or with that of another, images of one volume that differ
    in size, groups or splits that part a volume.
    """
    if data.volumes is None:
        return competition
    place = placing(data, data.volumes, competition, problems)
    masks = {*competition.label_images}
    tables = [
        _placed(images, place, data, problems, masks, frozenset(competition.unreadable))
        for images in (competition.train, competition.test)
    ]
    for images, table in zip((competition.train, competition.test), tables, strict=True):
        for column in ("group", "split"):
            problems += _parted(images, table, column)
    problems.raise_any()
    train, test = (_columns(*each) for each in zip((competition.train, competition.test), tables, strict=True))
    if "group" not in train:
        train["group"] = pd.Series([volume.name for volume in train["volume"]], dtype="str", index=train.index)
    neighbours = tuple(dict.fromkeys(path for table in tables for path in table.extra))
    return replace(competition, train=train, test=test, neighbour_files=neighbours)


def _placed(
    images: pd.DataFrame,
    place: partial[Place | None],
    data: LabelledData,
    problems: Problems,
    masks: set[Path],
    unreadable: frozenset[str],
) -> _Table:
    """The images of a table by their places, and the files next to them that have a place too."""
    table = _Table()
    photos = photo_list(images)
    sizes = zip(images["height"].tolist(), images["width"].tolist(), strict=True)
    for image_id, photo, size in zip(images["image_id"].tolist(), photos, sizes, strict=True):
        found = problems.attempt(partial(place, image_id, photo.path), None)
        if found is None:
            problems.append(f"{photo.path}: {unplaced(data)}")
            continue
        table.places[image_id] = found
        if image_id not in unreadable:
            _add(table, found, _Image(image_id, photo, size), problems)
    if data.volumes is not None and data.volumes.name is not None and len(images):
        _add_files(table, [photo.path for photo in photos], masks, place, data, problems)
    for name, volume in table.volumes.items():
        problems += _sizes(name, volume)
    return table


def _add(table: _Table, place: Place, image: _Image, problems: Problems) -> None:
    volume = table.volumes.setdefault(place[0], {})
    if place[1] in volume:
        problems.append(
            f"{image.photo.path}: has index {place[1]} of volume {place[0]!r}, as {volume[place[1]].photo.path} does; "
            "let data.volumes tell them apart (the folder can be part of a name: '(?P<volume>[^/]+/…)')"
        )
    volume.setdefault(place[1], image)


def _add_files(
    table: _Table,
    listed: list[Path],
    masks: set[Path],
    place: partial[Place | None],
    data: LabelledData,
    problems: Problems,
) -> None:
    """Add the files in the folders of the listed ones that are no images of the table but lie in its volumes."""
    known, places = {*listed}, dict[Path, Place]()
    for folder in dict.fromkeys(path.parent for path in listed):
        for path in scan_images(folder)[0]:
            if path in known or path in masks or is_unread_image(path.name):
                continue
            found = problems.attempt(partial(place, None, path), None)
            if found is not None and found[0] in table.volumes:
                places[path] = found
    headers, _ = check_files(places, {}, data, "strict", problems)
    for path, header in headers.items():
        _add(table, places[path], _neighbour(path, header), problems)
    table.extra = list(headers)


def _neighbour(path: Path, header: ImageHeader) -> _Image:
    return _Image(None, Photo(path, header.orientation), (header.height, header.width))


def _sizes(name: str, volume: Mapping[int, _Image]) -> list[str]:
    """A problem for the first image of a volume that has another size than the one before."""
    images = [volume[index] for index in sorted(volume)]
    for one, other in pairwise(images):
        if one.size != other.size:
            return [
                f"{other.photo.path}: {other.size[0]}x{other.size[1]} px (height x width), but {one.photo.path} of the "
                f"same volume, {name!r}, has {one.size[0]}x{one.size[1]}; all images of a volume have one size"
            ]
    return []


def _parted(images: pd.DataFrame, table: _Table, column: str) -> list[str]:
    """A problem for each volume whose images have several values in a column: `group`, or `split`."""
    if column not in images:
        return []
    value_of = dict(zip(images["image_id"].tolist(), images[column].tolist(), strict=True))
    values: dict[str, dict[str, str]] = {}
    for image_id, (name, _) in table.places.items():
        values.setdefault(name, {}).setdefault(value_of[image_id], image_id)
    what = "groups (data.groups_csv)" if column == "group" else "splits (training and validation folders)"
    return [
        f"volume {name!r} is in several {what}: "
        + ", ".join(f"{image_id!r} in {value!r}" for value, image_id in sorted(found.items())[:3])
        + "; its images are neighbours of each other, so they must stay together"
        for name, found in values.items()
        if len(found) > 1
    ]


def _columns(images: pd.DataFrame, table: _Table) -> pd.DataFrame:
    """The table with the volume and index of each image; one without a place stands alone, where that is tolerated."""
    volumes = {
        name: Volume(name, {index: found[index].photo for index in sorted(found)})
        for name, found in table.volumes.items()
    }
    own, indices = [], []
    for image_id, photo in zip(images["image_id"].tolist(), photo_list(images), strict=True):
        name, index = table.places.get(image_id, (image_id, 0))
        own.append(volumes.get(name) or Volume(name, {index: photo}))
        indices.append(index)
    return images.assign(
        volume=pd.Series(own, dtype=object, index=images.index),
        volume_index=pd.Series(indices, dtype="int64", index=images.index),
    )
