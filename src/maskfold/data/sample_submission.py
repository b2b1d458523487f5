"""A competition's sample submission: the rows a submission must have, their order, and the names of the images."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from maskfold.config import ImageNames, Layout
from maskfold.data.csv_files import CsvTable, read_csv
from maskfold.data.images.naming import ids_by_name, unlisted, written_names
from maskfold.data.label_rows import split_joined
from maskfold.data.sample_submission_json import read_sample_json
from maskfold.errors import DataError


@dataclass(frozen=True)
class SampleFile:
    """The form a submission must have.

    columns: header of a csv; image_column, class_column (None but in layout image_class_columns),
    rle_column: names among them, "" where it is no csv; rows: image_id and class index, in the order of the file;
    names: image_id -> what the file calls it; category_ids: of the classes, in coco_json; repeated: one line for each
    further row of an image and class, which only a submission of objects has; image_of_row: image_id of every row of a
    csv, repeated ones too.
    """

    layout: Layout
    columns: tuple[str, ...]
    image_column: str
    class_column: str | None
    rle_column: str
    rows: tuple[tuple[str, int], ...]
    names: Mapping[str, str] = field(default_factory=dict)
    category_ids: tuple[int, ...] = ()
    repeated: tuple[str, ...] = ()
    image_of_row: tuple[str, ...] = ()

    def roles_in(self, header: tuple[str, ...]) -> Roles | None:
        """What the columns of a submission csv are for: those of this form, or by their names."""
        if sorted(header) == sorted(self.columns):
            return Roles(self.layout, self.image_column, self.class_column, self.rle_column)
        return csv_roles(header)


class Roles(NamedTuple):
    """What the columns of a submission csv are for."""

    layout: Layout
    image_column: str
    class_column: str | None
    rle_column: str


def sample_in(root: Path) -> str | None:
    """The one csv or json in a folder that is called a sample submission; None where there are none or several.

    Of several files that have sample in their names, those count that have submission in it too.
    """
    suffixes = (".csv", ".json")
    named = [path.name for path in root.iterdir() if path.suffix.lower() in suffixes and "sample" in path.stem.lower()]
    found = [name for name in named if "submi" in name.lower()] or [n for n in named if n.lower().endswith(".csv")]
    return found[0] if len(found) == 1 else None


EXPECTED = "image, class and run lengths (ImageId,ClassId,EncodedPixels), or ImageId_ClassId,EncodedPixels, or id,rle"


def read_sample_file(
    path: Path, class_names: Sequence[str], images: Mapping[str, Path], naming: ImageNames | None = None
) -> SampleFile:
    """Read a sample submission and check it against the test images.

    The header of a csv shows its layout: three columns, one of them naming a class; or two, `ImageId_ClassId` or one
    row an image. Of several classes, headers that say nothing (`id,label,rle`, `Image_Label,EncodedPixels`) follow from
    the rows. A json lists images, and perhaps categories, as COCO does. images: image_id -> file of the test images,
    sorted by file name; naming: submission.image_names, None where numbers may be places in that order. Raises
    DataError with all problems: no such file, unknown classes, images that are not among `images`, images that are not
    in the file.
    """
    if path.suffix.lower() == ".json":
        sample = read_sample_json(path, class_names, images, naming)
        return SampleFile("coco_json", (), "", None, "", sample.rows, sample.names, sample.category_ids)
    table = read_csv(path)
    known = written_names(images)
    roles = _roles_by_rows(table, class_names, known) or csv_roles(table.header)
    if roles is None:
        raise DataError([f"{path}, row 1: found the header {','.join(table.header)}; expected {EXPECTED}"])
    numbered, problems = _rows(table, roles, tuple(class_names), known)
    ids, hint = ids_by_name({name for _, name, _ in numbered}, images, naming)
    problems += [
        f"{path}, row {number}: there is no test image {name!r}{hint}"
        for number, name, _ in numbered
        if name not in ids
    ]
    problems += unlisted(path, images, {ids.get(name) for _, name, _ in numbered}, "has no row") if not hint else []
    if problems:
        raise DataError(problems)
    rows = tuple(dict.fromkeys((ids[name], class_index) for _, name, class_index in numbered))
    names = {ids[name]: name for _, name, _ in numbered}
    columns = (roles.image_column, roles.class_column, roles.rle_column)
    repeated, image_of_row = _repeated(path, numbered, class_names), tuple(ids[name] for _, name, _ in numbered)
    return SampleFile(roles.layout, table.header, *columns, rows, names, (), repeated, image_of_row)


def csv_roles(header: tuple[str, ...]) -> Roles | None:
    """What the columns of a submission csv are for, by their names; None for no such csv."""
    if len(header) == 2:
        both = header[0].lower().replace("_", "") == "imageidclassid"
        return Roles("image_class_id" if both else "image", header[0], None, header[1])
    class_columns = [name for name in header if "class" in name.lower()]
    if len(header) == 3 and len(class_columns) == 1:
        image_column, rle_column = [name for name in header if name not in class_columns]
        return Roles("image_class_columns", image_column, class_columns[0], rle_column)
    return None


def _roles_by_rows(table: CsvTable, class_names: Sequence[str], known: Collection[str]) -> Roles | None:
    """The roles of a sample's columns where classes show in its rows but not in its header; else None."""
    by_name, header = csv_roles(table.header), table.header
    if by_name is not None and by_name.layout != "image":
        return None
    if by_name is not None:
        texts = [fields[0] for _, fields in table.rows if fields[0] not in known]
        splits = [split_joined(text, class_names, known) for text in texts]
        ends = sum(name in class_names for _, name in splits)
        whole = sum(image in known and name in class_names for image, name in splits)
        joined = bool(ends) if len(class_names) > 1 else bool(whole)
        return by_name._replace(layout="image_class_id") if joined else None
    if len(class_names) < 2:
        return None
    columns = [name for place, name in enumerate(header) if all(row[place] in class_names for _, row in table.rows)]
    if len(header) != 3 or len(columns) != 1:
        return None
    image_column, rle_column = [name for name in header if name not in columns]
    return Roles("image_class_columns", image_column, columns[0], rle_column)


