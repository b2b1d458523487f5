"""Reader for images in folders with labels as run lengths in a csv; see label_rows. An image without rows is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maskfold.config import RleCsvData
from maskfold.data.competition import Competition, IgnoredSource, MaskSource, OnBadImage, SoftSource
from maskfold.data.formats.ignore_masks import LabelledMasks
from maskfold.data.image_ids import images_by_id, list_names
from maskfold.data.images.files import image_table
from maskfold.data.images.naming import name_in_folder
from maskfold.data.images.suffixes import SUFFIXES, without_image_suffix
from maskfold.data.label_rows import LabelRow, RowRules, RunOrder, joined, read_label_rows, unknown_images, usable_rows
from maskfold.data.problems import Problems, data_root, reading_of
from maskfold.data.validation import check_files, check_sample, checked_groups, readable
from maskfold.pixels.rle import Order, decode, parse_runs
from maskfold.pixels.run_order import edges_by_order
from maskfold.pixels.soft import hard, mean_mask

_LOOKED_AT = 60  # masks whose edges show the order
_FEWEST = 3  # masks
_CERTAIN = 2.5  # times as many edges in the order of the config
_COUNTED = 2000  # masks whose starts are counted
_CROSSING = 10  # starts in the last pixel of a line


@dataclass(frozen=True)
class RleMasks:
    """Decodes the masks of an image when asked; picklable, and small because it holds only text.

    runs: image_id -> class index -> RLE text, of several rows a line each; sizes: image_id -> (height, width) in px;
    voted: each row is the mask of an annotator, and a pixel is on where at least half of them see it.
    """

    runs: Mapping[str, Mapping[int, str]]
    sizes: Mapping[str, tuple[int, int]]
    class_count: int
    order: Order
    voted: bool = False

    def __call__(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1} of a training image; KeyError for any other."""
        if self.voted:
            return hard(self.soft(image_id))
        height, width = self.sizes[image_id]
        masks = np.zeros((self.class_count, height, width), dtype=np.uint8)
        for class_index, rle in self.runs.get(image_id, {}).items():
            for line in rle.split("\n"):
                masks[class_index] |= decode(line, height, width, self.order)
        return masks

    def soft(self, image_id: str) -> np.ndarray:
        """(C, H, W) uint8, q stands for the share q/255 of annotators; KeyError for any other image."""
        height, width = self.sizes[image_id]
        shares = np.zeros((self.class_count, height, width), dtype=np.uint8)
        for class_index, rle in self.runs.get(image_id, {}).items():
            votes = [255 * decode(line, height, width, self.order) for line in rle.split("\n")]
            shares[class_index] = mean_mask(votes)
        return shares


def order_problems(
    path: Path, masks: Sequence[tuple[str, int, int]], order: RunOrder, option: str = "data.order:"
) -> list[str]:
    """What is wrong where the masks are clearly torn apart in this order and whole in the other one, or one pixel off.

    masks: absolute run lengths with height and width in px; some of them are looked at; option: what sets the order. In
    square images both orders look alike, and nothing is said.
    """
    edges = edges_by_order(masks[:: max(1, len(masks) // _LOOKED_AT)])
    stated: Order = "row" if order == "row" else "column"
    clear = edges.clearer(_CERTAIN)
    if clear in (None, stated) or len(masks) < _FEWEST:
        return _zero_based(path, masks, stated)
    return [
        f"{path}: read with {option} {order}, the masks are torn apart ({getattr(edges, stated)} edges, and "
        f"{getattr(edges, clear)} in the other order); set {option} {clear}"
    ]


def _zero_based(path: Path, masks: Sequence[tuple[str, int, int]], order: Order) -> list[str]:
    """What is wrong where starts seem to count from 0: runs begin in the last pixel of a line and go on in the next.

    A line is a column or a row. Objects that the edge of the image cuts begin at its first pixel.
    """
    crossing = beginning = 0
    for text, height, width in masks[:: max(1, len(masks) // _COUNTED)]:
        side = width if order == "row" else height
        runs = parse_runs(text)
        place = (runs[:, 0] - 1) % side
        crossing += int(((place == side - 1) & (runs[:, 1] > 1)).sum())
        beginning += int((place == 0).sum())
    if crossing < _CROSSING or crossing <= _CERTAIN * beginning:
        return []
    return [
        f"{path}: {crossing} runs begin in the last pixel of a {order} and go on in the next {order}, and {beginning} "
        "begin in the first pixel of one: do starts count from 0? They must count from 1; add 1 to each"
    ]


@dataclass(frozen=True)
class OneClass:
    """The mask of the one class that masks have; picklable."""

    masks: RleMasks

    def __call__(self, image_id: str) -> np.ndarray:
        """(H, W) uint8 in {0, 1} of a training image; KeyError for any other."""
        plane: np.ndarray = self.masks(image_id)[0]
        return plane


def masks_of_rows(
    rows: Sequence[LabelRow], class_names: Sequence[str], sizes: Mapping[str, tuple[int, int]], rules: RowRules
) -> tuple[MaskSource, IgnoredSource | None, SoftSource | None]:
    """The masks of usable rows, the pixels that rows of `rules.ignore_class` name, None without such a class, and the
    soft masks that rows vote for, None where they do not."""
    order: Order = "row" if rules.order == "row" else "column"
    void = [row for row in rows if row.class_name == rules.ignore_class]
    labelled = [row for row in rows if row.class_name != rules.ignore_class]
    voted = rules.several_rows == "mean"
    masks = RleMasks(joined(labelled, class_names), sizes, len(class_names), order, voted)
    soft = masks.soft if voted else None
    if rules.ignore_class is None:
        return masks, None, soft
    ignored = OneClass(RleMasks(joined(void, [rules.ignore_class]), sizes, 1, order))
    return LabelledMasks(masks, ignored), ignored, None if soft is None else LabelledMasks(soft, ignored)


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
    rules = RowRules(data.order, data.empty_token, data.several_rows, ignore_class=data.ignore_class)
    rows = usable_rows(csv_path, rows, data.class_names, sizes, rules, problems)
    shown = [(row.rle, *sizes[row.image_id]) for row in rows if row.rle and row.image_id in sizes]
    problems += order_problems(csv_path, shown, data.order)
    groups = checked_groups(root, data.groups_csv, train, problems)
    sample = check_sample(root, data.sample_submission, data.class_names, test, problems)
    problems.raise_any()
    train, test = readable(train, headers), readable(test, headers)
    masks, ignored, soft = masks_of_rows(rows, data.class_names, sizes, rules)
    return Competition(
        class_names=data.class_names,
        train=image_table(train, headers, groups or None),
        test=image_table(test, headers),
        masks=masks,
        label_files=(csv_path,) if data.groups_csv is None else (csv_path, root / data.groups_csv),
        reading=reading_of(data),
        sample_submission=sample,
        unreadable=unreadable,
        ignored=ignored,
        soft=soft,
    )


def _rows_of(data: RleCsvData, problems: Problems) -> list[LabelRow]:
    """The rows of the label csv, each image called as its folder calls it, without the folder's own name."""
    root = data_root(data.root)
    names = list_names(root / data.train_images)
    known = {*names, *map(without_image_suffix, names)}
    known |= {f"{data.train_images}/{name}" for name in known}
    classes = (*data.class_names, *(() if data.ignore_class is None else (data.ignore_class,)))
    rows = read_label_rows(root / data.train_csv, data.columns, classes, problems, known)
    return [replace(row, image_id=name_in_folder(row.image_id, data.train_images)) for row in rows]
