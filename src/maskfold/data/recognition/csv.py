"""Finds csv files of run lengths, and what their columns mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from maskfold.data.csv_files import CsvTable, read_csv, separated_otherwise
from maskfold.data.recognition.csv_columns import (
    ClassColumn,
    ImageColumn,
    Runs,
    cells,
    class_columns,
    image_column,
    images_spread,
    repeats,
    runs_in,
    same_classes,
)
from maskfold.data.recognition.folders import Folder, split_of, test_images
from maskfold.data.recognition.ignored import void_classes_problem
from maskfold.data.recognition.pixel_order import pixel_order
from maskfold.data.recognition.proposal import Proposal, counted, listed
from maskfold.data.sample_submission import sample_in
from maskfold.errors import DataError


def csvs_of_runs(
    root: Path, folders: Sequence[Folder], misses: list[str], given: Mapping[str, object]
) -> list[Proposal]:
    """A proposal for each csv right in the root whose cells are run lengths of images in one of the folders.

    misses: csv files that cannot be read, or whose images are not found, are added; given: keys that the config sets,
    which are not guessed. Raises DataError with what was found where a csv may mean several things.
    """
    return [
        proposal for table in tables(root, given, misses) for proposal in _of_table(table, root, folders, misses, given)
    ]


def tables(root: Path, given: Mapping[str, object], misses: list[str]) -> Iterator[CsvTable]:
    """The csv files right in the root that may hold labels; bad rows are left to the reader, which names them all.

    given: where the config names the csv of the labels, only that one; misses: files that cannot be read are added.
    """
    for path in sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv"):
        other = re.search("sample|submission", path.stem.lower()) or split_of(path.stem) == "test"
        if path.name != given["train_csv"] if "train_csv" in given else other:
            continue
        try:
            table = read_csv(path, row_problems=[])
        except DataError as error:
            misses += error.problems
            continue
        if other_marks := separated_otherwise(table.header):
            misses.append(f"{path}: not read{other_marks}")
        yield table


def _of_table(
    table: CsvTable, root: Path, folders: Sequence[Folder], misses: list[str], given: Mapping[str, object]
) -> list[Proposal]:
    runs = [found for found in (runs_in(table, column) for column in table.header) if found is not None]
    if not runs:
        return []
    others = [column for column in table.header if column not in {found.column for found in runs}]
    wanted = [folder for folder in folders if folder.name == given.get("train_images", folder.name)]
    image = image_column(table, others, wanted)
    if image is None:
        spread = images_spread(table, others, folders)
        if spread:
            counts = listed([f"{folder.name}: {count}" for folder, count in spread])
            misses.append(
                f"{table.path}: its images lie in several folders ({counts}), but those of a csv of run lengths must "
                "be in one; move or link them into one folder and set data.train_images to it"
            )
            return []
        examples = listed([f"{column}: {cells(table, column)[0]!r}" for column in others if table.rows], 4)
        misses.append(
            f"{table.path}: column {runs[0].column} holds run lengths, but no other column names images of a folder "
            f"({examples}); folders of images: {listed([f.name for f in folders if f.images]) or 'none'}"
        )
        return []
    if image.others:
        names = listed([folder.name for folder in (image.folder, *image.others)])
        raise DataError([f"{table.path}: its images are in several folders ({names}); set data.train_images"])
    if len({(found.token, found.relative) for found in runs}) > 1:
        raise DataError([f"{table.path}: its columns of run lengths differ in how they write an empty mask or a start"])
    rest = [column for column in others if column != image.column]
    roles = _class_roles(table, image, runs, rest, given)
    return [_proposal(table, root, folders, image, runs, role, rest, given) for role in roles]


def _class_roles(
    table: CsvTable, image: ImageColumn, runs: Sequence[Runs], rest: Sequence[str], given: Mapping[str, object]
) -> list[ClassColumn | None]:
    """The columns that may name the class; None among them means a single class."""
    if image.classes or len(runs) > 1:
        return [None]
    found = class_columns(table, image.column, rest, runs[0])
    columns = given.get("columns")
    if isinstance(columns, dict):
        return [next((entry for entry in found if entry.column == columns.get("class_name")), None)]
    certain = [entry for entry in found if entry.certain]
    if certain:
        words = [entry for entry in certain if not all(name.lstrip("-").isdigit() for name in entry.classes)]
        best = (words or certain)[0]
        return [best, *(e for e in certain if e != best and not same_classes(table, best.column, e.column))]
    return [None, *found]


def _proposal(
    table: CsvTable,
    root: Path,
    folders: Sequence[Folder],
    image: ImageColumn,
    runs: Sequence[Runs],
    role: ClassColumn | None,
    rest: Sequence[str],
    given: Mapping[str, object],
) -> Proposal:
    first, name = runs[0], table.path.name
    columns: dict[str, object] = {"image": image.column, "rle": first.column}
    classes: tuple[str, ...] = ("mask",)
    if image.classes:
        columns, classes = {"image_class": image.column, "rle": first.column}, image.classes
    elif len(runs) > 1:
        classes = tuple(found.column for found in runs)
        columns = {"image": image.column, "rle_of": {column: column for column in classes}}
    elif role is not None:
        columns = {"image": image.column, "class_name": role.column, "rle": first.column}
        classes = role.classes
    problem = void_classes_problem(str(table.path), classes, given, "set data.ignore_class")
    if problem and "ignore_class" not in given:
        raise DataError([problem])
    classes = tuple(name for name in classes if name != given.get("ignore_class"))
    order = given.get("order") or pixel_order(table, runs, image)
    section: dict[str, object] = {"format": "rle_csv", "columns": columns, "class_names": classes, "train_csv": name}
    section |= {"train_images": image.folder.name, "order": order}
    test, test_note = test_images(folders, image.folder)
    section |= {"test_images": test, "sample_submission": sample_in(root) if test else None}
    keys = [image.column] if role is None else [image.column, role.column]
    several = repeats(table, keys, first) if len(runs) == 1 else 0
    if first.token:
        section["empty_token"] = first.token
    if several:
        section["several_rows"] = "union"
    unused = [column for column in rest if role is None or column != role.column]
    notes = [_image_note(image), *(_runs_note(table, found) for found in runs)]
    if role is not None:
        notes.append(f"column {role.column}: the class ({counted(len(classes), 'value')}: {listed(list(classes))})")
    notes += [f"{counted(several, 'row')} of an image and class that has one already: joined"] if several else []
    notes += [f"columns that are not used: {listed(unused)}"] if unused else []
    notes.append(test_note)
    words = f"run lengths in {name}, " + ("relative to each other" if first.relative else f"{order} by {order}")
    return Proposal(words, section, tuple(notes))


def _image_note(image: ImageColumn) -> str:
    joined = f" and the class ({listed(list(image.classes))})" if image.classes else ""
    return (
        f"column {image.column}: the image{joined} ({image.matched} of {image.looked_at} looked at are in "
        f"{image.folder.name}, which holds {counted(len(image.folder.images), 'image')})"
    )


def _runs_note(table: CsvTable, runs: Runs) -> str:
    texts = cells(table, runs.column)
    empty = sum(text in ("", runs.token) for text in texts)
    token = f" or {runs.token!r}" if runs.token else ""
    return f"column {runs.column}: run lengths ({counted(len(texts), 'row')}, {empty} of them blank{token}: empty)"
