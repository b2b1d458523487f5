"""Whether two ways to read a folder give the same labels: a csv of run lengths and the mask images it was made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskfold.config import MaskFoldersData, RleCsvData
from maskfold.data.competition import Competition
from maskfold.data.formats.mask_folders import open_mask_folders
from maskfold.data.formats.rle_csv import open_rle_csv
from maskfold.data.problems import Problems
from maskfold.errors import DataError

_LOOKED_AT = 50  # images


def say_the_same(runs: RleCsvData, folders: MaskFoldersData) -> bool:
    """Whether both have the same training images and, of those that are looked at, the same masks, not all empty.

    One of them that cannot be read says nothing.
    """
    try:
        first, second = open_rle_csv(runs, "empty", Problems()), open_mask_folders(folders, "empty", Problems())
        names = [_by_file(first), _by_file(second)]
        if names[0].keys() != names[1].keys() or len(first.class_names) != len(second.class_names):
            return False
        return _same_masks(first, second, names)
    except DataError:
        return False


def _same_masks(first: Competition, second: Competition, names: Sequence[dict[str, str]]) -> bool:
    shown = False
    for path in list(names[0])[:: max(1, len(names[0]) // _LOOKED_AT)]:
        masks = first.masks(names[0][path])
        shown |= bool(masks.any())
        if not np.array_equal(masks, second.masks(names[1][path])):
            return False
    return shown


def _by_file(competition: Competition) -> dict[str, str]:
    """Path -> image_id of the training images."""
    return dict(zip(competition.train["path"], competition.train["image_id"], strict=True))
