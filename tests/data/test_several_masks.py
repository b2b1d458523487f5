"""Several masks of one photo: a file or a row an object, joined in every reader, never taken for photos."""

import cv2
import numpy as np
import pytest

from maskfold.config import MaskFoldersData, PathsCsvData
from maskfold.data.formats.name_patterns import NamePattern
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

FIRST, SECOND = np.zeros((2, 20, 30), np.uint8)
FIRST[2:8, 3:9], SECOND[10:15, 20:28] = 255, 255  # 36 and 40 px


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


@pytest.fixture
def among_photos(tmp_path):
    for name in ("benign (1)", "benign (2)", "benign (3)"):
        write(tmp_path / f"all/{name}.png", np.full((20, 30), 90, np.uint8))
        write(tmp_path / f"all/{name}_mask.png", FIRST)
    write(tmp_path / "all/benign (3)_mask_1.png", SECOND)
    return tmp_path


def folders(root, **changes):
    names = {"train_images": "all", "train_masks": "all", "mask_name": "{stem}_mask", "test_images": None}
    return MaskFoldersData(root=str(root), **(names | changes))


def test_masks_among_photos_are_joined(among_photos):
    competition = open_competition(folders(among_photos, mask_name="{stem}_mask*", several_masks="union"))
    areas = {name: int(competition.masks(name).sum()) for name in competition.train["image_id"]}
    assert areas == {"benign (1)": 36, "benign (2)": 36, "benign (3)": 76}


@pytest.mark.parametrize("missing_masks", ["refuse", "empty"])
def test_one_more_mask_never_becomes_a_photo(among_photos, missing_masks):
    with pytest.raises(DataError) as error:
        open_competition(folders(among_photos, missing_masks=missing_masks))
    [problem] = error.value.problems
    assert "benign (3)_mask_1.png: is called like one more mask of 'benign (3)'" in problem
    assert "data.mask_name: '{stem}_mask*' and data.several_masks: union" in problem


def test_several_masks_are_refused_until_the_config_says_that_each_is_an_object(among_photos):
    with pytest.raises(DataError, match=r"benign \(3\)_mask_1.png: the mask of 'benign \(3\)' is ambiguous, .*union"):
        open_competition(folders(among_photos, mask_name="{stem}_mask*"))


def test_masks_in_a_folder_of_their_own_say_the_same(tmp_path):
    write(tmp_path / "photos/7.png", np.full((20, 30), 90, np.uint8))
    write(tmp_path / "photos/7_1.png", np.full((20, 30), 90, np.uint8))
    for name, mask in (("7_a", FIRST), ("7_b", SECOND), ("7_1_a", FIRST)):
        write(tmp_path / f"masks/{name}.png", mask)
    places = {"train_images": "photos", "train_masks": "masks"}
    with pytest.raises(DataError, match=r"7_b.png: a mask without its photo; if it is one of several masks of '7'"):
        open_competition(folders(tmp_path, **places, mask_name="{stem}"))
    masks = open_competition(folders(tmp_path, **places, mask_name="{stem}_*", several_masks="union")).masks
    assert (masks("7").sum(), masks("7_1").sum()) == (76, 36)


def test_one_folder_an_image(tmp_path):
    for image_id, masks in (("0ab", [FIRST, SECOND]), ("1cd", [SECOND]), ("2ef", [])):
        write(tmp_path / f"stage1_train/{image_id}/images/{image_id}.png", np.full((20, 30), 90, np.uint8))
        for number, mask in enumerate(masks):
            write(tmp_path / f"stage1_train/{image_id}/masks/{number:x}ff.png", mask)
    write(tmp_path / "stage1_test/9/images/9.png", np.full((20, 30), 90, np.uint8))
    names = {"train_images": "stage1_train", "train_masks": "stage1_train", "test_images": "stage1_test"}
    names |= {"image_name": "{stem}/images/{stem}", "mask_name": "{stem}/masks/*", "several_masks": "union"}
    with pytest.raises(DataError, match=r"2ef.png: no mask of this name .*expected 2ef/masks/\*"):
        open_competition(folders(tmp_path, **names))
    competition = open_competition(folders(tmp_path, **names, missing_masks="empty"))
    assert [int(competition.masks(name).sum()) for name in competition.train["image_id"]] == [76, 40, 0]
    assert competition.test["image_id"].tolist() == ["9"]


