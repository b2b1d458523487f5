"""Opens a competition, whatever the files on disk look like."""

from __future__ import annotations

from pathlib import Path

from maskfold.config import CocoData, DataConfig, MaskFoldersData, Orientation, PathsCsvData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.exclusive import with_exclusive
from maskfold.data.formats.ignore_masks import with_ignore_masks
from maskfold.data.formats.mask_folders import open_mask_folders
from maskfold.data.formats.paths_csv import open_paths_csv
from maskfold.data.formats.rle_csv import open_rle_csv
from maskfold.data.images.orientation import orientations, undecided_orientation
from maskfold.data.problems import Problems, data_root
from maskfold.data.recognition.recognise import Found, explicit_data
from maskfold.data.unused import report_unused
from maskfold.data.validation import with_channels
from maskfold.data.volumes.opening import with_volumes
from maskfold.errors import DataError


def open_competition(
    data: DataConfig,
    channels: int | None = None,
    on_bad_image: OnBadImage = "strict",
    problems: Problems | None = None,
) -> Competition:
    """The competition a config's data section describes, checked up front; with `channels`, its images' channels too.

    on_bad_image: "empty" lets test images pass that cannot be read; they stand in `Competition.unreadable`. problems:
    where tolerated ones are given, they take up what is wrong: images and labels that have one are left out, and
    reading a mask may raise. Raises DataError with every problem found, each with file, row and reason.
    """
    tolerant, problems = problems is not None, Problems() if problems is None else problems
    competition = read_competition(data, on_bad_image, problems)
    report_unused(competition, problems.unused, data_root(data.root))
    if data.orientation == "auto":
        train, test = competition.train, competition.readable_test
        undecided = undecided_orientation(train, test, competition.label_images, competition.sized)
        problems += undecided
        if undecided and not tolerant:
            raise DataError(undecided)
    return competition if channels is None else with_channels(competition, channels, on_bad_image)


def settled_orientation(data: DataConfig) -> Orientation:
    """How a machine without the training images must read test images: `auto` only where these decide nothing."""
    if data.orientation != "auto":
        return data.orientation
    try:
        competition = read_competition(data, "empty", Problems())
    except DataError:  # the training data is no longer there
        return "auto"
    train = competition.train
    undecided = undecided_orientation(train, competition.test, competition.label_images, competition.sized)
    return "stored" if orientations(map(Path, train["path"])) and not undecided else "auto"


def read_competition(data: DataConfig, on_bad_image: OnBadImage, problems: Problems) -> Competition:
    """As `open_competition`, without a word about files that are not used."""
    data = explicit_data(data)
    competition = with_ignore_masks(_read(data, on_bad_image, problems), data, problems)
    competition = with_volumes(competition, data, problems)
    return with_exclusive(competition) if data.exclusive else competition


def _read(data: Found, on_bad_image: OnBadImage, problems: Problems) -> Competition:
    """The competition without what `data.ignore_masks` names."""
    if isinstance(data, MaskFoldersData):
        return open_mask_folders(data, on_bad_image, problems)
    if isinstance(data, PathsCsvData):
        return open_paths_csv(data, on_bad_image, problems)
    if isinstance(data, CocoData):
        # Only this reader needs pycocotools.
        from maskfold.data.formats.coco import open_coco

        return open_coco(data, on_bad_image, problems)
    return open_rle_csv(data, on_bad_image, problems)
