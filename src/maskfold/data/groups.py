"""Groups: images that show the same thing and must stay in one fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskfold.data.competition import Competition
from maskfold.data.csv_files import read_csv
from maskfold.errors import DataError
from maskfold.execution.text import control_fault


def read_groups(path: Path, image_ids: Sequence[str]) -> dict[str, str]:
    """Read a csv `ImageId,GroupId` and check it against the training images.

    Returns image_id -> group. Raises DataError with all problems: no such csv, unknown images, images given twice or
    not at all, blank groups.
    """
    known = set(image_ids)
    groups: dict[str, str] = {}
    first: dict[str, int] = {}
    problems: list[str] = []
    for number, (image_id, group) in read_csv(path, [("ImageId", "GroupId")]).select(("ImageId", "GroupId")):
        if image_id not in known:
            problems.append(f"{path}, row {number}: there is no training image {image_id!r}")
        if not group:
            problems.append(f"{path}, row {number}: {image_id!r} has no GroupId")
        if fault := control_fault("GroupId", group):
            problems.append(f"{path}, row {number}: {fault}")
        earlier = first.setdefault(image_id, number)
        if earlier != number:
            problems.append(f"{path}, row {number}: {image_id!r} is in row {earlier} already")
        groups[image_id] = group
    problems += [f"{path}: training image {image_id!r} has no row" for image_id in image_ids if image_id not in groups]
    if problems:
        raise DataError(problems)
    return groups


def image_groups(competition: Competition, image_ids: list[str]) -> np.ndarray:
    """The group of each image, its own where there are none."""
    if "group" not in competition.train:
        return np.array(image_ids)
    group_of = competition.train.set_index("image_id")["group"].astype(str)
    return group_of.loc[image_ids].to_numpy(dtype=str)
