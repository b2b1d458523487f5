"""Opens a competition, whatever the files on disk look like."""

from __future__ import annotations

from pathlib import Path

from maskfold.config import AutoData, CocoData, DataConfig, MaskFoldersData, PathsCsvData
from maskfold.data.competition import Competition, DataError
from maskfold.data.image_files import check_channels
from maskfold.data.mask_folders import open_mask_folders
from maskfold.data.paths_csv import open_paths_csv
from maskfold.data.recognition import recognised
from maskfold.data.rle_csv import open_rle_csv


def open_competition(data: DataConfig, channels: int | None = None) -> Competition:
    """The competition a config's data section describes, checked up front; with `channels`, its images' channels too.

    Raises DataError with every problem found, each with file, row and reason.
    """
    competition = _opened(data)
    if channels is not None:
        paths = [Path(path) for table in (competition.train, competition.test) for path in table["path"]]
        problems = check_channels(paths, channels)
        if problems:
            raise DataError(problems)
    return competition


def _opened(data: DataConfig) -> Competition:
    if isinstance(data, AutoData):
        data = recognised(data)
    if isinstance(data, MaskFoldersData):
        return open_mask_folders(data)
    if isinstance(data, PathsCsvData):
        return open_paths_csv(data)
    if isinstance(data, CocoData):
        # pycocotools is wanted by this reader alone.
        from maskfold.data.coco import open_coco

        return open_coco(data)
    return open_rle_csv(data)
