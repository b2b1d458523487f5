"""The rows of a csv of run lengths: which image and class each is of, checked, and joined where an object has its own.

Both forms of Severstal need no more than the file: `ImageId_ClassId,EncodedPixels` has a row for every image and class,
blank where the mask is empty; `ImageId,ClassId,EncodedPixels` has rows for non-empty masks. Other names, a column a
class, and a single class without a column are given by `data.columns`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from maskfold.config import RleColumns
from maskfold.data.csv_files import header_of, read_csv
from maskfold.data.image_ids import HINTED, lies_elsewhere, nearest_name
from maskfold.data.problems import Problems
from maskfold.pixels.rle import RleError, absolute_runs, parse_runs

RunOrder = Literal["column", "row", "relative"]
SeveralRows = Literal["refuse", "union", "mean"]

_ONE_COLUMN = RleColumns(image_class="ImageId_ClassId", rle="EncodedPixels")
_TWO_COLUMNS = RleColumns(image="ImageId", class_name="ClassId", rle="EncodedPixels")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row of the label csv; `number` counts from the header, which is row 1."""

    number: int
    image_id: str
    class_name: str
    rle: str


@dataclass(frozen=True)
class RowRules:
    """How the rows of a label csv are read.

    order: of the run lengths; relative ones are column-major, each start counted from the end of the run before;
    empty_token: means an empty mask, as a blank does; several_rows: of one image and class (`mean`: blank
    rows are votes too); ignore_class: its masks are pixels that nobody labelled. The options are what
    messages call the settings that change them.
    """

    order: RunOrder = "column"
    empty_token: str = ""
    several_rows: SeveralRows = "refuse"
    order_option: str = "data.order: relative"
    token_option: str = "data.empty_token: "
    union_option: str = "data.several_rows: union"
    ignore_class: str | None = None


def read_label_rows(
    path: Path,
    columns: RleColumns | None = None,
    class_names: Sequence[str] = (),
    row_problems: list[str] | None = None,
    known: Collection[str] = (),
) -> list[LabelRow]:
    """The rows of a label csv; blank run lengths are kept. Raises DataError when it is no such csv.

    columns: the names of its columns, None for either form of Severstal; class_names: needed where the rows name none;
    row_problems: see read_csv; known: images, which show where an image ends and its class begins in <image>_<class>.
    """
    if columns is None:
        columns = _TWO_COLUMNS if set(_TWO_COLUMNS.names) <= set(header_of(path)) else _ONE_COLUMN
        table = read_csv(path, [_TWO_COLUMNS.names, _ONE_COLUMN.names], row_problems)
    else:
        table = read_csv(path, [columns.names], row_problems)
    images = frozenset(known)
    return [
        row
        for number, fields in table.select(columns.names)
        for row in _rows(number, fields, columns, class_names, images)
    ]


def _rows(
    number: int, fields: Sequence[str], columns: RleColumns, class_names: Sequence[str], known: Collection[str]
) -> Iterator[LabelRow]:
    """The label rows in one row of the csv, `fields` being in the order of columns.names."""
    if columns.image_class is not None:
        yield LabelRow(number, *split_joined(fields[0], class_names, known), fields[1])
    elif columns.rle_of is not None:
        for class_name, rle in zip(columns.rle_of, fields[1:], strict=True):
            yield LabelRow(number, fields[0], class_name, rle)
    elif columns.class_name is not None:
        yield LabelRow(number, *fields)
    else:
        yield LabelRow(number, fields[0], class_names[0], fields[1])


def split_joined(text: str, class_names: Collection[str], known: Collection[str]) -> tuple[str, str]:
    """Image and class of <image>_<class>, either of which may hold an underscore itself.

    The image is a known one and the class one of class_names, where possible; without class names the longest known
    image is taken, and where nothing fits the last underscore divides them. Where several splits fit, the class is "".
    """
    places = [place for place in range(1, len(text)) if text[place] == "_"]
    splits = [(text[:place], text[place + 1 :]) for place in places]
    fitting = [split for split in splits if split[1] in class_names] if class_names else splits[::-1]
    images = [split for split in fitting if split[0] in known]
    if len(images) > 1 and class_names:
        return text, ""
    if images or (class_names and fitting):
        return (images or fitting)[0]
    image, _, class_name = text.rpartition("_")
    return image, class_name


