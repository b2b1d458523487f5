"""Reader for images in folders with labels as run lengths in a csv; see label_rows. An image without rows is empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from maskfold.config import RleCsvData
from maskfold.data.competition import Competition, OnBadImage
from maskfold.data.image_ids import images_by_id, list_names
from maskfold.data.images.files import image_table
from maskfold.data.images.naming import name_in_folder
from maskfold.data.images.suffixes import SUFFIXES, without_image_suffix
from maskfold.data.label_rows import LabelRow, RowRules, joined, read_label_rows, unknown_images, usable_rows
from maskfold.data.problems import Problems, data_root, reading_of
from maskfold.data.validation import check_files, check_sample, checked_groups, readable
from maskfold.pixels.rle import Order, decode


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
    rows = problems.attempt(lambda: _rows_of(data, problems), list[LabelRow]())
    by_stem = bool(rows) and not any(row.image_id.lower().endswith(SUFFIXES) for row in rows)
    train = images_by_id(root / data.train_images, by_stem, problems)
    test = images_by_id(None if data.test_images is None else root / data.test_images, by_stem, problems)
    headers, unreadable = check_files(train.values(), test, data, on_bad_image, problems)
    problems += unknown_images(csv_path, rows, train)
    sizes = {image_id: headers[path][:2] for image_id, path in train.items() if path in headers}
    rules = RowRules(data.order, data.empty_token, data.several_rows)
    rows = usable_rows(csv_path, rows, data.class_names, sizes, rules, problems)
    groups = checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    problems.raise_any()
    train, test = readable(train, headers), readable(test, headers)
    order: Order = "row" if data.order == "row" else "column"
    return Competition(
        class_names=data.class_names,
        train=image_table(train, headers, groups or None),
        test=image_table(test, headers),
        masks=RleMasks(joined(rows, data.class_names), sizes, len(data.class_names), order),
        label_files=(csv_path,) if data.groups_csv is None else (csv_path, root / data.groups_csv),
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
    )


def _rows_of(data: RleCsvData, problems: Problems) -> list[LabelRow]:
    """The rows of the label csv, each image called as its folder calls it, without the folder's own name."""
    root = data_root(data.root)
    names = list_names(root / data.train_images)
    known = {*names, *map(without_image_suffix, names)}
    known |= {f"{data.train_images}/{name}" for name in known}
    rows = read_label_rows(root / data.train_csv, data.columns, data.class_names, problems, known)
    return [replace(row, image_id=name_in_folder(row.image_id, data.train_images)) for row in rows]
