"""Csv files whose columns name photos and masks: which is which, and rows that nobody labelled."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskfold.data.recognition.csv_paths import csvs_of_paths
from maskfold.data.recognition.folders import folders_below
from maskfold.errors import DataError

SQUARE = np.zeros((12, 16), np.uint8)
SQUARE[2:9, 3:12] = 255


def write(root, columns, rows, masks=SQUARE):
    """A csv in the root, and every file that it names: masks where the column or folder is called so."""
    root.mkdir(exist_ok=True)
    (root / "data.csv").write_text("\n".join([",".join(columns), *(",".join(row) for row in rows)]) + "\n")
    for row in rows:
        for text in row:
            if text.endswith(".png"):
                (root / text).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(root / text), masks if text.startswith("m") else SQUARE // 2 + 9)


def proposals(root, misses=None, **given):
    return csvs_of_paths(root, folders_below(root), [] if misses is None else misses, given)


def pairs(count, *more):
    return [(f"p/{number}.png", f"m/{number}.png", *more) for number in range(count)]


def test_a_column_of_photos_and_one_of_masks(root):
    write(root, ["photo", "the_mask", "note"], pairs(4, "x"))
    [found] = proposals(root)
    assert found.section["columns"] == {"image": "photo", "mask": "the_mask"}
    assert found.section["train_csv"] == "data.csv" and "several_rows" not in found.section
    assert "column photo: the photo (4 rows)" in found.notes
    assert "columns that are not used: note" in found.notes


def test_of_two_columns_that_do_not_say_the_first_is_the_photo(root):
    write(root, ["a", "b"], pairs(3))
    [found] = proposals(root)
    assert found.section["columns"] == {"image": "a", "mask": "b"}


@pytest.mark.parametrize("columns", [["a", "b", "c"], ["mask_a", "mask_b", "truth"]])
def test_columns_that_may_be_either_are_refused(root, columns):
    write(root, columns, [(f"p/{n}.png", f"m/{n}.png", f"m2/{n}.png") for n in range(3)])
    with pytest.raises(DataError, match="name images, but not which is the photo"):
        proposals(root)


def test_a_photo_in_two_rows_has_masks_that_are_joined(root):
    write(root, ["photo", "mask"], [*pairs(3), ("p/0.png", "m/9.png")])
    [found] = proposals(root)
    assert found.section["several_rows"] == "union"
    assert "1 row of an image that has one already: joined" in found.notes


def test_a_column_of_masks_a_class(root):
    rows = [(f"p/{n}.png", f"m/{n}.png", f"m2/{n}.png") for n in range(3)]
    write(root, ["photo", "mask_cat", "mask_dog"], rows)
    [found] = proposals(root)
    assert found.section["class_names"] == ("mask_cat", "mask_dog")
    assert found.section["columns"] == {
        "image": "photo",
        "mask": None,
        "mask_of": {"mask_cat": "mask_cat", "mask_dog": "mask_dog"},
    }
    several = SQUARE // 255
    several[:, :5] *= 2
    write(root, ["photo", "mask_cat", "mask_dog"], rows, several)
    with pytest.raises(DataError, match=r"2 columns of masks .*, whose files hold several values each"):
        proposals(root)


@pytest.mark.parametrize("splits", [1, 2, 4, 5])
def test_a_split_without_masks_is_nobodys_labels(root, splits):
    """Up to four splits; a column of more says something else."""
    rows = [row for number in range(splits) for row in pairs(2, f"fold{number}")]
    rows[:2] = [(photo, "" if splits > 1 else mask, split) for photo, mask, split in rows[:2]]
    write(root, ["photo", "mask", "part"], rows)
    misses = []
    found = proposals(root, misses)
    if splits in (2, 4):
        assert found == []
        [miss] = misses
        assert "2 rows with fold0 in column part have no mask" in miss
        assert len(proposals(root, [], train_csv="data.csv")) == 1  # the config says that they are empty
    else:
        assert len(found) == 1 and misses == []


def test_a_split_of_which_some_rows_have_masks_is_labelled(root):
    rows = [*pairs(2, "train"), ("p/7.png", "", "valid"), ("p/8.png", "m/8.png", "valid")]
    write(root, ["photo", "mask", "part"], rows)
    assert len(proposals(root)) == 1
    write(root, ["photo", "mask", "part"], [*pairs(2, "train"), ("p/7.png", "", "other")])  # not all name a split
    assert len(proposals(root)) == 1


@pytest.mark.parametrize(("missing", "fits"), [(1, True), (2, False)])
def test_nine_of_ten_fields_name_files(root, missing, fits):
    write(root, ["photo", "mask"], pairs(10))
    for number in range(missing):
        (root / f"m/{number}.png").unlink()
    assert len(proposals(root)) == fits


def test_one_column_of_ignore_masks(root):
    rows = [(f"p/{n}.png", f"m/{n}.png", f"v/{n}.png", f"w/{n}.png") for n in range(3)]
    write(root, ["photo", "mask", "ignore", "note"], rows[:0] + [(*row[:3], "x") for row in rows])
    [found] = proposals(root)
    assert found.section["columns"] == {"image": "photo", "mask": "mask", "ignore": "ignore"}
    write(root, ["photo", "mask", "ignore", "ignored"], rows)
    with pytest.raises(DataError, match="may all name ignore masks"):
        proposals(root)