def usable_rows(
    path: Path,
    rows: Sequence[LabelRow],
    class_names: Sequence[str],
    sizes: Mapping[str, tuple[int, int]],
    rules: RowRules,
    problems: Problems,
) -> list[LabelRow]:
    """The rows that show something or are votes, with absolute run lengths; what is wrong is added to `problems`.

    sizes: image_id -> (height, width) in px, of the images that can be read. Rows of other images are not checked
    here. A row without class and run lengths says that its image is empty.
    """
    good: list[LabelRow] = []
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        text = "" if row.rle == rules.empty_token else row.rle
        if not text and not row.class_name:
            continue
        place = f"{path}, row {row.number}:"
        if row.class_name not in (*class_names, rules.ignore_class):
            several = "" if row.class_name else f" (of {row.image_id!r}, which may be split in several ways or in none)"
            known = ", ".join(class_names)
            problems.append(f"{place} unknown class {row.class_name!r}{several}; data.class_names has {known}")
        earlier = first.setdefault((row.image_id, row.class_name), row.number)
        if earlier != row.number and rules.several_rows == "refuse":
            problems.append(
                f"{place} {row.image_id!r}, class {row.class_name} is in row {earlier} already; "
                f"if each row is an object, set {rules.union_option}; if each is of an annotator, mean in its place"
            )
        height, width = sizes.get(row.image_id, (0, 0))
        pixels = height * width or None
        try:
            absolute = absolute_runs(text) if rules.order == "relative" else text
            parse_runs(absolute, pixels)
        except RleError as error:
            fix = _fix(text, pixels, rules)
            problems.append(f"{place} bad run lengths of {row.image_id!r}, class {row.class_name}: {error}{fix}")
            continue
        if (absolute or rules.several_rows == "mean") and row.class_name in (*class_names, rules.ignore_class):
            good.append(replace(row, rle=absolute))
    return good


def _fix(text: str, pixels: int | None, rules: RowRules) -> str:
    """What to set where bad run lengths are good ones of another kind."""
    if text == "-1":
        return f"; if it means an empty mask, set {rules.token_option}{text!r}"
    if rules.order == "relative":
        return ""
    try:
        parse_runs(absolute_runs(text), pixels)
    except RleError:
        return ""
    return f"; if each start is counted from the end of the run before it, as in SIIM-ACR, set {rules.order_option}"


def joined(rows: Sequence[LabelRow], class_names: Sequence[str]) -> dict[str, dict[int, str]]:
    """image_id -> class index -> run lengths, those of several rows a line each."""
    places = {name: index for index, name in enumerate(class_names)}
    runs: dict[str, dict[int, str]] = {}
    for row in rows:
        own, index = runs.setdefault(row.image_id, {}), places[row.class_name]
        own[index] = f"{own[index]}\n{row.rle}" if index in own else row.rle
    return runs


def unknown_images(path: Path, rows: Sequence[LabelRow], train: Collection[str]) -> list[str]:
    """One problem for each row of an image that is not there."""
    problems: list[str] = []
    for row in rows:
        place = f"{path}, row {row.number}:"
        if not row.image_id:
            expected = "a column that holds both is written <image>_<class>"
            problems.append(f"{place} no image id with class {row.class_name!r}; {expected}")
        elif _climbs(row.image_id):
            problems.append(f"{place} image id {row.image_id!r} leads out of its folder")
        elif train and row.image_id not in train:
            hinted = len(problems) < HINTED
            near = (nearest_name(row.image_id, train) or lies_elsewhere(path.parent, row.image_id)) if hinted else ""
            problems.append(f"{place} there is no training image {row.image_id!r}{near}")
    return problems


def _climbs(image_id: str) -> bool:
    """Whether an id used as a file name would leave its folder."""
    return "/" in image_id or "\\" in image_id or image_id in ("", ".", "..") or ":" in image_id[1:2]
