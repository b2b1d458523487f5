"""Opens a competition, whatever the files on disk look like."""

from __future__ import annotations

from maskfold.config import MaskFoldersData, RleCsvData
from maskfold.data.competition import Competition
from maskfold.data.mask_folders import open_mask_folders
from maskfold.data.rle_csv import open_rle_csv


def open_competition(data: RleCsvData | MaskFoldersData) -> Competition:
    """The competition a config's data section describes, checked up front.

    Raises DataError with every problem found, each with file, row and reason.
    """
    if isinstance(data, RleCsvData):
        return open_rle_csv(data)
    return open_mask_folders(data)
