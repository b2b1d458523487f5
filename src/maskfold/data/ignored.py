"""Pixels that nobody labelled: ignore masks in files of their own, and what all kinds of ignored pixels share."""

from __future__ import annotations

from collections.abc import Collection

from maskfold.data.competition import Competition
from maskfold.errors import DataError

NOTHING_LABELLED = (
    "all of its pixels are ignored, so it has no score; name it in a csv with the column image_id, and set "
    "data.exclude to that csv and data.exclude_from: everything"
)


def check_labelled(competition: Competition, left_out: Collection[str] = ()) -> None:
    """Raise DataError naming every training image whose pixels are all ignored, except those that are left out."""
    if competition.ignored is None:
        return
    pairs = zip(competition.train["image_id"], competition.train["path"], strict=True)
    kept = [(image_id, path) for image_id, path in pairs if image_id not in left_out]
    problems = [f"{path}: {NOTHING_LABELLED}" for image_id, path in kept if competition.ignored(image_id).all()]
    if problems:
        raise DataError(problems)
