"""data.format: auto: what each kind of folder is taken for, and folders that may be several things or nothing."""

import json
import struct
import zlib

import cv2
import numpy as np
import pytest

from maskfold.audit.data.audit import open_tolerantly
from maskfold.config import REPOSITORY, AutoData, CocoData, MaskFoldersData, PathsCsvData, RleCsvData, load_config
from maskfold.data.opening import open_competition
from maskfold.data.recognition.recognise import recognised
from maskfold.errors import DataError
from maskfold.pixels.rle import encode

SQUARE = np.zeros((12, 16), np.uint8)
SQUARE[2:9, 3:12] = 1


pytestmark = pytest.mark.usefixtures("no_index")


def images(root, folder, names, pixels=SQUARE * 90):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(root / folder / name), pixels)


def auto(root, *class_names):
    return AutoData(root=str(root), class_names=class_names)


@pytest.mark.parametrize("order", ["column", "row"])
def test_severstal_is_run_lengths_and_the_pixel_order_is_seen(root, order, capsys):
    images(root, "train_images", ["a.jpg", "b.jpg"])
    images(root, "test_images", ["t.jpg"])
    (root / "train.csv").write_text(f"ImageId,ClassId,EncodedPixels\na.jpg,1,{encode(SQUARE, order)}\nb.jpg,2,3 1\n")
    (root / "sample_submission.csv").write_text("ImageId,ClassId,EncodedPixels\nt.jpg,1,\nt.jpg,2,\n")
    (root / "groups.csv").write_text("ImageId,GroupId\na.jpg,x\nb.jpg,x\n")
    found = recognised(auto(root))
    assert isinstance(found, RleCsvData)
    assert (found.class_names, found.order, found.test_images) == (("1", "2"), order, "test_images")
    np.testing.assert_array_equal(open_competition(found).masks("a.jpg")[0], SQUARE)
    assert open_competition(found).train["group"].tolist() == ["x", "x"]
    told = capsys.readouterr().out
    assert f"taken for run lengths in train.csv, {order} by {order}\n" in told
    assert "format: rle_csv" in told


@pytest.mark.parametrize(
    ("folders", "test_images"),
    [
        ({"latest": "a", "test": "t"}, "test"),  # the training folder's name holds the word too
        ({"latest": "a"}, None),
        ({"train": "a", "test_a": "t", "test_b": "u"}, None),  # either may be meant
    ],
)
def test_the_folder_of_test_images_of_run_lengths(root, folders, test_images):
    for folder, stem in folders.items():
        images(root, folder, [f"{stem}.png"])
    (root / "train.csv").write_text(f"id,rle_mask\na,{encode(SQUARE)}\n")
    found = recognised(auto(root))
    assert isinstance(found, RleCsvData)
    assert found.train_images == next(iter(folders))
    assert found.test_images == test_images


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("id,rle_mask\na,{rle}\nb,\n", ("mask",)),
        ("id,cat,dog\na,{rle},\nb,,3 1\n", ("cat", "dog")),
        ("Image_Label,Runs\na_Fish,{rle}\na_Gravel,\nb_Fish,\nb_Gravel,3 1\n", ("Fish", "Gravel")),
        ("ImageId,EncodedPixels\na.png,{rle}\na.png,190 2\nb.png,\n", ("mask",)),
    ],
    ids=["one class", "wide", "joined", "an object a row"],
)
def test_other_columns_are_understood(root, text, classes):
    images(root, "train", ["a.png", "b.png"])
    (root / "train.csv").write_text(text.format(rle=encode(SQUARE)))
    competition = open_competition(auto(root))
    assert competition.class_names == classes
    assert competition.masks(competition.train["image_id"][0])[0, 2:9, 3:12].all()


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("photo,label,site,rle", "label"),
        ("photo,defect_class,site,rle", "defect_class"),
        ("photo,site,Label,rle", "Label"),
        ("ImageId,ClassId,EncodedPixels", "ClassId"),
    ],
)
def test_the_class_column_is_the_one_called_class_or_label(root, header, column):
    images(root, "train", ["a.png", "b.png"])
    names = header.split(",")
    runs = encode(SQUARE)
    rows = []
    for image, kind in (("a.png", "cat"), ("b.png", "dog"), ("b.png", "cat")):
        values = dict.fromkeys(names, "north") | {names[0]: image, column: kind, names[-1]: runs}
        rows.append(",".join(values[name] for name in names))
    (root / "train.csv").write_text("\n".join([header, *rows]) + "\n")
    found = recognised(auto(root))
    assert isinstance(found, RleCsvData)
    assert found.class_names == ("cat", "dog")
    assert (found.columns.image, found.columns.class_name, found.columns.rle) == (names[0], column, names[-1])
    assert open_competition(found).masks("a.png").any(axis=(1, 2)).tolist() == [True, False]


