"""2.5D on photos and videos: the images before and after each, as the network was trained to see them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from maskfold.config import Config, NeighboursConfig
from maskfold.data.images.files import scan_images
from maskfold.data.images.orientation import exif_orientation
from maskfold.data.images.photo import Photo
from maskfold.data.images.stacks import Stack, Volume, joined
from maskfold.data.images.suffixes import is_unread_image
from maskfold.data.volumes.places import place_of
from maskfold.errors import DataError, UsageError
from maskfold.media.photos import Picture, read_photo, shrunk


def neighbours_of(config: Config) -> NeighboursConfig | None:
    """The neighbours that the networks of a run see. Raises UsageError for a blend whose members see different ones."""
    found = {run.name: run.model.neighbours for run in config.experiments}
    if len(set(found.values())) > 1:
        raise UsageError(
            f"{config.name}: its members see different neighbours (model.neighbours of {', '.join(found)}), so photos "
            "and videos are predicted by each member alone: give the config of one"
        )
    return next(iter(found.values()))


class PhotoReader:
    """Reads photos as the networks of a run see them: alone, or with their neighbours.

    Neighbours are other files in the folder of a photo, or other inputs, whose names fit `data.volumes.name`.
    """

    def __init__(
        self, config: Config, channels: int, longest_side: int | None = None, inputs: Sequence[Path] = ()
    ) -> None:
        """channels: of one image; longest_side: px, of what is larger and shrunk; inputs: other photos.

        Raises UsageError where neighbours are found by a csv, which lists no new photos.
        """
        self.channels, self.longest_side, self.inputs = channels, longest_side, inputs
        self.neighbours = neighbours_of(config)
        self.pattern = None if config.data.volumes is None else config.data.volumes.name
        if self.neighbours is not None and self.pattern is None:
            raise UsageError(
                f"{config.name}: its network sees neighbours, which data.volumes.csv names for known images alone; to "
                "predict photos set data.volumes.name, a pattern of their names"
            )
        self.beyond = self.between = 0  # neighbours that were missing
        self._volumes: dict[Path, dict[str, dict[int, Path]]] = {}
        kept = 1 if self.neighbours is None else self.neighbours.step * self.neighbours.images
        self._pixels: Callable[[Photo], np.ndarray] = lru_cache(kept)(self._decoded)

    def __call__(self, path: Path) -> Picture:
        """One photo with its neighbours. Raises DataError like read_photo, and where its name has no place."""
        if self.neighbours is None:
            return read_photo(path, self.channels, self.longest_side)
        stack = self._stack(path, self.neighbours)
        images = [self._pixels(photo) for photo in stack]
        shown = images[self.neighbours.before]
        if self.channels != 3 or shown.dtype != np.uint8:
            shown = shrunk(stack[self.neighbours.before].for_display(), self.longest_side)
        return Picture(str(path), joined(stack, images), shown)

    def missing(self) -> str | None:
        """How many neighbours were missing so far, in one line; None for none."""
        if not self.beyond + self.between:
            return None
        return (
            f"{self.between} neighbours are missing inside their volumes and {self.beyond} lie beyond the ends; the "
            "nearest image stands for each"
        )

    def _decoded(self, photo: Photo) -> np.ndarray:
        return shrunk(photo.pixels(self.channels), self.longest_side)

    def _stack(self, path: Path, neighbours: NeighboursConfig) -> Stack:
        pattern = self.pattern or ""
        place = place_of(path, pattern)
        if place is None:
            raise DataError([f"{path}: its name does not fit data.volumes.name, {pattern!r}; rename it, or the others"])
        files = self._folder(path.parent, pattern)[place.volume] | {place.number: path}
        photos = {number: Photo(files[number], exif_orientation(files[number])) for number in sorted(files)}
        volume = Volume(place.volume, photos)
        beyond, between = volume.missing(place.number, neighbours)
        if beyond and neighbours.at_ends == "refuse":
            raise DataError([f"{path}: {beyond} neighbours lie beyond the ends (model.neighbours.at_ends: refuse)"])
        self.beyond, self.between = self.beyond + beyond, self.between + between
        return volume.stack(place.number, neighbours)

    def _folder(self, folder: Path, pattern: str) -> dict[str, dict[int, Path]]:
        """The volumes of the photos in a folder, and of the inputs: name -> index -> file."""
        if folder not in self._volumes:
            found: dict[str, dict[int, Path]] = {}
            for path in dict.fromkeys([*scan_images(folder)[0], *self.inputs]):
                place = None if is_unread_image(path.name) else place_of(path, pattern)
                if place is not None:
                    other = found.setdefault(place.volume, {}).setdefault(place.number, path)
                    if not path.samefile(other):
                        raise DataError([f"{path}: has index {place.number} of {place.volume!r}, as {other} does"])
            self._volumes[folder] = found
        return self._volumes[folder]


def with_neighbouring_frames(pictures: Iterable[Picture], neighbours: NeighboursConfig | None) -> Iterator[Picture]:
    """The frames of a video with those before and after each; at its ends the first and the last are repeated."""
    if neighbours is None:
        yield from pictures
        return
    back, ahead = neighbours.before * neighbours.step, neighbours.after * neighbours.step
    window: deque[Picture] = deque()
    first = current = 0  # numbers of the first frame in the window, and of the next one to give

    def stacked(last: int) -> Picture:
        seen = [window[min(max(current + offset, 0), last) - first].seen for offset in neighbours.offsets]
        return window[current - first]._replace(seen=np.concatenate(seen, axis=2))

    for number, picture in enumerate(pictures):
        window.append(picture)
        if number >= current + ahead:
            yield stacked(number)
            current += 1
            while first < current - back:
                window.popleft()
                first += 1
    last = first + len(window) - 1
    while current <= last:
        yield stacked(last)
        current += 1
