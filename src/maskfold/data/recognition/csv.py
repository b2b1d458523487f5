"""Finds csv files of run lengths and of paths, and what their columns mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from maskfold.data.csv_files import CsvTable, read_csv
from maskfold.data.image_ids import list_names
from maskfold.data.images.headers import read_declared
from maskfold.data.images.suffixes import SUFFIXES
from maskfold.data.problems import is_file
from maskfold.errors import DataError
from maskfold.pixels.rle import RleError, decode, parse_runs

_LOOKED_AT = 400  # rows
_SHARE = 0.9  # of them must be of a kind; the reader names the others
_MOST_CLASSES = 100
_DECODED = 60  # masks whose shape tells the pixel order
_CLEARER = 1.3  # times as many edges in the wrong order

Sketch = tuple[str, dict[str, object]]


def csvs_of_runs(root: Path) -> list[Sketch]:
    """A sketch of each csv right in the root whose cells are run lengths of images in one of the folders."""
    sketches: list[Sketch] = []
    for table in _tables(root):
        runs = [column for column in table.header if _all(table, column, _is_runs)]
        others = [column for column in table.header if column not in runs]
        section = _roles(table, runs, others)
        folder = None if section is None else _folder_of(root, _ids(table, section))
        if section is None or folder is None:
            continue
        order, certain = _pixel_order(table, runs[0], _ids(table, section), folder)
        section |= {"train_csv": table.path.name, "train_images": str(folder.relative_to(root)), "order": order}
        section |= {"test_images": _test_folder(root, folder), "sample_submission": _sample(root)}
        told = "" if certain else " (the usual order; the masks do not tell)"
        words = f"run lengths in {table.path.name}, {order} by {order}{told}"
        sketches.append((words, {"format": "rle_csv", **section}))
    return sketches


def csvs_of_paths(root: Path) -> list[Sketch]:
    """A sketch of each csv right in the root with two columns of image files."""
    sketches: list[Sketch] = []
    for table in _tables(root):
        columns = [c for c in table.header if _all(table, c, partial(_is_image, root))]
        if len(columns) < 2:
            continue
        words = f"paths of images and masks in {table.path.name}"
        masks = [c for c in columns[1:] if "mask" in c.lower() or "label" in c.lower()] or columns[1:]
        image = next(c for c in columns if c not in masks)
        named: dict[str, object] = {"image": image, "mask": masks[0]}
        classes: tuple[str, ...] = ("mask",)
        if len(masks) > 1:
            named, classes = {"image": image, "mask": None, "mask_of": {c: c for c in masks}}, tuple(masks)
        section: dict[str, object] = {
            "format": "paths_csv",
            "train_csv": table.path.name,
            "columns": named,
            "class_names": classes,
        }
        sketches.append((words, section))
    return sketches


def _tables(root: Path) -> Iterator[CsvTable]:
    for path in sorted(root.glob("*.csv")):
        if re.search("sample|submission|test", path.stem.lower()):
            continue
        try:
            yield read_csv(path, row_problems=[])  # bad rows are left to the reader, which names them all
        except DataError:
            continue


def _all(table: CsvTable, column: str, fits: Callable[[str], bool]) -> bool:
    """Whether nearly every cell in the first rows is blank or fits, and one is not blank."""
    cells = [text for _, (text,) in table.select([column])[:_LOOKED_AT] if text]
    return bool(cells) and sum(map(fits, cells)) >= _SHARE * len(cells)


def _is_runs(text: str) -> bool:
    try:
        return len(text.split()) >= 2 and len(parse_runs(text)) > 0
    except RleError:
        return text == "-1"


def _is_image(root: Path, text: str) -> bool:
    return text.lower().endswith(SUFFIXES) and is_file(root / text)


def _roles(table: CsvTable, runs: list[str], others: list[str]) -> dict[str, object] | None:
    """The keys columns and class_names; None where the columns are of another kind."""
    if not runs or not others:
        return None
    image = others[0]
    if len(runs) > 1:
        return {"columns": {"image": image, "rle_of": {name: name for name in runs}}, "class_names": tuple(runs)}
    rle = runs[0]
    if table.header == ("ImageId", "ClassId", "EncodedPixels") or len(others) > 1:
        class_column = next((c for c in others[1:] if "class" in c.lower() or "label" in c.lower()), others[-1])
        names = {text for _, (text,) in table.select([class_column])}
        if len(names) <= _MOST_CLASSES:
            columns = {"image": image, "class_name": class_column, "rle": rle}
            return {"columns": columns, "class_names": _sorted(names)}
    ids = [text for _, (text,) in table.select([image])]
    if all("_" in text for text in ids):
        names = {text.rpartition("_")[2] for text in ids}
        if len(names) <= min(_MOST_CLASSES, max(1, len(ids) // 2)):
            return {"columns": {"image_class": image, "rle": rle}, "class_names": _sorted(names)}
    section: dict[str, object] = {"columns": {"image": image, "rle": rle}, "class_names": ("mask",)}
    if len(set(ids)) < len(ids):
        section["several_rows"] = "union"
    return section


def _sorted(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (len(name) if name.isdigit() else 0, name)))


def _ids(table: CsvTable, section: dict[str, object]) -> list[str]:
    columns = section["columns"]
    assert isinstance(columns, dict)
    if "image" in columns:
        return [text for _, (text,) in table.select([columns["image"]])]
    return [text.rpartition("_")[0] for _, (text,) in table.select([columns["image_class"]])]


def _folder_of(root: Path, ids: list[str]) -> Path | None:
    """The folder below the root that holds images of most of the ids in the first rows, and of nearly all."""
    wanted = set(ids[:_LOOKED_AT])
    best: tuple[int, Path | None] = (0, None)
    for folder in sorted(path for path in [*root.glob("*"), *root.glob("*/*")] if path.is_dir()):
        names = list_names(folder)
        held = max(len(wanted.intersection(names)), len(wanted.intersection(Path(name).stem for name in names)))
        if held > best[0] and held >= _SHARE * len(wanted):
            best = held, folder
    return best[1]


def _test_folder(root: Path, train: Path) -> str | None:
    folders = [path for path in sorted(root.glob("*test*")) if path.is_dir() and path != train and list_names(path)]
    inner = [path / train.name for path in sorted(root.glob("*test*")) if list_names(path / train.name)]
    found = folders or inner
    return str(found[0].relative_to(root)) if len(found) == 1 else None


def _sample(root: Path) -> str | None:
    found = sorted(root.glob("*sample*.csv"))
    return found[0].name if len(found) == 1 else None


def _pixel_order(table: CsvTable, column: str, ids: list[str], folder: Path) -> tuple[Literal["column", "row"], bool]:
    """The order in which the masks have fewer edges, and whether the difference is clear; column where it is not.

    Read in the wrong order, runs that lie side by side are torn apart, and every one of them has edges of its own.
    """
    files = {path.stem: path for path in map(folder.joinpath, list_names(folder))}
    edges = {"column": 0, "row": 0}
    texts = [text for _, (text,) in table.select([column])]
    shown = [(i, text) for i, text in zip(ids, texts, strict=True) if text and text != "-1"]
    for image_id, text in shown[:: max(1, len(shown) // _DECODED)]:
        path = files.get(image_id) or files.get(Path(image_id).stem)
        declared = None if path is None else read_declared(path)
        if declared is None:
            continue
        for order in ("column", "row"):
            try:
                mask = decode(text, declared.height, declared.width, order).astype(np.int8)
            except RleError:
                break  # in either order
            edges[order] += int(np.abs(np.diff(mask, axis=0)).sum() + np.abs(np.diff(mask, axis=1)).sum())
    if edges["column"] > _CLEARER * edges["row"]:
        return "row", True
    return "column", edges["row"] > _CLEARER * edges["column"]