def test_numbers_of_classes_are_ordered_as_numbers(root):
    images(root, "train", ["a.png"])
    runs = encode(SQUARE)
    rows = "".join(f"a.png,{number},{runs}\n" for number in (10, 9, 1, 2))
    (root / "train.csv").write_text(f"image,class,rle\n{rows}")
    assert recognised(auto(root)).class_names == ("1", "2", "9", "10")


def test_the_people_layout_with_validation_folders(root):
    for folder in ("train", "valid", "test"):
        images(root, folder, [f"{folder}{n}.jpg" for n in range(3)])
        if folder != "test":
            images(root, f"{folder}_mask", [f"{folder}{n}.png" for n in range(3)], SQUARE * 255)
    found = recognised(auto(root, "person"))
    assert isinstance(found, MaskFoldersData)
    assert (found.valid_masks, found.test_images, found.labels) == ("valid_mask", "test", "binary")
    competition = open_competition(found)
    assert competition.train["split"].tolist() == ["train"] * 3 + ["valid"] * 3
    assert competition.masks("valid2").sum() == SQUARE.sum()


def test_splits_that_all_count_from_one_are_told_apart(root):
    for split in ("train", "valid", "test"):
        images(root, split, ["1.jpg", "2.jpg"])
        images(root, f"{split}_mask", ["1.png", "2.png"], SQUARE * 255)
    found = recognised(auto(root))
    assert isinstance(found, MaskFoldersData)
    assert (found.train_images, found.train_masks) == ("train", "train_mask")
    assert (found.valid_images, found.valid_masks) == ("valid", "valid_mask")
    assert found.test_images == "test"
    assert len(open_competition(found).train) == 4


@pytest.mark.parametrize(
    ("pixels", "labels", "classes"),
    [
        (SQUARE * 3 + np.eye(12, 16, dtype=np.uint8), "class_index", ("class_1", "class_3", "class_4")),
        (np.dstack([SQUARE * 0, SQUARE * 128, SQUARE * 255]), "colour", ("colour_ff8000",)),
        (SQUARE, "binary", ("mask",)),
    ],
)
def test_the_kind_of_mask_is_seen_in_the_pixels(root, pixels, labels, classes):
    images(root, "imgs", ["a.jpg", "b.jpg"])
    images(root, "masks", ["a_mask.png", "b_mask.png"], pixels)
    found = recognised(auto(root))
    assert isinstance(found, MaskFoldersData)
    assert (found.labels, found.class_names, found.mask_name) == (labels, classes, "{stem}_mask")
    assert open_competition(found).masks("a").any(axis=(1, 2)).all()


def test_one_folder_a_class(root):
    images(root, "photos", ["a.jpg", "b.jpg"])
    images(root, "masks/cat", ["a.png"], SQUARE * 255)
    images(root, "masks/dog", ["b.png", "a.png"], SQUARE * 255)
    competition = open_competition(auto(root))
    assert competition.class_names == ("cat", "dog")
    assert competition.masks("b").any(axis=(1, 2)).tolist() == [False, True]


