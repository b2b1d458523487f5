"""The reader of photos and mask folders: names, kinds of masks, and every bad pair reported together."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from pydantic import ValidationError

from maskfold.config import REPOSITORY, MaskFoldersData, load_config
from maskfold.data.opening import open_competition
from maskfold.errors import DataError


@pytest.fixture
def root(tmp_path):
    """Photos 1 and 2 with masks in {0, 255}, soft at one pixel, and a test photo."""
    for folder in ("train", "train_mask", "test"):
        (tmp_path / folder).mkdir()
    for name, shape in (("train/1.jpg", (4, 6, 3)), ("train/2.JPG", (5, 5, 3)), ("test/9.png", (3, 3, 3))):
        cv2.imwrite(str(tmp_path / name), np.full(shape, 90, np.uint8))
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3, 2:5] = 255
    mask[0, 0], mask[0, 1] = 127, 128
    cv2.imwrite(str(tmp_path / "train_mask/1.png"), mask)
    cv2.imwrite(str(tmp_path / "train_mask/2.png"), np.zeros((5, 5), np.uint8))
    return tmp_path


def data_of(root, **changes):
    return MaskFoldersData(root=str(root), class_names=("person",), **changes)


def problems_of(root, **changes):
    with pytest.raises(DataError) as error:
        open_competition(data_of(root, **changes))
    return "\n".join(error.value.problems)


def test_photos_and_masks_are_paired_by_stem(root):
    competition = open_competition(data_of(root))
    assert competition.train["image_id"].tolist() == ["1", "2"]
    assert competition.test["image_id"].tolist() == ["9"]
    mask = competition.masks("1")
    assert mask.shape == (1, 4, 6)
    assert mask[0, 0].tolist() == [0, 1, 0, 0, 0, 0]  # 128 is on, 127 is off
    assert mask.sum() == 7
    assert competition.masks("2").sum() == 0


def test_bad_pairs_are_reported_together(root):
    cv2.imwrite(str(root / "train/3.jpg"), np.zeros((4, 4, 3), np.uint8))
    cv2.imwrite(str(root / "train_mask/4.png"), np.zeros((4, 4), np.uint8))
    cv2.imwrite(str(root / "train_mask/2.png"), np.zeros((5, 6), np.uint8))
    cv2.imwrite(str(root / "train/1.png"), np.zeros((4, 6, 3), np.uint8))
    problems = problems_of(root)
    for answer in (
        "3.jpg: no mask of this name",
        "4.png: a mask without its photo",
        "the mask is 5x6 px (height x width), its photo 5x5",
        "image id '1' is ambiguous",
    ):
        assert answer in problems


def test_masks_of_zeros_and_ones_are_answered_with_the_threshold(root):
    for name in ("1", "2"):
        mask = cv2.imread(str(root / f"train_mask/{name}.png"), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(root / f"train_mask/{name}.png"), (mask > 0).astype(np.uint8))
    assert "the brightest value of all is 1, below data.mask_threshold=128" in problems_of(root)
    assert open_competition(data_of(root, mask_threshold=1)).masks("1").sum() == 8


LABELS = np.zeros((4, 6), np.uint8)
LABELS[1:3, 2:5], LABELS[3, 0] = 1, 2


def relabel(root, pixels, name="1.png"):
    """Mask 1 becomes `pixels`, mask 2 blank."""
    for old in (root / "train_mask").iterdir():
        old.unlink()
    cv2.imwrite(str(root / "train_mask" / name), pixels)
    cv2.imwrite(str(root / "train_mask/2.png"), np.zeros((5, 5), np.uint8))


def masks_of(root, **changes):
    return open_competition(MaskFoldersData(root=str(root), **changes)).masks


def test_class_indices_are_told_apart(root):
    relabel(root, LABELS)
    masks = masks_of(root, class_names=("cat", "dog"), labels="class_index")
    assert masks("1").sum(axis=(1, 2)).tolist() == [6, 1]
    assert masks("2").sum() == 0
    merged = masks_of(root, class_names=("pet",), labels="class_index", class_values={"pet": (1, 2)})
    assert merged("1").sum() == 7


def test_palette_masks_give_their_indices(root):
    relabel(root, LABELS)
    image = Image.fromarray(LABELS, mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(root / "train_mask/1.png")
    assert masks_of(root, class_names=("a", "b"), labels="class_index")("1")[1, 3, 0] == 1


def test_a_value_of_no_class_is_named_once_with_its_cure(root):
    relabel(root, np.where(LABELS == 2, 255, LABELS).astype(np.uint8))
    problems = problems_of(root, labels="class_index")
    assert "1.png: the value 255 belongs to no class (1 of 2 masks have it)" in problems
    assert "data.background_values if it is none" in problems
    masks = masks_of(root, labels="class_index", class_names=("x",), background_values=(0, 255))
    assert masks("1").sum() == 6


def test_colours_are_told_apart_in_png_and_jpg(root):
    colours = {"red": (255, 0, 0), "sky": (0, 128, 255)}
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[8:32, 8:80], pixels[40:60, 8:80] = (0, 0, 255), (255, 128, 0)  # OpenCV has blue first
    cv2.imwrite(str(root / "train/1.jpg"), np.zeros((64, 96, 3), np.uint8))
    for name in ("1.png", "1.jpg"):
        relabel(root, pixels, name)
        masks = masks_of(root, class_names=("red", "sky"), labels="colour", class_colours=colours)("1")
        areas = masks.sum(axis=(1, 2))
        np.testing.assert_allclose(areas, [24 * 72, 20 * 72], rtol=0.05)
        assert masks[0, 12:28, 12:76].all()
        assert masks[1, 44:56, 12:76].all()
    answer = problems_of(
        root, labels="colour", class_colours={"person": (250, 0, 0)}, background_colours=((255, 0, 0),)
    )
    assert "jpg masks smear the colour [255, 0, 0] and the colour [250, 0, 0] into each other" in answer


def test_jpg_masks_are_cut_at_the_threshold(root):
    pixels = np.zeros((64, 96), np.uint8)
    pixels[8:32, 8:80] = 255
    cv2.imwrite(str(root / "train/1.jpg"), np.zeros((64, 96, 3), np.uint8))
    relabel(root, pixels, "1.jpeg")
    assert masks_of(root)("1").sum() == 24 * 72


def test_names_follow_patterns_even_in_one_folder(root):
    for name in ("7_sat.jpg", "8_sat.jpg"):
        cv2.imwrite(str(root / "train" / name), np.zeros((4, 6, 3), np.uint8))
        cv2.imwrite(str(root / "train" / name.replace("sat.jpg", "mask.png")), LABELS * 255)
    competition = open_competition(
        data_of(root, train_masks="train", image_name="{stem}_sat.jpg", mask_name="{stem}_mask.png", test_images=None)
    )
    assert competition.train["image_id"].tolist() == ["7", "8"]
    assert competition.masks("8").sum() == 7


def test_a_mask_whose_name_differs_by_case_names_its_photo(root):
    (root / "train/1.jpg").rename(root / "train/One.jpg")
    (root / "train_mask/1.png").rename(root / "train_mask/one.png")
    assert "one.png: a mask without its photo; there is 'One'" in problems_of(root, missing_masks="empty")


@pytest.mark.parametrize(
    ("mask_name", "found"), [("{stem}_mask.png", "no file is named like"), ("{stem}", "every photo is named like")]
)
@pytest.mark.parametrize("missing_masks", ["refuse", "empty"])
def test_one_folder_whose_names_do_not_tell_masks_apart_is_refused(root, mask_name, found, missing_masks):
    problems = problems_of(root, train_masks="train", mask_name=mask_name, missing_masks=missing_masks)
    assert found in problems
    assert "data.train_masks to their folder" in problems


def test_masks_without_photos_are_all_named_but_only_the_first_get_a_hint(root, monkeypatch):
    monkeypatch.setattr("maskfold.data.formats.mask_folders.HINTED", 1)
    for stem in ("1", "2"):  # each hint looks through all photos: hours where no name fits
        (root / f"train_mask/{stem}.png").rename(root / f"train_mask/{stem}.old.png")
    assert problems_of(root).count("a mask without its photo; if it is one of several masks of '1', set") == 1
    assert problems_of(root).count("a mask without its photo;") == 1
    assert problems_of(root).count("a mask without its photo") == 2


def test_a_folder_or_a_name_a_class(root):
    for name in ("cat", "dog"):
        (root / "masks" / name).mkdir(parents=True)
    cv2.imwrite(str(root / "masks/cat/1.png"), (LABELS == 1) * np.uint8(255))
    cv2.imwrite(str(root / "masks/dog/1.png"), (LABELS == 2) * np.uint8(255))
    changes = {"class_names": ("cat", "dog"), "train_masks": "masks", "mask_name": "{class}/{stem}"}
    with pytest.raises(DataError, match=r"2.JPG: no mask of this name .* set data.missing_masks: empty"):
        masks_of(root, **changes)
    assert masks_of(root, **changes, missing_masks="empty")("1").sum(axis=(1, 2)).tolist() == [6, 1]
    for name in ("cat", "dog"):
        (root / "masks" / name / "1.png").rename(root / f"masks/1_{name}.png")
    changes["mask_name"] = "{stem}_{class}"
    assert masks_of(root, **changes, missing_masks="empty")("1").sum(axis=(1, 2)).tolist() == [6, 1]


def test_masks_of_another_size_are_resized_only_on_demand(root):
    relabel(root, np.kron(LABELS > 0, np.ones((2, 2))).astype(np.uint8) * 255)
    assert "the mask is 8x12 px (height x width), its photo 4x6; set data.resize_masks: true" in problems_of(root)
    np.testing.assert_array_equal(masks_of(root, resize_masks=True)("1")[0], LABELS > 0)
    relabel(root, np.full((6, 4), 255, np.uint8))
    assert "its sides are swapped" in problems_of(root, resize_masks=True)


def test_validation_photos_join_under_names_of_their_own(root):
    for folder in ("valid", "valid_mask"):
        (root / folder).mkdir()
        cv2.imwrite(str(root / folder / "1.png"), np.full((3, 3), 255, np.uint8))
    competition = open_competition(data_of(root, valid_images="valid", valid_masks="valid_mask"))
    assert competition.train["image_id"].tolist() == ["1", "2", "valid/1"]
    assert competition.masks("valid/1").sum() == 9


def test_many_files_are_checked_by_header_and_some_masks_are_read(root, monkeypatch):
    relabel(root, LABELS)  # ones and twos, all below the threshold
    assert "2 masks are all empty; check data.mask_threshold" in problems_of(root, check="header")
    (root / "train/1.jpg").write_bytes((root / "train/1.jpg").read_bytes()[:-40])
    assert "1.jpg: cannot be decoded" in problems_of(root, check="header")
    monkeypatch.setattr("maskfold.data.images.files.MAX_DECODED", 1)
    assert "1.jpg: cannot be decoded" in problems_of(root)


def test_pixels_are_left_alone_where_only_headers_are_checked(root, monkeypatch):
    relabel(root, LABELS)
    monkeypatch.setattr("maskfold.data.formats.mask_checks.pd.unique", lambda *_: pytest.fail("every mask is read"))
    assert len(
        open_competition(data_of(root, labels="class_index", class_values={"person": (1, 2)}, check="header")).train
    )
    answer = problems_of(root, labels="class_index", check="header")
    assert "1.png: the value 2 belongs to no class" in answer  # of the masks that are read


def test_a_mask_of_ones_among_masks_of_255_is_refused(root):
    mask = np.zeros((5, 5), np.uint8)
    mask[1, 1] = 1
    cv2.imwrite(str(root / "train_mask/2.png"), mask)
    assert "2.png: is not empty, but its brightest value is 1, below data.mask_threshold=128 (1 of 2" in problems_of(
        root
    )
    assert open_competition(data_of(root, mask_threshold=1)).masks("2").sum() == 1


def test_a_binary_mask_drawn_in_red_is_answered_with_labels_in_colour(root):
    relabel(root, np.dstack([LABELS * 0, LABELS * 0, LABELS * 127]))
    assert "1.png is drawn in colour, and the threshold is of greys: set data.labels: colour" in problems_of(root)
    assert open_competition(data_of(root, mask_threshold=30)).masks("1").sum() == 7


def test_an_array_of_several_channels_is_no_binary_mask(root):
    (root / "train_mask/2.png").unlink()
    np.save(root / "train_mask/2.npy", np.full((5, 5, 3), 255, np.uint8))
    assert "2.npy: found 3 channels, expected (height, width) in a binary mask" in problems_of(root)
    np.save(root / "train_mask/2.npy", np.full((5, 5), 255, np.uint8))
    assert open_competition(data_of(root)).masks("2").sum() == 25


@pytest.mark.parametrize(
    ("kind", "on"),
    [("u1", 1), ("u1", 255), ("i4", 1), ("i8", 255), ("f4", 1), ("u2", 1), ("u2", 65535), ("?", 1)],
)
def test_an_array_of_any_type_is_a_binary_mask(root, kind, on):
    mask = np.zeros((4, 6), kind)
    mask[1:3, 2:5] = on
    (root / "train_mask/1.png").unlink()
    np.save(root / "train_mask/1.npy", mask)
    masks = open_competition(data_of(root, mask_threshold=1)).masks("1")
    assert np.array_equal(masks[0], mask > 0)


@pytest.mark.parametrize(("off", "found"), [(0.5, "0.5 to 1"), (-1, "-1 to 1"), (300, "1 to 300")])
def test_an_array_of_other_numbers_is_no_binary_mask(root, off, found):
    mask = np.full((4, 6), off, np.float64)
    mask[1:3, 2:5] = 1
    (root / "train_mask/1.png").unlink()
    np.save(root / "train_mask/1.npy", mask)
    assert f"1.npy: found values from {found}, expected whole numbers" in problems_of(root)


def test_the_shipped_configs_read_the_people_layout(root):
    for folder, masks in (("valid", "valid_mask"),):
        (root / folder).mkdir()
        (root / masks).mkdir()
        cv2.imwrite(str(root / folder / "1.jpg"), np.full((4, 6, 3), 90, np.uint8))
        cv2.imwrite(str(root / masks / "1.png"), np.full((4, 6), 255, np.uint8))
    plain, own = (
        open_competition(load_config(REPOSITORY / f"configs/{name}.yaml", [f"data.root={root}"]).data)
        for name in ("people", "people_valid")
    )
    assert plain.train["image_id"].tolist() == ["1", "2"]
    assert own.train["split"].tolist() == ["train", "train", "valid"]
    assert (plain.masks("1").sum(), own.masks("valid/1").sum()) == (7, 24)


def test_masks_that_change_are_new_inputs(root):
    inputs = open_competition(data_of(root)).train_inputs()
    relabel(root, LABELS * 255)
    again = open_competition(data_of(root)).train_inputs()
    assert {key for key in inputs if inputs[key] != again[key]} == {"mask images"}
    reread = open_competition(data_of(root, mask_threshold=1)).train_inputs()
    assert {key for key in again if reread[key] != again[key]} == {"the reading of the labels"}


def test_one_mask_in_red_among_white_ones_is_named(root):
    relabel(root, LABELS * 255)
    cv2.imwrite(
        str(root / "train_mask/2.png"), np.dstack([np.zeros((5, 5, 2), np.uint8), np.full((5, 5), 255, np.uint8)])
    )
    problems = problems_of(root)
    assert "2.png: is not empty, but its brightest value is 76" in problems
    assert "2.png is drawn in colour" in problems


def test_a_tiff_mask_of_several_pages_is_named(root):
    (root / "train_mask/2.png").unlink()
    pages = [Image.fromarray(np.full((5, 5), 255, np.uint8))] * 2
    pages[0].save(root / "train_mask/2.tif", save_all=True, append_images=pages[1:])
    assert "2.tif: found 2 channels, expected 1 channel" in problems_of(root)


def test_several_training_folders_are_joined_by_names_that_differ(root):
    for folder in ("more", "more_mask"):
        (root / folder).mkdir()
    cv2.imwrite(str(root / "more/3.png"), np.full((3, 3, 3), 90, np.uint8))
    cv2.imwrite(str(root / "more_mask/3.png"), np.full((3, 3), 255, np.uint8))
    both = {"train_images": ("train", "more"), "train_masks": ("train_mask", "more_mask")}
    competition = open_competition(data_of(root, **both))
    assert competition.train["image_id"].tolist() == ["1", "2", "3"]
    assert [int(competition.masks(name).sum()) for name in "123"] == [7, 0, 9]
    for folder in ("more", "more_mask"):
        (root / folder / "3.png").rename(root / folder / "2.png")
    assert "more/2.png: '2' is an image of" in problems_of(root, **both)


@pytest.mark.parametrize("folders", [{"train_images": ("a", "b")}, {"train_images": ("a", "b"), "train_masks": ("c",)}])
def test_lists_of_training_folders_need_lists_of_masks(root, folders):
    with pytest.raises(ValidationError, match=r"expected one folder each|expected 2 folders"):
        data_of(root, **folders)


def test_a_mask_that_cannot_be_read_is_not_said_to_be_empty(root):
    for name, size in (("1", (4, 6)), ("2", (5, 5))):
        (root / f"train_mask/{name}.png").unlink()
        tifffile.imwrite(root / f"train_mask/{name}.tif", np.ones(size, np.float32))
    problems = problems_of(root).splitlines()
    assert len(problems) == 2
    assert all("found float32 values, expected whole numbers" in problem for problem in problems)
