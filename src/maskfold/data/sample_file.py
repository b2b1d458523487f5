"""A competition's sample submission: which rows the answer must have, in which order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskfold.data.competition import DataError
from maskfold.data.csv_files import CsvTable, read_csv

Layout = Literal["image_class_id", "image_class_columns", "image"]


@dataclass(frozen=True)
class SampleFile:
    """The rows a submission must have.

    columns: header of the file, as it stands; image_column, class_column (None but in layout image_class_columns),
    rle_column: names among them; rows: image_id and class index, in the order of the file.
    """

    layout: Layout
    columns: tuple[str, ...]
    image_column: str
    class_column: str | None
    rle_column: str
    rows: tuple[tuple[str, int], ...]


def read_sample_file(path: Path, class_names: Sequence[str], image_ids: Collection[str]) -> SampleFile:
    """Read a sample submission and check it against the test images.

    The layout is told by the header: three columns, one of them naming a class; or two, `ImageId_ClassId` or one row
    an image. Raises DataError with all problems: no such csv, unknown classes, images that are not among `image_ids`,
    images that are not in the file, rows given twice.
    """
    table = read_csv(path)
    roles = _roles(table.header)
    if roles is None:
        raise DataError([f"{path}, row 1: found the header {','.join(table.header)}; expected {_EXPECTED}"])
    layout, image_column, class_column, rle_column = roles
    numbered, problems = _rows(table, layout, image_column, class_column, tuple(class_names))
    problems += _mismatches(path, numbered, class_names, set(image_ids))
    if problems:
        raise DataError(problems)
    rows = tuple((image_id, class_index) for _, image_id, class_index in numbered)
    return SampleFile(layout, table.header, image_column, class_column, rle_column, rows)


_EXPECTED = "image, class and run lengths (ImageId,ClassId,EncodedPixels), or ImageId_ClassId,EncodedPixels, or id,rle"


def _roles(header: tuple[str, ...]) -> tuple[Layout, str, str | None, str] | None:
    """Layout, image column, class column, run length column."""
    if len(header) == 2:
        both = header[0].lower().replace("_", "") == "imageidclassid"
        return ("image_class_id" if both else "image", header[0], None, header[1])
    class_columns = [name for name in header if "class" in name.lower()]
    if len(header) == 3 and len(class_columns) == 1:
        image_column, rle_column = [name for name in header if name not in class_columns]
        return ("image_class_columns", image_column, class_columns[0], rle_column)
    return None


def _rows(
    table: CsvTable, layout: Layout, image_column: str, class_column: str | None, class_names: tuple[str, ...]
) -> tuple[list[tuple[int, str, int]], list[str]]:
    """(row number, image_id, class index) of the good rows, and the problems of the others."""
    columns = [image_column] if class_column is None else [image_column, class_column]
    rows, problems = [], []
    for number, fields in table.select(columns):
        image_id, class_name = fields[0], class_names[0]
        if layout == "image_class_id":
            image_id, _, class_name = fields[0].rpartition("_")
        elif layout == "image_class_columns":
            class_name = fields[1]
        if class_name in class_names:
            rows.append((number, image_id, class_names.index(class_name)))
        else:
            known = ", ".join(class_names)
            problems.append(f"{table.path}, row {number}: unknown class {class_name!r}; data.class_names has {known}")
    return rows, problems


def _mismatches(
    path: Path, rows: list[tuple[int, str, int]], class_names: Sequence[str], image_ids: set[str]
) -> list[str]:
    problems: list[str] = []
    first: dict[tuple[str, int], int] = {}
    for number, image_id, class_index in rows:
        if image_id not in image_ids:
            problems.append(f"{path}, row {number}: there is no test image {image_id!r}")
        earlier = first.setdefault((image_id, class_index), number)
        if earlier != number:
            problems.append(f"{path}, row {number}: {image_id!r}, class {class_names[class_index]} is in row {earlier}")
    listed = {image_id for _, image_id, _ in rows}
    problems += [f"{path}: test image {image_id!r} has no row" for image_id in sorted(image_ids - listed)]
    return problems
