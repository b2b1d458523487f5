"""Pixels that nobody labelled: ignore masks in files of their own, and what all kinds of ignored pixels share."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection

from maskfold.data.competition import Competition
from maskfold.errors import DataError

_VOID = re.compile(r"ignored?|void|dont_?care|uncertain")


def is_void_name(name: str) -> bool:
    """Whether a folder, column or class is called like pixels that nobody labelled: ignore, void_masks, dont care."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    pairs = ["".join(pair) for pair in itertools.pairwise(words)]
    return any(_VOID.fullmatch(word.lower()) for word in (*words, *pairs))


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