def test_the_cigarette_layout_is_coco(root):
    for split in ("train", "val"):
        images(root, f"{split}/images", ["00.jpg"])
        image = {"id": 0, "file_name": "00.jpg", "height": 12, "width": 16}
        annotation = {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
        content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "butt"}]}
        (root / split / "coco_annotations.json").write_text(json.dumps(content))
    images(root, "real_test", ["r.jpg"])
    found = recognised(auto(root))
    assert isinstance(found, CocoData)
    assert (found.valid_json, found.test_images) == ("val/coco_annotations.json", "real_test")
    assert open_competition(found).train["image_id"].tolist() == ["00.jpg", "valid/00.jpg"]
    shipped = open_competition(load_config(REPOSITORY / "configs/cigarette_butts.yaml", [f"data.root={root}"]).data)
    assert shipped.class_names == ("cigarette_butt",)
    assert shipped.train["split"].tolist() == ["train", "valid"]
    assert shipped.test["image_id"].tolist() == ["r.jpg"]
    assert shipped.masks("valid/00.jpg").sum() == open_competition(found).masks("00.jpg").sum() > 0


@pytest.mark.parametrize("name", ["annotations.json", "instances.json"])
def test_a_json_of_any_name_is_the_training_json_where_none_is_called_so(root, name):
    def write(path, image):
        entry = {"id": 0, "file_name": image, "height": 12, "width": 16}
        annotation = {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
        content = {"images": [entry], "annotations": [annotation], "categories": [{"id": 1, "name": "butt"}]}
        (root / path).write_text(json.dumps(content))

    images(root, "photos", ["a.jpg"])
    images(root, "more", ["v.jpg"])
    write(name, "a.jpg")
    write("val.json", "v.jpg")
    write("test.json", "a.jpg")
    found = recognised(auto(root))
    assert isinstance(found, CocoData)
    assert (found.train_json, found.train_images) == (name, "photos")
    assert (found.valid_json, found.valid_images) == ("val.json", "more")


def test_a_csv_of_paths(root):
    images(root, "x", ["a.jpg"])
    images(root, "y", ["1.png"], SQUARE * 255)
    (root / "list.csv").write_text("photo,mask_path\nx/a.jpg,y/1.png\n")
    found = recognised(auto(root))
    assert isinstance(found, PathsCsvData)
    assert open_competition(found).masks("a").sum() == SQUARE.sum()


NAMES = [f"{number}.jpg" for number in range(20)]


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ("3.jpg,1", "row 22: 2 fields"),
        ("3.jpg,2,1 x", "row 22: bad run lengths of '3.jpg'"),
        ("33.jpg,1,1 2", "row 22: there is no training image '33.jpg'"),
    ],
)
def test_a_broken_row_hides_nothing_and_is_named(root, row, answer):
    images(root, "train", NAMES)
    images(root, "more_of_train", NAMES[:19])
    runs = encode(SQUARE, "row")
    (root / "train.csv").write_text("image,class,rle\n" + "".join(f"{name},1,{runs}\n" for name in NAMES) + row + "\n")
    found = recognised(auto(root, "1", "2"))
    assert isinstance(found, RleCsvData)
    assert (found.train_images, found.order) == ("train", "row")
    with pytest.raises(DataError, match=answer):
        open_competition(found)


def test_broken_masks_and_annotations_are_left_to_the_reader_and_the_audit(root, monkeypatch):
    images(root, "train", NAMES)
    images(root, "train_mask", [name.replace("jpg", "png") for name in NAMES], SQUARE * 255)
    (root / "train_mask/0.png").write_text("no image")
    declares(root / "train_mask/10.png", 30_000, 30_000)
    bomb, decode = (root / "train_mask/10.png").read_bytes()[16:24], cv2.imdecode

    def decode_others(data, flag):
        assert bytes(data[16:24]) != bomb
        return decode(data, flag)

    monkeypatch.setattr("cv2.imdecode", decode_others)
    competition, problems = open_tolerantly(auto(root))
    assert [line.partition(": ")[2][:22] for line in problems] == ["cannot be decoded; the", "declares 30000x30000 p"]
    assert competition.masks("1").sum() == SQUARE.sum()
    with pytest.raises(KeyError):
        competition.masks("10")


