"""Opens a competition, whatever the files on disk look like."""

from __future__ import annotations

from maskfold.config import AutoData, CocoData, DataConfig, MaskFoldersData, PathsCsvData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.mask_folders import open_mask_folders
from maskfold.data.paths_csv import open_paths_csv
from maskfold.data.problems import with_channels
from maskfold.data.recognition import recognised
from maskfold.data.rle_csv import open_rle_csv


def open_competition(data: DataConfig, channels: int | None = None, on_bad_image: OnBadImage = "strict") -> Competition:
    """The competition a config's data section describes, checked up front; with `channels`, its images' channels too.

    on_bad_image: "empty" lets test images pass that cannot be read; they stand in `Competition.unreadable`. Raises
    DataError with every problem found, each with file, row and reason.
    """
    competition = _opened(data, on_bad_image)
    return competition if channels is None else with_channels(competition, channels, on_bad_image)


def _opened(data: DataConfig, on_bad_image: OnBadImage) -> Competition:
    if isinstance(data, AutoData):
        data = recognised(data)
    if isinstance(data, MaskFoldersData):
        return open_mask_folders(data, on_bad_image)
    if isinstance(data, PathsCsvData):
        return open_paths_csv(data, on_bad_image)
    if isinstance(data, CocoData):
        # pycocotools is wanted by this reader alone.
        from maskfold.data.coco import open_coco

        return open_coco(data, on_bad_image)
    return open_rle_csv(data, on_bad_image)
