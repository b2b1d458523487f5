"""Pixels that nobody labelled, in every format: a value in masks, masks of their own, a csv column, COCO's crowds."""

from __future__ import annotations

import json
import pickle

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from maskfold.config import CocoData, MaskFoldersData, PathColumns, PathsCsvData, RleCsvData
from maskfold.data.contents import verify_contents
from maskfold.data.ignored import check_labelled
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

LABELS = np.array([[0, 1, 1, 2, 255, 0], [0, 1, 255, 2, 255, 0], [0, 0, 0, 0, 0, 0], [255, 0, 0, 0, 0, 2]], np.uint8)
VOID = (LABELS == 255).astype(np.uint8)
ONLY_A = np.array([[0, 0, 0, 1, 1, 0]] + [[0] * 6] * 3, np.uint8)  # where `ignored` is a file of its own


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Photos a and b of 4x6 px; masks of a with 1, 2 and 255, of b blank."""
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")
    for name in ("a", "b"):
        write(tmp_path / f"train/{name}.png", np.full((4, 6, 3), 90, np.uint8))
    write(tmp_path / "masks/a.png", LABELS)
    write(tmp_path / "masks/b.png", 0 * LABELS)
    return tmp_path


def folders(root, **changes):
    section = {"class_names": ("one", "two"), "labels": "class_index", "ignore_value": 255, **changes}
    return MaskFoldersData(**{"root": str(root), "train_masks": "masks", "test_images": None, **section})


def problems_of(data):
    with pytest.raises(DataError) as error:
        open_competition(data)
    return "\n".join(error.value.problems)


def check(competition, masks, ignored):
    """Masks and ignored pixels of image a, and none ignored in b; both sources can be sent to another process."""
    competition = pickle.loads(pickle.dumps(competition))
    assert competition.masks("a").tolist() == np.array(masks).tolist()
    assert competition.ignored_in("a").tolist() == ignored.tolist()
    assert competition.ignored_in("a").dtype == np.uint8
    assert not competition.ignored_in("b").any()


def test_a_value_of_class_index_masks(root):
    check(open_competition(folders(root)), [LABELS == 1, LABELS == 2], VOID)


def test_a_palette_index(root):
    image = Image.fromarray(LABELS, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [9] * 759)
    image.save(root / "masks/a.png")
    check(open_competition(folders(root)), [LABELS == 1, LABELS == 2], VOID)


def test_a_value_of_binary_masks(root):
    write(root / "masks/a.png", np.where(LABELS == 2, 0, LABELS).astype(np.uint8))
    data = folders(root, class_names=("one",), labels="binary", mask_threshold=1)
    check(open_competition(data), [LABELS == 1], VOID)


def test_a_colour(root):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[LABELS == 1], colours[LABELS == 255] = (0, 0, 200), (192, 224, 224)  # BGR
    write(root / "masks/a.png", colours)
    data = folders(
        root, class_names=("red",), labels="colour", class_colours={"red": (200, 0, 0)}, ignore_value=(224, 224, 192)
    )
    check(open_competition(data), [LABELS == 1], VOID)


def test_a_pixel_that_any_mask_file_ignores_is_in_no_mask(root):
    for name in ("one", "two"):
        write(root / f"classes/{name}/a.png", np.where({"one": 1, "two": 2}[name] == LABELS, 255, 0).astype(np.uint8))
        write(root / f"classes/{name}/b.png", 0 * LABELS)
    of_two = np.where(LABELS == 2, 255, 0).astype(np.uint8)
    of_two[0, :3] = 7  # over the pixels of class one
    write(root / "classes/two/a.png", of_two)
    data = folders(root, labels="binary", ignore_value=7, train_masks="classes", mask_name="{class}/{stem}")
    expected = np.zeros_like(LABELS)
    expected[0, :3] = 1
    check(open_competition(data), [(LABELS == 1) & (expected == 0), LABELS == 2], expected)


def test_resized_masks_keep_their_ignored_pixels(root):
    write(root / "masks/a.png", np.kron(LABELS, np.ones((2, 2), np.uint8)))
    check(open_competition(folders(root, resize_masks=True)), [LABELS == 1, LABELS == 2], VOID)


@pytest.mark.parametrize("check_by", ["auto", "header"])
def test_a_value_that_is_not_named_is_refused_with_the_setting(root, check_by):
    problems = problems_of(folders(root, ignore_value=None, check=check_by))
    assert "the value 255 belongs to no class" in problems and "data.ignore_value" in problems


def test_binary_masks_of_which_only_the_ignored_value_is_bright_are_refused(root):
    write(root / "masks/a.png", np.where(LABELS == 2, 0, LABELS).astype(np.uint8))
    problems = problems_of(folders(root, class_names=("one",), labels="binary"))
    assert "all masks are empty: the brightest value of all is 1, below data.mask_threshold=128" in problems


def test_an_ignored_value_that_no_binary_mask_has_is_refused(root):
    data = folders(root, class_names=("one",), labels="binary", mask_threshold=1, ignore_value=254)
    assert "no mask has data.ignore_value=254" in problems_of(data)


def test_an_ignored_value_of_jpg_masks_is_refused(root):
    (root / "masks/a.png").unlink()
    write(root / "masks/a.jpg", VOID * 255)
    data = folders(root, class_names=("one",), labels="binary", mask_threshold=1, ignore_value=128)
    assert "a jpg mask blurs data.ignore_value=128" in problems_of(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ignore_value": 1}, "is a value of a class or of the background too"),
        ({"ignore_value": 0}, "is a value of a class or of the background too"),
        ({"ignore_value": (1, 2, 3)}, "expected one number with labels: class_index"),
        ({"ignore_value": -1}, "greater than or equal to 0"),
        ({"labels": "colour", "class_colours": {"one": (1, 1, 1), "two": (2, 2, 2)}}, "expected a colour"),
        ({"ignore_masks": "{name}.png"}, "expected a folder, or {stem} once"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, changes, message):
    with pytest.raises(ValidationError) as error:
        folders(tmp_path, **changes)
    assert message in str(error.value)


def rle(root, **changes):
    text = "ImageId,ClassId,EncodedPixels\na.png,1,9 6\n"  # (0, 2) to (1, 3), down the columns
    (root / "train.csv").write_text(text, encoding="utf-8")
    section = {"class_names": ("1",), "train_images": "train", "test_images": None, "sample_submission": None}
    return RleCsvData(root=str(root), **section, **changes)


@pytest.mark.parametrize(
    ("place", "file"),
    [
        ("void", "void/a.png"),
        ("void/{stem}", "void/a.bmp"),
        ("void/{stem}_ignore.png", "void/a_ignore.png"),
        ("{stem}/ignored", "a/ignored.png"),
    ],
)
def test_ignore_masks_belong_to_images_by_name(root, place, file):
    write(root / file, ONLY_A * 255)
    competition = open_competition(rle(root, ignore_masks=place))
    assert competition.ignore_files == (root / file,)
    assert competition.ignored_in("a.png").tolist() == ONLY_A.tolist()
    assert not competition.ignored_in("b.png").any()
    runs = np.zeros((4, 6), np.uint8)
    runs.T.flat[8:14] = 1
    assert competition.masks("a.png")[0].tolist() == (runs * (1 - ONLY_A)).tolist()
    assert runs[0, 3] == 1  # which the ignore mask covers


@pytest.mark.parametrize("pixels", [1, 255])
def test_every_value_but_zero_is_ignored_and_in_jpg_the_bright_half(root, pixels):
    write(root / "void/a.png", ONLY_A * np.uint8(pixels))
    assert open_competition(rle(root, ignore_masks="void")).ignored_in("a.png").tolist() == ONLY_A.tolist()
    (root / "void/a.png").unlink()
    wide = np.zeros((4, 6), np.uint8)
    wide[:, 3:] = 255
    write(root / "void/a.jpg", wide)
    assert open_competition(rle(root, ignore_masks="void")).ignored_in("a.png").tolist() == (wide // 255).tolist()


def test_ignore_masks_and_an_ignored_value_add_up(root):
    write(root / "void/a.png", ONLY_A)
    both = VOID | ONLY_A
    competition = open_competition(folders(root, ignore_masks="void"))
    check(competition, [(LABELS == 1) & (both == 0), (LABELS == 2) & (both == 0)], both)


def test_bad_ignore_masks_are_reported_together(root):
    write(root / "void/a.png", np.zeros((4, 7), np.uint8))
    write(root / "void/c.png", ONLY_A)
    (root / "void/b.png").write_bytes(b"no image")
    problems = problems_of(rle(root, ignore_masks="void"))
    for expected in (
        "a.png: the ignore mask is 4x7 px (height x width), the image 'a.png' 4x6",
        "c.png: an ignore mask of no image",
        "b.png: ",
    ):
        assert expected in problems


def test_ignore_masks_that_would_ignore_nothing_are_refused(root):
    (root / "void").mkdir()
    assert "holds no ignore mask of a training image" in problems_of(rle(root, ignore_masks="void"))
    assert "no such folder" in problems_of(rle(root, ignore_masks="nothing"))
    write(root / "void/a.png", ONLY_A)
    write(root / "void/a.bmp", ONLY_A)
    assert "the ignore mask of 'a.png' is ambiguous" in problems_of(rle(root, ignore_masks="void"))


def test_photos_are_no_ignore_masks(root):
    noise = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    write(root / "train/a.png", noise)
    write(root / "train/b.png", noise)
    assert "so it is no ignore mask" in problems_of(rle(root, ignore_masks="train"))


def test_ignore_masks_of_test_images_are_let_pass(root):
    write(root / "test/t.png", np.zeros((4, 6, 3), np.uint8))
    write(root / "void/t.png", ONLY_A)
    write(root / "void/a.png", ONLY_A)
    data = rle(root, ignore_masks="void").model_copy(update={"test_images": "test"})
    assert open_competition(data).ignore_files == (root / "void/a.png",)


def test_a_column_of_ignore_masks(root):
    write(root / "void/first.png", ONLY_A)
    write(root / "void/second.png", np.flip(ONLY_A, axis=0))
    rows = ["train/a.png,masks/a.png,void/first.png", "train/b.png,masks/b.png,"]
    (root / "train.csv").write_text("\n".join(["image,mask,void", *rows]), encoding="utf-8")
    section = {"class_names": ("one", "two"), "labels": "class_index", "background_values": (0, 255)}
    data = PathsCsvData(root=str(root), columns=PathColumns(ignore="void"), **section)
    check(open_competition(data), [(LABELS == 1) & (ONLY_A == 0), (LABELS == 2) & (ONLY_A == 0)], ONLY_A)
    rows.append("train/a.png,masks/b.png,void/second.png")
    (root / "train.csv").write_text("\n".join(["image,mask,void", *rows]), encoding="utf-8")
    both = ONLY_A | np.flip(ONLY_A, axis=0)
    several = open_competition(data.model_copy(update={"several_rows": "union"}))
    check(several, [(LABELS == 1) & (both == 0), (LABELS == 2) & (both == 0)], both)
    (root / "train.csv").write_text("image,mask,void\ntrain/a.png,masks/a.png,void/none.png", encoding="utf-8")
    assert "row 2: there is no file" in problems_of(data)


def test_crowds_are_ignored_where_no_other_annotation_shows_a_pixel(root):
    def box(number, category, left, right, crowd=0):
        corners = [left, 0, right, 0, right, 2, left, 2]
        return {"id": number, "image_id": 1, "category_id": category, "segmentation": [corners], "iscrowd": crowd}

    content = {
        "images": [{"id": n, "file_name": f"{name}.png", "height": 4, "width": 6} for n, name in ((1, "a"), (2, "b"))],
        "annotations": [box(1, 1, 0, 2), box(2, 1, 1, 4, crowd=1), box(3, 2, 3, 6), box(4, 3, 0, 6, crowd=1)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "sky"}],
    }
    (root / "coco.json").write_text(json.dumps(content), encoding="utf-8")
    section = {"class_names": ("cat", "dog"), "train_images": "train", "train_json": "coco.json"}
    data = CocoData(root=str(root), crowd="ignore", **section)
    cat, dog, ignored = (np.zeros((4, 6), np.uint8) for _ in range(3))
    cat[:2, :2], dog[:2, 3:], ignored[:2, 2:3] = 1, 1, 1  # the sky is no class, so its crowd is background
    competition = open_competition(data)
    assert competition.masks("a.png").tolist() == [cat.tolist(), dog.tolist()]
    assert competition.ignored_in("a.png").tolist() == ignored.tolist()
    assert not competition.ignored_in("b.png").any()
    background = open_competition(data.model_copy(update={"crowd": "background"}))
    assert background.ignored is None and background.masks("a.png")[0].tolist() == cat.tolist()
    used = open_competition(data.model_copy(update={"crowd": "use"}))
    assert used.ignored is None and used.masks("a.png")[0][:2, 2:4].all()
    assert "ignored pixels" in competition.label_inputs() and "ignored pixels" not in background.label_inputs()


def test_images_without_a_labelled_pixel_are_named(root):
    write(root / "masks/b.png", np.full((4, 6), 255, np.uint8))
    competition = open_competition(folders(root))
    with pytest.raises(DataError) as error:
        check_labelled(competition)
    assert len(error.value.problems) == 1
    assert "b.png: all of its pixels are ignored" in error.value.problems[0]
    assert "data.exclude_from: everything" in error.value.problems[0]
    check_labelled(competition, left_out={"b"})
    check_labelled(open_competition(folders(root, background_values=(0, 255), ignore_value=None)))


def test_what_is_ignored_is_an_input_of_the_labels(root):
    write(root / "void/a.png", ONLY_A)
    plain = open_competition(folders(root, background_values=(0, 255), ignore_value=None))
    by_value, by_mask = open_competition(folders(root)), open_competition(folders(root, ignore_masks="void"))
    assert "ignored pixels" not in plain.label_inputs() and "ignore" not in plain.reading
    inputs = [competition.label_inputs() for competition in (plain, by_value, by_mask)]
    assert len({json.dumps(each, sort_keys=True) for each in inputs}) == 3
    write(root / "void/a.png", 1 - ONLY_A)
    assert open_competition(folders(root, ignore_masks="void")).label_inputs() != inputs[2]


def test_contents_of_ignore_masks_are_verified(root, tmp_path):
    write(root / "void/a.png", ONLY_A)
    competition = open_competition(rle(root, ignore_masks="void"))
    assert verify_contents(competition, tmp_path / "contents.csv") == 0
    assert verify_contents(competition, tmp_path / "contents.csv") == 3  # two photos and the ignore mask
