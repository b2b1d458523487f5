"""Finds csv files that name images and masks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from maskfold.data.csv_files import CsvTable
from maskfold.data.ignored import is_void_name
from maskfold.data.images.suffixes import SUFFIXES
from maskfold.data.problems import is_file
from maskfold.data.recognition.csv import tables
from maskfold.data.recognition.csv_columns import LOOKED_AT, SHARE, cells
from maskfold.data.recognition.folders import Folder, split_of, test_images
from maskfold.data.recognition.masks import mask_section
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.errors import DataError

_MOST_SPLITS = 4
_MASK = re.compile(r"mask|label|annot|seg|truth|gt", re.IGNORECASE)


def csvs_of_paths(
    root: Path, folders: Sequence[Folder], misses: list[str], given: Mapping[str, object]
) -> list[Proposal]:
    """A proposal for each csv right in the root with a column of image files and one or more of masks.

    misses: csv files that list images without labels, too, are added; given: keys that the config sets. Raises
    DataError with what was found where it is open which column holds which.
    """
    return [
        proposal for table in tables(root, given, []) for proposal in _of_table(table, root, folders, misses, given)
    ]


def _of_table(
    table: CsvTable, root: Path, folders: Sequence[Folder], misses: list[str], given: Mapping[str, object]
) -> list[Proposal]:
    columns = [column for column in table.header if _names_images(table, column, root)]
    if len(columns) < 2:
        return []
    void = [column for column in columns if is_void_name(column)]
    if len(void) > 1:
        raise DataError([f"{table.path}: columns {listed(void)} may all name ignore masks; set data.columns.ignore"])
    columns = [column for column in columns if column not in void]
    masks = [column for column in columns if _MASK.search(column)]
    images = [column for column in columns if column not in masks]
    if not masks and len(images) == 2:
        images, masks = images[:1], images[1:]
    if len(images) != 1 or not masks:
        raise DataError(
            [
                f"{table.path}: columns {listed(columns)} name images, but not which is the photo and which are masks; "
                "write down data.format: paths_csv with data.columns"
            ]
        )
    others = [column for column in table.header if column not in (*columns, *void)]
    unlabelled = "" if "train_csv" in given else _unlabelled_split(table, masks, others)
    if unlabelled:
        misses.append(unlabelled)
        return []
    section, notes = _columns(table, root, images[0], masks, given)
    if void:
        section["columns"] = {**_dict(section["columns"]), "ignore": void[0]}
        notes.append(f"column {void[0]}: its ignore mask ({_blank(table, void[0], 'all is labelled')})")
    section["test_images"], test_note = test_images(folders)
    notes += [f"columns that are not used: {listed(others)}"] if others else []
    notes.append(test_note)
    return [Proposal(f"paths of images and masks in {table.path.name}", section, tuple(notes))]


def _unlabelled_split(table: CsvTable, masks: Sequence[str], others: Sequence[str]) -> str:
    """What to say of a csv in which one of the other columns names splits, one of them without masks; "" of others."""
    labelled = [any(texts) for texts in zip(*(cells(table, column) for column in masks), strict=True)]
    for column in others:
        splits = cells(table, column)
        if not 2 <= len(set(splits)) <= _MOST_SPLITS or not all(map(split_of, splits)):
            continue
        with_masks = {split for split, own in zip(splits, labelled, strict=True) if own}
        without = sorted(set(splits) - with_masks)
        if with_masks and without:
            count = sum(split in without for split in splits)
            return (
                f"{table.path}: {counted(count, 'row')} with {listed(without)} in column {column} have no mask: "
                "probably images that nobody labelled, which would be read as empty ones; write the labelled rows into "
                "a csv of their own, or set data.train_csv to this one if the others are empty"
            )
    return ""


def _dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def _columns(
    table: CsvTable, root: Path, image: str, masks: list[str], given: Mapping[str, object]
) -> tuple[dict[str, object], list[str]]:
    notes = [f"column {image}: the photo ({counted(len(cells(table, image)), 'row')})"]
    notes += [f"column {column}: its mask ({_blank(table, column)})" for column in masks]
    files = [root / text.replace("\\", "/") for column in masks for text in cells(table, column) if text]
    labels, found = mask_section([path for path in dict.fromkeys(files) if is_file(path)], str(table.path), given)
    section: dict[str, object] = {"format": "paths_csv", "train_csv": table.path.name}
    if len(masks) == 1:
        section["columns"] = {"image": image, "mask": masks[0]}
        repeated = len(cells(table, image)) - len(set(cells(table, image)))
        if repeated:
            section["several_rows"] = "union"
            notes.append(f"{counted(repeated, 'row')} of an image that has one already: joined")
        return {**section, **labels}, [*notes, *found]
    if labels.get("labels", "binary") != "binary":
        raise DataError(
            [f"{table.path}: {len(masks)} columns of masks ({listed(masks)}), whose files hold several values each"]
        )
    section["columns"] = {"image": image, "mask": None, "mask_of": {column: column for column in masks}}
    return {**section, **labels, "class_names": tuple(masks)}, [*notes, *found]


def _blank(table: CsvTable, column: str, meaning: str = "empty") -> str:
    blank = sum(not text for text in cells(table, column))
    return f"{blank} blank: {meaning}" if blank else "none blank"


def _names_images(table: CsvTable, column: str, root: Path) -> bool:
    """Whether nearly every field in the first rows is blank or names an image file, and one is not blank."""
    texts = [text for text in cells(table, column) if text][:LOOKED_AT]
    files = (is_file(root / text.replace("\\", "/")) for text in texts if text.lower().endswith(SUFFIXES))
    return bool(texts) and sum(files) >= SHARE * len(texts)