def image_and_class(
    fields: Sequence[str], roles: Roles, class_names: Sequence[str], known: Collection[str] = ()
) -> tuple[str, str]:
    """What a row calls its image, and its class.

    fields: the image column's and, where there is one, the class's; known: what images may be called.
    """
    if roles.layout == "image_class_id":
        return split_joined(fields[0], class_names, known)
    return fields[0], class_names[0] if roles.class_column is None else fields[1]


def _rows(
    table: CsvTable, roles: Roles, class_names: tuple[str, ...], known: Collection[str]
) -> tuple[list[tuple[int, str, int]], list[str]]:
    """(row number, image as written, class index) of the good rows, and the problems of the others."""
    columns = [roles.image_column] if roles.class_column is None else [roles.image_column, roles.class_column]
    rows, problems = [], []
    for number, fields in table.select(columns):
        name, class_name = image_and_class(fields, roles, class_names, known)
        if class_name in class_names:
            rows.append((number, name, class_names.index(class_name)))
        else:
            known = ", ".join(class_names)
            problems.append(f"{table.path}, row {number}: unknown class {class_name!r}; data.class_names has {known}")
    return rows, problems


def _repeated(path: Path, rows: list[tuple[int, str, int]], class_names: Sequence[str]) -> tuple[str, ...]:
    """One line for each row of an image and class that an earlier row has."""
    lines = []
    first: dict[tuple[str, int], int] = {}
    for number, name, class_index in rows:
        earlier = first.setdefault((name, class_index), number)
        if earlier != number:
            lines.append(f"{path}, row {number}: {name!r}, class {class_names[class_index]} is in row {earlier}")
    return tuple(lines)
