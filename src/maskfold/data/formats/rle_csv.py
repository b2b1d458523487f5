"""Reader for images in folders with labels as run lengths in a csv.

Both forms of Severstal need no more than the file: `ImageId_ClassId,EncodedPixels` has a row for every image and class,
blank where the mask is empty; `ImageId,ClassId,EncodedPixels` has rows for masks that show something. Other names,
a column a class, and a single class without a column are told by `data.columns`. An image without rows is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskfold.config import RleColumns, RleCsvData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.csv_files import header_of, read_csv
from maskfold.data.image_ids import HINTED, images_by_id, nearest_name
from maskfold.data.images.files import ImageHeader, image_table
from maskfold.data.images.suffixes import SUFFIXES
from maskfold.data.problems import Problems, data_root, reading_of
from maskfold.data.validation import (
    check_files,
    check_sample,
    checked_groups,
    readable,
)
from maskfold.pixels.rle import (
    Order,
    RleError,
    decode,
    parse_runs,
)

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
class RleMasks:
    """Decodes the masks of an image when asked; picklable, and small because it holds only text.

    runs: image_id -> class index -> RLE text, of several rows a line each; sizes: image_id -> (height, width) in px.
    """

    runs: Mapping[str, Mapping[int, str]]
    sizes: Mapping[str, tuple[int, int]]
    class_count: int
    order: Order

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1} of a training image; KeyError for any other."""
        height, width = self.sizes[image_id]
        masks = np.zeros((self.class_count, height, width), dtype=np.uint8)
        for class_index, rle in self.runs.get(image_id, {}).items():
            for line in rle.split("\n"):
                masks[class_index] |= decode(line, height, width, self.order)
        return masks


def open_rle_csv(
    data: RleCsvData, on_bad_image: OnBadImage = "strict", problems: Problems | None = None
) -> Competition:
    """Read and check the whole competition.

    Raises DataError with all problems together: missing, truncated or unreadable images, rows of images that are not
    there or climb out of their folder, unknown classes, duplicate rows, bad run lengths, and what is wrong with the
    groups and the sample file.
    """
    root, problems = data_root(data.root), Problems() if problems is None else problems
    csv_path = root / data.train_csv
    rows = problems.attempt(
        lambda: read_label_rows(csv_path, data.columns, data.class_names, problems), list[LabelRow]()
    )
    rows = [replace(row, rle="") if row.rle == data.empty_token else row for row in rows]
    by_stem = bool(rows) and not any(row.image_id.lower().endswith(SUFFIXES) for row in rows)
    train = images_by_id(root / data.train_images, by_stem, problems)
    test = images_by_id(None if data.test_images is None else root / data.test_images, by_stem, problems)
    headers, unreadable = check_files(train.values(), test, data.check, on_bad_image, problems)
    problems += _row_problems(csv_path, rows, data, train, headers)
    groups = checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    problems.raise_any()
    train, test = readable(train, headers), readable(test, headers)
    return Competition(
        class_names=data.class_names,
        train=image_table(train, headers, groups or None),
        test=image_table(test, headers),
        masks=_masks(rows, data, train, headers),
        label_files=(csv_path,) if data.groups_csv is None else (csv_path, root / data.groups_csv),
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
    )


def read_label_rows(
    path: Path,
    columns: RleColumns | None = None,
    class_names: Sequence[str] = (),
    row_problems: list[str] | None = None,
) -> list[LabelRow]:
    """The rows of a label csv; blank run lengths are kept. Raises DataError when it is no such csv.

    columns: the names of its columns, None for either form of Severstal; class_names: needed where the rows name none;
    row_problems: see read_csv.
    """
    if columns is None:
        columns = _TWO_COLUMNS if set(_TWO_COLUMNS.names) <= set(header_of(path)) else _ONE_COLUMN
        table = read_csv(path, [_TWO_COLUMNS.names, _ONE_COLUMN.names], row_problems)
    else:
        table = read_csv(path, [columns.names], row_problems)
    return [
        row for number, fields in table.select(columns.names) for row in _rows(number, fields, columns, class_names)
    ]


def _rows(number: int, fields: Sequence[str], columns: RleColumns, class_names: Sequence[str]) -> Iterator[LabelRow]:
    """The label rows in one row of the csv, `fields` being in the order of columns.names."""
    if columns.image_class is not None:
        image_id, _, class_name = fields[0].rpartition("_")
        yield LabelRow(number, image_id, class_name, fields[1])
    elif columns.rle_of is not None:
        for class_name, rle in zip(columns.rle_of, fields[1:], strict=True):
            yield LabelRow(number, fields[0], class_name, rle)
    elif columns.class_name is not None:
        yield LabelRow(number, *fields)
    else:
        yield LabelRow(number, fields[0], class_names[0], fields[1])


def _masks(
    rows: Sequence[LabelRow], data: RleCsvData, train: Mapping[str, Path], headers: Mapping[Path, ImageHeader]
) -> RleMasks:
    runs: dict[str, dict[int, str]] = {}
    for row in rows:
        if row.rle and row.class_name in data.class_names:  # another class is a problem that is tolerated
            own, index = runs.setdefault(row.image_id, {}), data.class_names.index(row.class_name)
            own[index] = f"{own[index]}\n{row.rle}" if index in own else row.rle
    sizes = {image_id: (headers[path].height, headers[path].width) for image_id, path in train.items()}
    return RleMasks(runs, sizes, len(data.class_names), data.order)


def _row_problems(
    csv_path: Path,
    rows: Sequence[LabelRow],
    data: RleCsvData,
    train: Mapping[str, Path],
    headers: Mapping[Path, ImageHeader],
) -> list[str]:
    """All that is wrong with the label rows; `headers` lacks the images that cannot be read."""
    problems: list[str] = []
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        place = f"{csv_path}, row {row.number}:"
        if not row.image_id:
            told = f"{place} no image id beside class {row.class_name!r}"
            problems.append(f"{told}; a column that holds both is written <image>_<class>")
        elif _climbs(row.image_id):
            problems.append(f"{place} image id {row.image_id!r} climbs out of its folder")
        elif train and row.image_id not in train:
            near = nearest_name(row.image_id, train) if len(problems) < HINTED else ""
            problems.append(f"{place} there is no training image {row.image_id!r}{near}")
        if row.class_name not in data.class_names:
            known = ", ".join(data.class_names)
            problems.append(f"{place} unknown class {row.class_name!r}; data.class_names has {known}")
        earlier = first.setdefault((row.image_id, row.class_name), row.number)
        if earlier != row.number and data.several_rows == "refuse":
            problems.append(
                f"{place} {row.image_id!r}, class {row.class_name} is in row {earlier} already; "
                "if each row is an object, set data.several_rows: union"
            )
        header = headers.get(train[row.image_id]) if row.image_id in train else None
        try:
            parse_runs(row.rle, None if header is None else header.height * header.width)
        except RleError as error:
            cure = f"; if it stands for an empty mask, set data.empty_token: {row.rle!r}" if row.rle == "-1" else ""
            problems.append(f"{place} bad run lengths of {row.image_id!r}, class {row.class_name}: {error}{cure}")
    return problems


def _climbs(image_id: str) -> bool:
    """Whether an id used as a file name would leave its folder."""
    return "/" in image_id or "\\" in image_id or image_id in ("", ".", "..") or ":" in image_id[1:2]
