"""What single columns of a label csv are taken for, each rule at its limit."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskfold.data.csv_files import CsvTable
from maskfold.data.recognition.csv_columns import (
    ClassColumn,
    Runs,
    class_behind,
    class_columns,
    image_column,
    images_spread,
    repeats,
    runs_in,
    same_classes,
    sorted_names,
)
from maskfold.data.recognition.folders import Folder


def table(**columns):
    """A csv of these columns."""
    rows = tuple(enumerate(zip(*columns.values(), strict=True), 2))
    return CsvTable(Path("labels.csv"), tuple(columns), rows)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["1 3 7 2", "", "5 1"], Runs("rle", "", False)),
        (["1 3 7 2", "-1", "5 1"], Runs("rle", "-1", False)),
        (["1 3 7 2", "NaN", "-1", "-1", "5 1"] + ["9 1"] * 5, Runs("rle", "-1", False)),  # 7 of 8 others are runs …
        (["7 3 1 2", "0 2 9 1"], Runs("rle", "", True)),  # relative run lengths may start at 0
        (["1 3"] * 9 + ["tree"], Runs("rle", "", False)),  # 0.9
        (["1 3"] * 8 + ["tree"], None),
        (["12 3", "12 3", "12 3"], None),  # one pair thrice: a size
        (["12 3", "12 3"], Runs("rle", "", False)),
        (["12 3 20 1"] * 3, Runs("rle", "", False)),
        (["12", "13"], None),
        (["", "-1"], None),
    ],
)
def test_run_lengths(texts, found):
    if "NaN" in texts:
        texts = [text for text in texts if text != "NaN"] + ["9 2", "9 3", "NaN"]  # … then 9 of 10, as it must be
    assert runs_in(table(rle=texts), "rle") == found


@pytest.fixture
def folders(tmp_path):
    """photos/ with i0.png … i9.png, more/ with i8.png … i14.png and masks/ with as many as photos/."""
    for folder, numbers in (("photos", range(10)), ("more", range(8, 15)), ("masks", range(10))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            cv2.imwrite(str(tmp_path / folder / f"i{number}.png"), np.zeros((2, 2), np.uint8))
    return [Folder(tmp_path / name, tmp_path) for name in ("masks", "more", "photos")]


def found_in(folders, **columns):
    found = image_column(table(**columns), list(columns), folders)
    return None if found is None else (found.column, found.folder.name, found.matched, found.looked_at, found.classes)


def test_images_are_named_whole_with_or_without_suffix_or_folder(folders):
    names = [f"i{number}.png" for number in range(10)]
    stems = [name.removesuffix(".png") for name in names]
    for texts in (names, stems, [f"photos/{name}" for name in names]):
        assert found_in(folders, other=["x"] * 10, image=texts) == ("image", "photos", 10, 10, ())
    assert found_in(folders, image=[*names[:9], "nowhere"]) == ("image", "photos", 9, 10, ())
    assert found_in(folders, image=[*names[:8], "nowhere", "never"]) is None
    assert found_in(folders[:1], image=names) == ("image", "masks", 10, 10, ())  # where no photos are so called
    assert found_in(folders, image=names, same=stems) == ("image", "photos", 10, 10, ())  # the first column


def test_images_joined_with_a_class(folders):
    texts = [f"i{number}.png_{name}" for number in range(10) for name in ("10", "9")]
    assert found_in(folders[2:], key=texts) == ("key", "photos", 20, 20, ("9", "10"))
    assert found_in(folders[2:], key=[*texts[:18], "nowhere", "never"]) == ("key", "photos", 18, 20, ("9", "10"))
    assert found_in(folders[2:], key=[*texts[:17], "no", "nowhere", "never"]) is None
    # As many classes as texts may be, one more than that cannot; over a hundred are none.
    many = [f"i{number % 10}.png_c{number}" for number in range(101)]
    assert found_in(folders[2:], key=many[:100])[2] == 100
    assert found_in(folders[2:], key=many) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a_b", "b"),
        ("a_b_c", "c"),  # a_b is an image, too, and the longer one
        ("a_", None),
        ("_b", None),
        ("c_b", None),
        ("a", None),
        ("a_b_", "b_"),
    ],
)
def test_the_class_behind_the_longest_image(text, name):
    assert class_behind(text, {"a", "a_b"} if text != "a_b" else {"a"}) == name


def test_images_spread_over_folders(folders):
    [masks, more, photos] = folders
    names = [f"i{number}.png" for number in range(15)]
    spread = images_spread(table(image=names), ["image"], [photos, more])
    assert [(folder.name, count) for folder, count in spread] == [("photos", 10), ("more", 5)]
    assert images_spread(table(image=names[:10]), ["image"], [photos, masks]) == []  # one holds them all
    assert images_spread(table(image=[*names, "x"]), ["image"], [photos, more]) != []  # 15 of 16
    assert images_spread(table(image=[*names, "x", "y"]), ["image"], [photos, more]) == []  # 15 of 17
    assert len(images_spread(table(a=["x"] * 15, image=names), ["a", "image"], [photos, more])) == 2


RUNS = Runs("rle", "-1", False)


def classes_of(*columns, **texts):
    rows = len(next(iter(texts.values())))
    made = table(**({"rle": ["1 2"] * rows} | texts))
    return class_columns(made, "image", columns, RUNS)


def test_columns_that_say_what_the_class_is():
    texts = {"image": ["a", "b", "c"], "size": ["1", "2", "3"], "ClassId": ["10", "9", "9"], "Label": ["x", "", "y"]}
    assert classes_of("size", "ClassId", **texts) == [ClassColumn("ClassId", ("9", "10"), True)]
    assert classes_of("Label", **texts) == []  # blank in a row with a mask
    for empty in ("", "-1"):
        assert classes_of("Label", **texts, rle=["1 2", empty, "3 4"]) == [ClassColumn("Label", ("x", "y"), True)]
    assert classes_of("ClassId", image=["a"], ClassId=[""], rle=[""]) == []  # no name at all


def test_columns_that_tell_the_rows_of_an_image_apart():
    images = ["a", "a", "b", "b"]
    kinds = {"image": images, "kind": ["x", "y", "x", "y"], "class": ["1", "2", "2", "1"]}
    assert classes_of("kind", "class", **kinds) == [
        ClassColumn("class", ("1", "2"), True),  # those whose name says so come first
        ClassColumn("kind", ("x", "y"), False),
    ]
    assert classes_of("kind", image=images, kind=["x", "x", "x", "y"]) == []  # the same twice for a
    assert classes_of("kind", image=images, kind=["x", "y", "x", "z"]) == []  # more names than images
    assert classes_of("kind", image=["a", "b", "c"], kind=["x", "y", "x"]) == []  # no image has two rows
    assert classes_of("class", image=["a"] * 100, **{"class": [str(n) for n in range(100)]}) != []
    assert classes_of("class", image=["a"] * 101, **{"class": [str(n) for n in range(101)]}) == []


def test_two_columns_with_the_same_classes():
    assert same_classes(table(a=["1", "2", "1"], b=["x", "y", "x"]), "a", "b")
    assert not same_classes(table(a=["1", "2", "1"], b=["x", "y", "y"]), "a", "b")
    assert not same_classes(table(a=["1", "2", "3"], b=["x", "y", "x"]), "a", "b")
    assert not same_classes(table(a=["1", "1", "2"], b=["x", "y", "z"]), "a", "b")


def test_numbers_are_sorted_by_value():
    assert sorted_names({"10", "9", "b", "a"}) == ("a", "b", "9", "10")


def test_rows_that_repeat():
    rows = [("a", "x", "1 2"), ("a", "x", "3 4"), ("a", "y", "5 6"), ("a", "x", "7 8")]
    rows += [("b", "x", text) for text in ("", "", "-1", "-1")]  # without a mask
    found = table(**dict(zip(("image", "kind", "rle"), map(list, zip(*rows, strict=True)), strict=True)))
    assert repeats(found, ["image", "kind"], RUNS) == 2
    assert repeats(found, ["image"], RUNS) == 3
