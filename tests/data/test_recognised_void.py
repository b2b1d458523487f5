"""Pixels that nobody labelled, under data.format: auto and in csv and json: found or refused, never read as a class."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from maskfold.config import AutoData, CocoData, RleCsvData
from maskfold.data.ignored import is_void_name
from maskfold.data.label_rows import RowRules
from maskfold.data.opening import open_competition
from maskfold.errors import DataError
from maskfold.oof.imported import labelled_competition
from maskfold.pixels.rle import encode

SQUARE = np.zeros((24, 40), np.uint8)
SQUARE[4:14, 6:18] = 1  # 120 px
VOID = np.zeros((24, 40), np.uint8)
VOID[14:20, 6:18] = 1  # 72 px, below the square
RUNS, VOID_RUNS = encode(SQUARE), encode(VOID)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def photos(root, folder="images", count=4):
    for number in range(count):
        write(root / folder / f"p{number}.png", np.full((24, 40), 90, np.uint8))


def masks(root, folder, pixels, suffix="", numbers=range(4)):
    for number in numbers:
        write(root / folder / f"p{number}{suffix}.png", pixels * 255)


def auto(root, *class_names, **more):
    return open_competition(AutoData(root=str(root), class_names=class_names, **more))


def assert_void(competition, classes=("mask",), area=120):
    """The first image shows the square as a class, and its void is ignored."""
    first = competition.train["image_id"][0]
    assert competition.class_names == classes
    assert competition.masks(first).sum() == area
    np.testing.assert_array_equal(competition.ignored_in(first), VOID)


@pytest.mark.parametrize(
    ("name", "void"),
    [
        ("ignore", True),
        ("void_masks", True),
        ("masksIgnore", True),
        ("dont_care", True),
        ("DontCare", True),
        ("avoid", False),
        ("unlabeled", False),  # photos without labels, more often
        ("masks", False),
    ],
)
def test_names_of_void(name, void):
    assert is_void_name(name) == void


@pytest.mark.parametrize(
    ("folder", "suffix"), [("ignore", ""), ("masks_ignore", ""), ("void", "_void"), ("train/dont_care", "")]
)
def test_a_folder_of_ignore_masks(tmp_path, folder, suffix, capsys):
    photos(tmp_path)
    masks(tmp_path, "masks", SQUARE)
    masks(tmp_path, folder, VOID, suffix, (0, 2))
    competition = auto(tmp_path)
    assert_void(competition)
    assert not competition.ignored_in("p1").any()
    assert f"{folder}: 2 ignore masks; pixels that are not 0 are ignored (void)" in capsys.readouterr().out


def test_a_folder_of_void_among_those_of_classes(tmp_path):
    photos(tmp_path)
    masks(tmp_path, "masks/cat", SQUARE)
    masks(tmp_path, "masks/dog", SQUARE[::-1])
    masks(tmp_path, "masks/void", VOID)
    # The dog, rows 10 to 19, is ignored where the void is: 4 of its rows are left.
    assert_void(auto(tmp_path), ("cat", "dog"), 120 + 4 * 12)
    named = auto(tmp_path, "cat", "dog", "void")
    assert named.ignored is None
    assert named.masks("p0").sum(axis=(1, 2)).tolist() == [120, 120, 72]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"ignore_a/p0.png": VOID, "ignore_b/p1.png": VOID}, r"several folders may hold ignore masks \(ignore_a, igno"),
        ({"void/x9.png": VOID}, r"files \(x9.png\) are not called like the training images; set data.ignore_masks"),
    ],
)
def test_ignore_masks_that_are_not_clear_are_refused(tmp_path, files, message):
    photos(tmp_path)
    masks(tmp_path, "masks", SQUARE)
    for name, pixels in files.items():
        write(tmp_path / name, pixels)
    with pytest.raises(DataError, match=message):
        auto(tmp_path)
    assert auto(tmp_path, ignore_masks=None).ignored is None


def test_ignore_masks_among_the_photos_are_refused(tmp_path):
    photos(tmp_path, "all")
    masks(tmp_path, "all", SQUARE, "_mask")
    masks(tmp_path, "all", VOID, "_ignore", (1, 3))
    with pytest.raises(DataError, match=r"p1_ignore.png: is called like an ignore mask .*set data.ignore_masks to it"):
        auto(tmp_path)


def test_a_class_in_file_names_that_may_be_void_is_refused(tmp_path):
    photos(tmp_path)
    for kind, pixels in (("cat", SQUARE), ("void", VOID)):
        masks(tmp_path, "masks", pixels, f"_{kind}")
    with pytest.raises(DataError, match=r"void may be a class, or the pixels .*\[cat, void\]"):
        auto(tmp_path)
    assert auto(tmp_path, "cat", "void").class_names == ("cat", "void")


def test_a_column_of_ignore_masks(tmp_path):
    photos(tmp_path)
    masks(tmp_path, "drawn", SQUARE)
    masks(tmp_path, "drawn", VOID, "_i", (0,))
    rows = [f"images/p{n}.png,drawn/p{n}.png,{'drawn/p0_i.png' if n == 0 else ''}" for n in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["image,mask,ignore_mask", *rows]) + "\n")
    assert_void(auto(tmp_path))


@pytest.mark.parametrize("form", ["column", "joined", "wide"])
def test_a_class_of_void_in_a_csv(tmp_path, form):
    photos(tmp_path, "train_images", 2)
    text = {
        "column": f"id,class,rle\np0,cat,{RUNS}\np0,ignore,{VOID_RUNS}\np1,cat,{RUNS}\n",
        "joined": f"Image_Label,rle\np0_cat,{RUNS}\np0_ignore,{VOID_RUNS}\np1_cat,{RUNS}\np1_ignore,\n",
        "wide": f"id,cat,ignore\np0,{RUNS},{VOID_RUNS}\np1,{RUNS},\n",
    }[form]
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(DataError, match=r"ignore may be a class, or .*set data.ignore_class"):
        auto(tmp_path)
    competition = auto(tmp_path, ignore_class="ignore")
    assert_void(competition, ("cat",))
    assert not competition.ignored_in("p1").any()
    assert auto(tmp_path, "cat", "ignore").masks("p0").sum(axis=(1, 2)).tolist() == [120, 72]


def test_void_wins_over_a_class_in_a_csv(tmp_path):
    photos(tmp_path, "train_images", 1)
    (tmp_path / "train.csv").write_text(f"ImageId,ClassId,EncodedPixels\np0,cat,{RUNS}\np0,bad,{RUNS}\n")
    data = RleCsvData(
        root=str(tmp_path), class_names=("cat",), ignore_class="bad", test_images=None, sample_submission=None
    )
    competition = open_competition(data)
    assert not competition.masks("p0").any()
    assert competition.ignored_in("p0").sum() == 120


def test_a_category_of_void(tmp_path):
    photos(tmp_path, "train", 2)
    boxes = {1: [6, 4, 18, 4, 18, 14, 6, 14], 2: [6, 10, 18, 10, 18, 20, 6, 20]}
    content = {
        "images": [{"id": n, "file_name": f"p{n}.png", "height": 24, "width": 40} for n in range(2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "void"}],
        "annotations": [
            {"id": n, "image_id": 0, "category_id": n, "iscrowd": 0, "segmentation": [box]} for n, box in boxes.items()
        ],
    }
    (tmp_path / "train/labels.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"void may be a class, or .*set data.ignore_class"):
        auto(tmp_path)
    assert_void(auto(tmp_path, ignore_class="void"), ("cat",))  # where the cat is shown, nothing is ignored
    with pytest.raises(DataError, match=r"no category 'voit' \(data.ignore_class\); it has 'cat', 'void'"):
        data = CocoData(root=str(tmp_path), class_names=("cat",), ignore_class="voit", train_images="train")
        open_competition(data.model_copy(update={"train_json": "train/labels.json"}))


def test_void_in_the_labels_of_the_tuner(tmp_path):
    (tmp_path / "maps").mkdir()
    rows = []
    for number in range(4):
        np.save(tmp_path / f"maps/p{number}.npy", SQUARE.astype(np.float32))
        rows += [f"p{number},cat,{RUNS}", f"p{number},void,{VOID_RUNS}"]
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["ImageId,ClassId,EncodedPixels", *rows]) + "\n")
    with pytest.raises(DataError, match=r"class 'void' may be the pixels .*give --ignore-class void"):
        labelled_competition(labels, tmp_path / "maps", RowRules())
    competition, _ = labelled_competition(labels, tmp_path / "maps", RowRules(ignore_class="void"))
    assert_void(competition, ("cat",))
    with pytest.raises(DataError, match=r"no row is of class 'viod'; it has cat, void"):
        labelled_competition(labels, tmp_path / "maps", RowRules(ignore_class="viod"))
