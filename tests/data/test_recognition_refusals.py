"""data.format: auto refuses what it cannot explain, and says what it took each folder, column and value for."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from maskfold.config import AutoData, CocoData, MaskFoldersData, PathsCsvData, RleCsvData
from maskfold.data.opening import open_competition
from maskfold.data.recognition.folders import split_of
from maskfold.data.recognition.recognise import recognised
from maskfold.errors import DataError
from maskfold.pixels.rle import encode, relative_runs

SQUARE = np.zeros((24, 40), np.uint8)
SQUARE[4:14, 6:18] = 1  # 120 px
CORNER = np.zeros((24, 40), np.uint8)
CORNER[18:22, 30:38] = 1  # 32 px


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def photos(root, folder, names):
    for name in names:
        write(root / folder / name, np.full((24, 40), 90, np.uint8))


def masks_of(root, values, count=4):
    """Photos and masks with these pixels, either an array or a function of the number."""
    for number in range(count):
        photos(root, "images", [f"p{number}.png"])
        write(root / f"masks/p{number}.png", values(number) if callable(values) else values)


def auto(root, *class_names):
    return AutoData(root=str(root), class_names=class_names)


def refusal(root):
    with pytest.raises(DataError) as error:
        recognised(auto(root))
    return str(error.value)


def areas(competition):
    return [competition.masks(name).sum(axis=(1, 2)).tolist() for name in competition.train["image_id"]]


def test_folders_of_splits_are_no_classes(tmp_path, capsys):
    for split, names, mask in (("train", "0123", SQUARE), ("val", "01", CORNER)):
        for name in names:
            photos(tmp_path, f"images/{split}", [f"{name}.png"])
            write(tmp_path / f"masks/{split}/{name}.png", mask * 255)
    photos(tmp_path, "images/test", ["0.png"])
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("mask",)
    assert areas(competition) == [[120]] * 4 + [[32]] * 2
    assert competition.train["split"].tolist() == ["train"] * 4 + ["valid"] * 2
    assert competition.test["image_id"].tolist() == ["0"]
    told = capsys.readouterr().out
    assert "images/train: 4 training photos; masks/train: 4 masks called {stem}" in told
    assert "images/val: 2 validation photos; masks/val: 2 masks called {stem}" in told
    assert "images/test: 1 test image" in told
    assert "mask values 0, 255 in 6 files: on at 128 or above" in told


@pytest.mark.parametrize("layout", ["images/{0}:masks/{0}", "{0}/images:{0}/masks", "{0}:{0}"])
@pytest.mark.parametrize("parts", [("fold0", "fold1"), ("part_1", "part_2", "part_3")])
def test_numbered_parts_are_joined(tmp_path, parts, layout, capsys):
    """Each image is read with the mask of its own part; the test images need no parts."""
    images, masks = layout.split(":")
    suffix = "_mask" if images == masks else ""
    for number, part in enumerate(parts):
        for name in (f"a{number}", f"b{number}"):
            photos(tmp_path, images.format(part), [f"{name}.png"])
            write(tmp_path / masks.format(part) / f"{name}{suffix}.png", (SQUARE if number else CORNER) * 255)
    photos(tmp_path, "test", ["t.png"])
    competition = open_competition(auto(tmp_path))
    assert competition.train["image_id"].tolist() == [f"{a}{number}" for number in range(len(parts)) for a in "ab"]
    assert areas(competition) == [[32]] * 2 + [[120]] * 2 * (len(parts) - 1)
    assert competition.test["image_id"].tolist() == ["t"]
    told = capsys.readouterr().out
    assert all(f"{images.format(part)}: 2 training photos" in told for part in parts)
    assert f"train_images: [{', '.join(images.format(part) for part in parts)}]" in told


def test_numbered_parts_that_cannot_be_joined_are_refused(tmp_path):
    for part in ("fold0", "fold1"):
        photos(tmp_path, f"images/{part}", ["0.png", "1.png"])
        for name in "01":
            write(tmp_path / f"masks/{part}/{name}.png", SQUARE * 255)
    text = refusal(tmp_path)
    assert "in several parts (images/fold0 with masks/fold0, images/fold1 with masks/fold1)" in text
    assert "2 image names (0, 1) in more than one" in text
    for name in "01":
        (tmp_path / f"images/fold1/{name}.png").rename(tmp_path / f"images/fold1/{name}b.png")
        (tmp_path / f"masks/fold1/{name}.png").rename(tmp_path / f"masks/fold1/{name}b_mask.png")
    assert "their masks are called differently" in refusal(tmp_path)
    shutil.rmtree(tmp_path / "masks/fold1")
    shutil.rmtree(tmp_path / "images/fold1")
    photos(tmp_path, "images/train", ["t.png"])
    write(tmp_path / "masks/train/t.png", SQUARE * 255)
    assert "not clear which belong together" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("stage1_train", "train"),
        ("trainannot", "train"),
        ("val", "valid"),
        ("valid_mask", "valid"),
        ("holdout", "valid"),
        ("test", "test"),
        ("real_test", "test"),
        ("fold0", "fold0"),
        ("latest", None),
        ("cat", None),
        ("evaluated", None),
    ],
)
def test_words_of_splits(name, split):
    assert split_of(name) == split


def recognised_labels(root, capsys):
    """The section that auto finds, and what it prints."""
    section = recognised(auto(root))
    return section, capsys.readouterr().out


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_void_of_255_among_classes_is_ignored_and_said(tmp_path, capsys, classes):
    values = SQUARE.copy()
    values[4:14, 6:18] = np.arange(12)[None] % classes + 1
    masks_of(tmp_path, values + CORNER * 255)
    section, told = recognised_labels(tmp_path, capsys)
    named = {"mask": 1} if classes == 1 else {f"class_{value}": value for value in range(1, classes + 1)}
    assert (section.labels, section.class_values, section.ignore_value) == ("class_index", named, 255)
    assert (
        "mask value 255: ignored, as pixels that nobody labelled (void) (3.3% of the pixels, in 4 of 4 files)" in told
    )
    assert "ignore_value: 255" in told
    competition = open_competition(section)
    name = competition.train["image_id"][0]
    assert competition.ignored_in(name).tolist() == (CORNER > 0).astype(int).tolist()
    assert competition.masks(name).sum() == np.count_nonzero(values)


def test_masks_of_ones_beside_masks_of_255_are_no_void(tmp_path):
    masks_of(tmp_path, SQUARE)
    for path in sorted((tmp_path / "masks").iterdir())[:2]:
        Image.fromarray((SQUARE > 0).astype(np.uint8) * 255).save(path)
    text = refusal(tmp_path)
    assert "has the value 255 as well as 0, 1" in text and "hardly in the same masks" in text
    for setting in ("data.mask_threshold: 1", "data.ignore_value: 255", "data.background_values: [0, 255]"):
        assert setting in text


def test_instances_with_a_void_are_refused(tmp_path):
    masks_of(tmp_path, grid(12).astype(np.uint8) + CORNER * 255)
    for number, path in enumerate(sorted((tmp_path / "masks").iterdir())):
        Image.fromarray(grid(6 + 3 * number).astype(np.uint8) + CORNER * 255).save(path)
    assert "as in an instance map" in refusal(tmp_path)


def test_void_in_palettes_and_their_colours_is_ignored(tmp_path, capsys):
    photos(tmp_path, "images", ["a.png", "b.png"])
    palette = [0, 0, 0, 128, 0, 0] + [0] * (3 * 253) + [224, 224, 192]
    (tmp_path / "masks").mkdir()
    for name in "ab":
        image = Image.fromarray(SQUARE + CORNER * 255, mode="P")
        image.putpalette(palette)
        image.save(tmp_path / f"masks/{name}.png")
    section, _ = recognised_labels(tmp_path, capsys)
    assert (section.class_values, section.ignore_value) == ({"mask": 1}, 255)
    for name in "ab":
        Image.open(tmp_path / f"masks/{name}.png").convert("RGB").save(tmp_path / f"masks/{name}.png")
    section, told = recognised_labels(tmp_path, capsys)
    assert (section.class_colours, section.ignore_value) == ({"colour_800000": (128, 0, 0)}, (224, 224, 192))
    assert "mask colour [224, 224, 192]: ignored, as pixels that nobody labelled (void, as in PASCAL VOC)" in told
    assert open_competition(section).ignored_in("a").tolist() == (CORNER > 0).astype(int).tolist()


def grid(count):
    """(24, 40) with `count` squares of 4 x 4 px, numbered from 1."""
    values = np.zeros((24, 40), np.uint16)
    for number in range(count):
        top, left = 6 * (number // 6), 6 * (number % 6)
        values[top : top + 4, left : left + 4] = number + 1
    return values


@pytest.mark.parametrize("bits", [8, 16])
def test_instance_maps_are_refused(tmp_path, bits):
    masks_of(tmp_path, lambda number: grid(3 + 2 * number).astype(f"uint{bits}"))
    text = refusal(tmp_path)
    assert "up to 9 values a mask, each one connected region, as in an instance map" in text
    assert "set data.mask_threshold: 1, which takes all objects for one class" in text
    data = MaskFoldersData(root=str(tmp_path), train_images="images", train_masks="masks", test_images=None)
    advised = open_competition(data.model_copy(update={"mask_threshold": 1}))
    assert areas(advised) == [[16 * (3 + 2 * number)] for number in range(4)]


def test_many_objects_in_every_image_are_refused(tmp_path):
    values = np.arange(24 * 40).reshape(24, 40) // 4 % 240  # 240 values, the same in all images
    masks_of(tmp_path, values.astype(np.uint8))
    assert "239 values a mask" in refusal(tmp_path)


def test_class_values_of_several_regions_are_classes(tmp_path, capsys):
    values = SQUARE + CORNER
    values[0:2, 30:36] = 2
    masks_of(tmp_path, lambda number: values if number else SQUARE)
    competition = open_competition(auto(tmp_path, "cat", "dog"))
    assert competition.class_names == ("cat", "dog")  # in the order of the values
    assert areas(competition)[1] == [152, 12]
    told = capsys.readouterr().out
    assert "mask value 1: class_1 (15.0% of the pixels, in 4 of 4 files)" in told  # 120 + 3 * 152 of 3840
    assert "class_values: {cat: 1, dog: 2}" in told


def test_soft_edges_are_no_classes(tmp_path):
    soft = cv2.GaussianBlur(SQUARE * 255, (3, 3), 0)
    masks_of(tmp_path, soft)
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("mask",)
    assert areas(competition) == [[int((soft >= 128).sum())]] * 4


def test_three_greys_are_two_classes(tmp_path):
    """128 is no soft edge of 255 where it fills a region of its own."""
    masks_of(tmp_path, SQUARE * 255 + CORNER * 128)
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("class_128", "class_255")
    assert areas(competition) == [[32, 120]] * 4


def test_grey_regions_in_jpg_masks_are_refused(tmp_path):
    for number in range(4):
        write(tmp_path / f"images/p{number}.png", np.full((96, 160), 90, np.uint8))
        write(tmp_path / f"masks/p{number}.jpg", np.kron(SQUARE * 255 + CORNER * 128, np.ones((4, 4), np.uint8)))
    assert "jpg masks (4 of 4) with regions of grey" in refusal(tmp_path)


@pytest.mark.parametrize(("value", "bits", "threshold"), [(1, 8, 1), (100, 8, 100), (255, 16, 1), (65535, 16, 128)])
def test_one_value_beside_0_is_one_class(tmp_path, value, bits, threshold):
    masks_of(tmp_path, SQUARE.astype(f"uint{bits}") * value)
    found = recognised(auto(tmp_path))
    assert isinstance(found, MaskFoldersData)
    assert found.mask_threshold == threshold
    assert areas(open_competition(found)) == [[120]] * 4


def test_masks_drawn_in_the_alpha_channel_are_refused(tmp_path):
    drawn = np.dstack([np.full((24, 40, 3), 255, np.uint8), SQUARE * 255])
    masks_of(tmp_path, drawn)
    assert "p0.png: its transparency (alpha) varies" in refusal(tmp_path)


def table(root, text):
    photos(root, "train_images", ["a_1.png", "b_2.png", "c_3.png"])
    (root / "train.csv").write_text(text)


RUNS = encode(SQUARE)


@pytest.mark.parametrize("attribute", ["age", "sex", "organ"])
def test_an_attribute_is_no_class(tmp_path, attribute, capsys):
    table(tmp_path, f"id,{attribute},rle,last\na_1,x,{RUNS},F\nb_2,y,{RUNS},M\nc_3,x,,F\n")
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("mask",)
    assert areas(competition) == [[120], [120], [0]]
    told = capsys.readouterr().out
    assert "column id: the image (3 of 3 looked at are in train_images, which holds 3 images)" in told
    assert "column rle: run lengths (3 rows, 1 of them blank: empty)" in told
    assert f"columns that are not used: {attribute}, last" in told


def test_a_column_that_may_be_the_class_is_refused_with_both_readings(tmp_path):
    table(tmp_path, f"id,kind,rle\na_1,cat,{RUNS}\na_1,dog,{encode(CORNER)}\nb_2,cat,{RUNS}\nc_3,dog,{RUNS}\n")
    text = refusal(tmp_path)
    assert "may be 2 things" in text
    assert "class_name: kind" in text
    assert "several_rows: union" in text


def test_blank_classes_are_empty_images(tmp_path):
    table(tmp_path, f"ImageId,ClassId,EncodedPixels\na_1.png,2,{RUNS}\nb_2.png,,\nc_3.png,1,{RUNS}\n")
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("1", "2")
    assert areas(competition) == [[0, 120], [0, 0], [120, 0]]


def test_an_index_column_and_ids_with_underscores(tmp_path):
    table(tmp_path, f",id,rle\n0,a_1,{RUNS}\n1,b_2,-1\n2,c_3,{encode(CORNER)}\n")
    found = recognised(auto(tmp_path))
    assert isinstance(found, RleCsvData)
    assert found.columns is not None
    assert (found.columns.image, found.columns.image_class, found.empty_token) == ("id", None, "-1")
    assert areas(open_competition(found)) == [[120], [0], [32]]


def test_image_and_class_in_one_column_with_underscores_in_both(tmp_path):
    rows = [("a_1.png", "big_fish"), ("b_2.png", "sky"), ("c_3.png", "big_fish")]
    table(tmp_path, "Image_Label,Runs\n" + "".join(f"{image}_{label},{RUNS}\n" for image, label in rows))
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("big_fish", "sky")
    assert areas(competition) == [[120, 0], [0, 120], [120, 0]]


def test_relative_run_lengths_and_ids_with_folders(tmp_path):
    two = SQUARE | CORNER
    table(
        tmp_path, "id,rle\n" + "".join(f"train_images/{n}.png,{relative_runs(encode(two))}\n" for n in ("a_1", "b_2"))
    )
    found = recognised(auto(tmp_path))
    assert isinstance(found, RleCsvData)
    assert found.order == "relative"
    assert areas(open_competition(found)) == [[152], [152], [0]]


def test_masks_that_do_not_show_their_order_are_refused(tmp_path):
    noise = (np.random.default_rng(0).random((24, 40)) < 0.5).astype(np.uint8)
    table(tmp_path, f"id,rle\na_1,{encode(noise)}\nb_2,\nc_3,\n")
    assert "the masks do not show whether their run lengths go down the columns" in refusal(tmp_path)


def test_run_lengths_without_images_say_so(tmp_path):
    table(tmp_path, f"id,rle\nx,{RUNS}\ny,{RUNS}\n")
    text = refusal(tmp_path)
    assert "found no labels" in text
    assert "column rle holds run lengths, but no other column names images of a folder (id: 'x')" in text


def test_masks_called_after_the_whole_file_name(tmp_path):
    photos(tmp_path, "images", ["a.jpg", "b.png"])
    for name in ("a.jpg", "b.png"):
        write(tmp_path / f"masks/{name}.png", SQUARE * 255)
    found = recognised(auto(tmp_path))
    assert isinstance(found, MaskFoldersData)
    assert found.mask_name == "{name}"
    assert areas(open_competition(found)) == [[120], [120]]


def test_masks_among_the_photos(tmp_path, capsys):
    photos(tmp_path, "benign", ["benign (1).png", "benign (2).png"])
    for name in ("benign (1)_mask", "benign (2)_mask"):
        write(tmp_path / f"benign/{name}.png", SQUARE * 255)
    write(tmp_path / "benign/benign (2)_mask_1.png", CORNER * 255)
    competition = open_competition(auto(tmp_path))
    assert areas(competition) == [[120], [152]]
    assert "3 masks called {stem}_mask*, several a photo are joined" in capsys.readouterr().out


def test_one_folder_an_image(tmp_path):
    for image_id, masks in (("0ab", [SQUARE, CORNER]), ("1cd", [SQUARE])):
        photos(tmp_path, f"stage1_train/{image_id}/images", [f"{image_id}.png"])
        for number, mask in enumerate(masks):
            write(tmp_path / f"stage1_train/{image_id}/masks/{number:x}e.png", mask * 255)
    photos(tmp_path, "stage1_test/9/images", ["9.png"])
    competition = open_competition(auto(tmp_path))
    assert areas(competition) == [[152], [120]]
    assert competition.test["image_id"].tolist() == ["9"]


def test_a_class_in_the_names_of_the_masks(tmp_path):
    photos(tmp_path, "images", ["a.png", "b.png"])
    for name in ("a_cat", "a_dog", "b_dog"):
        write(tmp_path / f"masks/{name}.png", SQUARE * 255)
    competition = open_competition(auto(tmp_path))
    assert competition.class_names == ("cat", "dog")
    assert areas(competition) == [[120, 120], [0, 120]]


def test_values_of_masks_in_a_csv_are_looked_at(tmp_path):
    photos(tmp_path, "p", ["a.png", "b.png"])
    for name in "ab":
        write(tmp_path / f"m/{name}.png", SQUARE)
    (tmp_path / "list.csv").write_text("photo,mask\np/a.png,m/a.png\np/b.png,m/b.png\n")
    found = recognised(auto(tmp_path))
    assert isinstance(found, PathsCsvData)
    assert areas(open_competition(found)) == [[120], [120]]
    for name in "ab":
        write(tmp_path / f"m/{name}.png", SQUARE + CORNER * 255)
    found = recognised(auto(tmp_path))
    assert (found.class_values, found.ignore_value) == ({"mask": 1}, 255)


def test_columns_of_images_that_are_not_told_apart_are_refused(tmp_path):
    photos(tmp_path, "p", ["a.png", "b.png", "c.png"])
    (tmp_path / "list.csv").write_text("photo,thumbnail,other\np/a.png,p/b.png,p/c.png\n")
    assert "columns photo, thumbnail, other name images, but not which is the photo" in refusal(tmp_path)


def coco(root, categories):
    photos(root, "train", ["a.png"])
    content = {
        "images": [{"id": 0, "file_name": "a.png", "height": 24, "width": 40}],
        "categories": categories,
        "annotations": [
            {"id": 0, "image_id": 0, "category_id": 1, "iscrowd": 0, "segmentation": [[1, 1, 9, 1, 9, 5, 1, 5]]}
        ],
    }
    (root / "train/_annotations.coco.json").write_text(json.dumps(content))


@pytest.mark.parametrize("root_name", ["facade", "facades"])
def test_the_root_category_is_no_class(tmp_path, root_name, capsys):
    root = {"id": 0, "name": root_name, "supercategory": "none"}
    coco(tmp_path, [root, {"id": 1, "name": "facade", "supercategory": root_name}])
    found = recognised(auto(tmp_path))
    assert isinstance(found, CocoData)
    assert found.class_names == ("facade",)
    assert areas(open_competition(found)) == [[32]]
    told = capsys.readouterr().out
    assert "category facade: a class (1 annotation)" in told
    assert ("category facades: the group of the others" in told) == (root_name == "facades")


def test_exclusions_are_kept(tmp_path):
    masks_of(tmp_path, SQUARE * 255)
    found = recognised(AutoData(root=str(tmp_path), exclude="bad.csv", exclude_from="everything"))
    assert (found.exclude, found.exclude_from) == ("bad.csv", "everything")


def test_what_is_not_taken_is_said(tmp_path, capsys):
    table(tmp_path, f"id,rle\na_1,{RUNS}\nb_2,\nc_3,\n")
    for folder in ("test_a", "test_b"):
        photos(tmp_path, folder, ["t.png"])
    for name in ("sample_a.csv", "sample_b.csv", "test.csv"):
        (tmp_path / name).write_text("id,rle\nt,\n")
    found = recognised(auto(tmp_path))
    assert (found.test_images, found.sample_submission) == (None, None)
    told = capsys.readouterr().out
    assert "test images: none, as several folders may hold them (test_a, test_b)" in told
    assert "sample submission: none, as several files may be one (sample_a.csv, sample_b.csv)" in told


@pytest.mark.parametrize("name", ["latest.csv", "contest.csv", "train_test_split.csv"])
def test_labels_may_have_test_in_their_name(tmp_path, name):
    table(tmp_path, f"id,rle\na_1,{RUNS}\nb_2,\nc_3,\n")
    (tmp_path / "train.csv").rename(tmp_path / name)
    assert recognised(auto(tmp_path)).train_csv == name


def test_a_class_that_begins_far_down_is_no_unused_column(tmp_path):
    names = [f"n{number}" for number in range(450)]
    for name in names:
        write(tmp_path / f"train/{name}.png", SQUARE)
    rows = [
        f"{name},{RUNS if number < 440 else ''},{RUNS if number >= 440 else ''}" for number, name in enumerate(names)
    ]
    (tmp_path / "train.csv").write_text("\n".join(["id,common,rare", *rows]) + "\n")
    assert recognised(auto(tmp_path)).class_names == ("common", "rare")
