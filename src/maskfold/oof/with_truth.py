"""OOF probabilities with the truth, checked against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskfold.data.competition import Competition
from maskfold.data.ignored import NOTHING_LABELLED
from maskfold.errors import DataError
from maskfold.oof.store import OofImage, iter_oof
from maskfold.pixels.exclusive import decided_maps


@dataclass(frozen=True)
class LabelledOof:
    """One OOF image and its truth, (C, H, W) uint8 in {0, 1}.

    oof: of exclusive classes with the decided maps, which rules are tuned on and applied to, see `decided_maps`;
    ignored: (H, W) uint8 in {0, 1}, 1 where a pixel is not labelled and the truth 0; None where the competition has no
    such pixels.
    """

    oof: OofImage
    truth: np.ndarray
    ignored: np.ndarray | None = None


def iter_with_truth(path: Path, fold: int, competition: Competition) -> Iterator[LabelledOof]:
    """The images of one fold's OOF file with their truths.

    Raises DataError when an image is unknown, in the file twice, of another fold, does not have the truth's shape, or
    has no labelled pixel.
    """
    sizes = dict(
        zip(
            competition.train["image_id"],
            zip(competition.train["height"], competition.train["width"], strict=True),
            strict=True,
        )
    )
    seen: set[str] = set()
    for image in iter_oof(path):
        where = f"{path}: image {image.image_id}"
        expected = (len(competition.class_names), *map(int, sizes.get(image.image_id, (0, 0))))
        if image.image_id not in sizes:
            raise DataError([f"{where}: not a training image"])
        if image.image_id in seen:
            raise DataError([f"{where}: in the file twice"])
        if image.fold != fold:
            raise DataError([f"{where}: its rows say fold {image.fold}, but this is the file of fold {fold}"])
        if image.prob.shape != expected:
            raise DataError([f"{where}: probabilities of shape {image.prob.shape}, the truth has {expected} (C, H, W)"])
        seen.add(image.image_id)
        ignored = competition.ignored_in(image.image_id)
        if ignored is not None and ignored.all():
            raise DataError([f"{where}: {NOTHING_LABELLED}"])
        if competition.exclusive:
            image = replace(image, prob=decided_maps(image.prob))
        yield LabelledOof(image, competition.masks(image.image_id), ignored)


def check_complete(image_ids: Mapping[int, list[str]], competition: Competition) -> None:
    """Every training image is in exactly one fold. Raises DataError naming those that are not."""
    fold_of: dict[str, int] = {}
    problems = []
    for fold, names in image_ids.items():
        for name in names:
            if name in fold_of:
                problems.append(f"image {name} is in the OOF of fold {fold_of[name]} and of fold {fold}")
            fold_of[name] = fold
    known = set(competition.train["image_id"])
    problems += [
        f"image {name} in the OOF of fold {fold} is not a training image that is scored"
        for name, fold in fold_of.items()
        if name not in known
    ]
    problems += [
        f"training image {name} is in no fold's OOF" for name in competition.train["image_id"] if name not in fold_of
    ]
    if problems:
        raise DataError(problems)


def largest_map_px(competition: Competition) -> int:
    """Pixels of the largest training image."""
    return int((competition.train["height"] * competition.train["width"]).max())
