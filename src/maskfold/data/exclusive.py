"""Exclusive classes: labels in which no pixel is of two classes, or of probabilities that sum to 1 at most."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from maskfold.data.competition import Competition, MaskSource, SoftSource
from maskfold.errors import DataError
from maskfold.pixels.exclusive import decided_maps
from maskfold.pixels.soft import hard

_SHOWN = 3  # pairs of classes in a message


@dataclass(frozen=True)
class ExclusiveMasks:
    """Masks of which no two may share a pixel; picklable.

    paths: image_id -> the image's file; labels: the names of the files that hold all labels, if there are any.
    """

    masks: MaskSource
    class_names: tuple[str, ...]
    paths: Mapping[str, str]
    labels: tuple[str, ...] = ()

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1}. Raises DataError with image, classes and pixels where classes overlap."""
        masks = self.masks(image_id)
        if (masks.sum(axis=0, dtype=np.int32) > 1).any():
            raise DataError([f"{self.paths[image_id]}: {self._overlaps(masks)}"])
        return masks

    def _overlaps(self, masks: np.ndarray) -> str:
        pairs = [
            f"{self.class_names[one]!r} and {self.class_names[other]!r} overlap in {count} px"
            for one, other in itertools.combinations(range(len(masks)), 2)
            if (count := int(np.count_nonzero(masks[one] & masks[other])))
        ]
        more = f" and {len(pairs) - _SHOWN} more pairs" if len(pairs) > _SHOWN else ""
        where = f" in {', '.join(self.labels)}" if self.labels else ""
        return (
            f"the classes {', '.join(pairs[:_SHOWN])}{more}{where}, but with data.exclusive each pixel is of one class "
            "at most; correct the labels, or set data.exclusive: false"
        )


@dataclass(frozen=True)
class ExclusiveShares:
    """Soft masks whose probabilities sum to 1 at most at every pixel; the rest is the background's. Picklable.

    paths: image_id -> the image's file.
    """

    soft: SoftSource
    paths: Mapping[str, str]

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8, q stands for q/255. Raises DataError with image and pixels where the sum is above 1.

        Each class may be rounded up by up to a whole step.
        """
        soft = self.soft(image_id)
        sums = soft.sum(axis=0, dtype=np.int32)
        above, most = int(np.count_nonzero(sums > 255 + len(soft))), int(sums.max(initial=0)) / 255
        if above:
            raise DataError(
                [
                    f"{self.paths[image_id]}: the probabilities of the classes sum to up to {most:.2f} "
                    f"(in {above} px), but with data.exclusive they are at most 1; correct the labels, or set "
                    "data.exclusive: false"
                ]
            )
        return soft


@dataclass(frozen=True)
class DecidedMasks:
    """Masks of exclusive soft masks: each pixel is of its most probable class, or of none; picklable."""

    soft: SoftSource

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1}: of equal ones the first class, and a class rather than the background."""
        return hard(decided_maps(self.soft(image_id)))


def with_exclusive(competition: Competition) -> Competition:
    """The competition with classes that exclude each other, which is checked as masks are read."""
    pairs = zip(competition.train["image_id"], competition.train["path"], strict=True)
    paths = {image_id: str(path) or image_id for image_id, path in pairs}  # labels alone know no files
    reading = json.dumps(json.loads(competition.reading or "{}") | {"exclusive": True}, sort_keys=True)
    if competition.soft is not None:
        soft = ExclusiveShares(competition.soft, paths)
        return replace(competition, masks=DecidedMasks(soft), soft=soft, exclusive=True, reading=reading)
    labels = tuple(path.name for path in competition.label_files)
    masks = ExclusiveMasks(competition.masks, competition.class_names, paths, labels)
    return replace(competition, masks=masks, exclusive=True, reading=reading)


def check_exclusive(competition: Competition, left_out: Collection[str] = ()) -> None:
    """Raise DataError naming every training image in which exclusive classes overlap, except those left out."""
    if not competition.exclusive:
        return
    problems = []
    for image_id in competition.train["image_id"]:
        try:
            if image_id not in left_out:
                competition.masks(image_id)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