def declares(path, height, width):
    """Overwrite a png's size, as a file does that would fill the memory."""
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])


def test_a_json_with_a_bad_annotation_is_recognised(root):
    images(root, "train", ["a.jpg"])
    image = {"id": 0, "file_name": "a.jpg", "height": 12, "width": 16}
    whole = {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}
    bad = {"id": 2, "image_id": 0, "category_id": 1, "segmentation": [[1, 1]]}
    content = {"images": [image], "annotations": [whole, bad], "categories": [{"id": 1, "name": "butt"}]}
    (root / "train.json").write_text(json.dumps(content))
    competition, problems = open_tolerantly(auto(root))
    assert ["annotation 2" in line for line in problems] == [True]
    assert competition.masks("a.jpg").sum() > 0


def test_masks_that_are_arrays(root):
    images(root, "train", ["a.jpg", "b.jpg"])
    (root / "train_mask").mkdir()
    for stem in "ab":
        np.save(root / f"train_mask/{stem}.npy", SQUARE)
    assert open_competition(auto(root)).masks("a").sum() == SQUARE.sum()


def test_a_folder_that_may_be_two_things_lists_both(root):
    images(root, "train/images", ["a.png", "b.png"])
    images(root, "train/masks", ["a.png", "b.png"], SQUARE * 255)
    (root / "train.csv").write_text(f"id,rle_mask\na,{encode(SQUARE)}\nb,\n")
    with pytest.raises(DataError) as error:
        recognised(auto(root))
    text = str(error.value)
    assert "may be 2 things; write down which in the config" in text
    assert "format: rle_csv" in text
    assert "format: mask_folders" in text


def test_a_folder_without_labels_says_what_it_holds(root):
    images(root, "train", ["a.png"])
    with pytest.raises(DataError, match=r"found no labels; .*The folder holds train/"):
        recognised(auto(root))


def test_photos_and_masks_right_in_the_folder_itself(root):
    images(root, ".", ["a.jpg", "b.jpg"])
    images(root, ".", ["a_mask.png", "b_mask.png"], SQUARE * 255)
    found = recognised(auto(root))
    assert isinstance(found, MaskFoldersData)
    assert (found.train_images, found.train_masks, found.mask_name) == (".", ".", "{stem}_mask")
    competition = open_competition(found)
    assert competition.train["image_id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(competition.masks("a")[0], SQUARE)


def test_photos_in_the_folder_itself_and_masks_in_one_below(root):
    images(root, ".", ["a.jpg", "b.jpg"])
    images(root, "masks", ["a.png", "b.png"], SQUARE * 255)
    images(root, "test", ["t.jpg"])
    found = recognised(auto(root))
    assert (found.train_images, found.train_masks, found.test_images) == (".", "masks", "test")
    np.testing.assert_array_equal(open_competition(found).masks("b")[0], SQUARE)


def test_one_folder_an_image_right_in_the_folder_where_an_empty_one_means_no_object(root):
    for name in "abcdefghij":
        images(root, f"{name}/images", [f"{name}.png"])
        (root / name / "masks").mkdir()
    for name in "abcdefghi":
        images(root, f"{name}/masks", ["1.png"], SQUARE * 255)
    found = recognised(auto(root))
    assert (found.train_images, found.mask_name) == (".", "{stem}/masks/*")
    competition = open_competition(found)
    assert [int(competition.masks(image_id).sum()) for image_id in competition.train["image_id"]] == [63] * 9 + [0]
