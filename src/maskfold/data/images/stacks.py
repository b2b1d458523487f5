"""Volumes and clips: the images that a network sees together, in their order, as the channels of one input."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from maskfold.config import NeighboursConfig
from maskfold.data.images.photo import Photo, photo_list
from maskfold.errors import DataError

Stack: TypeAlias = tuple[Photo, ...]  # the images that a network sees together, in their order


@dataclass(frozen=True)
class Volume:
    """The slices of a volume or frames of a clip. photos: index -> photo, ascending."""

    name: str
    photos: Mapping[int, Photo]

    @cached_property
    def indices(self) -> list[int]:
        """The indices of the images, ascending."""
        return list(self.photos)

    def nearest(self, wanted: int, index: int) -> int:
        """The index nearest to the wanted one; of two as near, that nearer to `index`."""
        place = bisect_left(self.indices, wanted)
        return min(
            self.indices[max(0, place - 1) : place + 1], key=lambda each: (abs(each - wanted), abs(each - index))
        )

    def stack(self, index: int, neighbours: NeighboursConfig) -> Stack:
        """What a network sees of one image: it and its neighbours; for one that is missing, the nearest there is."""
        return tuple(self.photos[self.nearest(index + offset, index)] for offset in neighbours.offsets)

    def without(self, files: Collection[Path]) -> Volume:
        """The volume as if these files were missing."""
        return replace(self, photos={index: each for index, each in self.photos.items() if each.path not in files})

    def missing(self, index: int, neighbours: NeighboursConfig) -> tuple[int, int]:
        """How many neighbours of an image are missing: beyond the ends of the volume, and between them."""
        wanted = [index + offset for offset in neighbours.offsets if index + offset not in self.photos]
        beyond = sum(not self.indices[0] <= each <= self.indices[-1] for each in wanted)
        return beyond, len(wanted) - beyond


def volumes_of(images: pd.DataFrame) -> list[Volume]:
    """The volumes of a table of images, each once."""
    return list({id(volume): volume for volume in images["volume"]}.values())


def volumes_hash(images: pd.DataFrame) -> str:
    """SHA-256 of what the volumes of a table hold: names, indices and the names of the files."""
    digest = hashlib.sha256()
    for volume in volumes_of(images):
        lines = [f"{index}\0{photo.path.name}" for index, photo in volume.photos.items()]
        digest.update("\n".join([volume.name, *lines, ""]).encode())
    return digest.hexdigest()


def without_neighbours(images: pd.DataFrame, files: Collection[Path]) -> pd.DataFrame:
    """A table of images in whose volumes these files count as missing."""
    if "volume" not in images:
        return images
    kept = {id(volume): volume.without(files) for volume in volumes_of(images)}
    return images.assign(volume=pd.Series([kept[id(each)] for each in images["volume"]], dtype=object))


def stack_list(images: pd.DataFrame, neighbours: NeighboursConfig | None) -> list[Stack]:
    """What a network sees of each image of a table, row by row; with neighbours the table has volumes."""
    if neighbours is None:
        return [(photo,) for photo in photo_list(images)]
    rows = zip(images["volume"], images["volume_index"].tolist(), strict=True)
    return [volume.stack(index, neighbours) for volume, index in rows]


def read_stacks(stacks: Sequence[Stack], channels: int) -> list[np.ndarray]:
    """The pixels of several stacks, (H, W, images x channels) stored values each; every file is decoded once.

    channels: of one image. Raises DataError as `read_image` does, and for images of one stack that differ in size or
    type.
    """
    read: dict[Photo, np.ndarray] = {}
    for photo in (photo for stack in stacks for photo in stack):
        if photo not in read:
            read[photo] = photo.pixels(channels)
    return [joined(stack, [read[photo] for photo in stack]) for stack in stacks]


def joined(stack: Stack, images: Sequence[np.ndarray]) -> np.ndarray:
    """Images, (H, W, channels) each, as one of all their channels; a single image as it is, without a copy."""
    if len(images) == 1:
        return images[0]
    for photo, image in zip(stack, images, strict=True):
        check_alike((stack[0], images[0]), (photo, image))
    return np.concatenate(images, axis=2)


def check_alike(one: tuple[Photo, np.ndarray], other: tuple[Photo, np.ndarray]) -> None:
    """Raise DataError for two images of one volume that differ in size or in the type of their values."""
    found = [
        (f"{image.shape[0]}x{image.shape[1]} px (height x width)", f"{image.dtype} values") for _, image in (one, other)
    ]
    for ours, theirs in zip(*found, strict=True):
        if ours != theirs:
            raise DataError([f"{other[0].path}: {theirs}, but {one[0].path} of the same volume {ours}"])