def test_class_values_of_several_files_are_joined(tmp_path):
    write(tmp_path / "all/a.png", np.full((20, 30), 90, np.uint8))
    write(tmp_path / "all/a_mask_1.png", FIRST // 255)
    write(tmp_path / "all/a_mask_2.png", SECOND // 255 * 2)
    changes = {"labels": "class_index", "class_names": ("cat", "dog"), "several_masks": "union"}
    masks = open_competition(folders(tmp_path, mask_name="{stem}_mask*", **changes)).masks("a")
    assert masks.sum(axis=(1, 2)).tolist() == [36, 40]


def test_masks_called_after_the_whole_file_name(tmp_path):
    for name, mask in (("a.jpg", FIRST), ("a.png", SECOND)):
        write(tmp_path / "photos" / name, np.full((20, 30, 3), 90, np.uint8))
        write(tmp_path / "masks" / f"{name}.png", mask)
    names = {"train_images": "photos", "train_masks": "masks", "image_id": "name"}
    masks = open_competition(folders(tmp_path, mask_name="{name}", **names)).masks
    assert (masks("a.jpg").sum(), masks("a.png").sum()) == (36, 40)
    with pytest.raises(DataError, match=r"a.png: its mask would be called like that of a.jpg; .* use {name}"):
        open_competition(folders(tmp_path, mask_name="{stem}", **names))


def test_rows_of_paths_are_joined(tmp_path):
    write(tmp_path / "p/a.png", np.full((20, 30), 90, np.uint8))
    write(tmp_path / "m/1.png", FIRST)
    write(tmp_path / "m/2.png", SECOND)
    (tmp_path / "train.csv").write_text("image,mask\np/a.png,m/1.png\np\\a.png,m/2.png\n")
    with pytest.raises(DataError, match=r"row 3: image id 'a' is in row 2 already; .* data.several_rows: union"):
        open_competition(PathsCsvData(root=str(tmp_path)))
    assert open_competition(PathsCsvData(root=str(tmp_path), several_rows="union")).masks("a").sum() == 76


@pytest.mark.parametrize(
    ("pattern", "path", "known", "key"),
    [
        ("{stem}_mask*", "a_mask_1.png", (), "a"),
        ("{stem}_mask*", "a_mask.PNG", (), "a"),
        ("{stem}_mask*", "a_1_mask_2.png", ("a", "a_1"), "a_1"),
        ("{stem}*", "12.png", ("1", "12"), "12"),
        ("{stem}*", "12_b.png", ("1", "12"), "12"),
        ("{stem}_mask.png", "a_mask.PNG", (), "a"),
        ("{stem}_mask.png", "a_mask.jpg", (), None),
        ("{stem}/masks/*", "a/masks/b.png", (), "a"),
        ("{stem}/images/{stem}", "a/images/b.png", (), None),
        ("{name}", "a.jpg.png", (), "a.jpg"),
    ],
)
def test_patterns(pattern, path, known, key):
    match = NamePattern(pattern).match(path, known)
    assert (None if match is None else match.key) == key


@pytest.mark.parametrize(("text", "fits"), [("12", False), ("1_2", True), ("1 (2)", True), ("1a", True), ("1", True)])
def test_a_star_does_not_continue_a_number(text, fits):
    """A mask of photo 12 is none of photo 1."""
    match = NamePattern("{stem}*").match(f"{text}.png", {"1"})
    assert match is not None
    assert (match.key == "1") == fits
