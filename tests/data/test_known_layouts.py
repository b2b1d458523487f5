"""data.format: auto on the layouts of well-known data sets, drawn small: what is read equals what was drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskfold.config import AutoData, MaskFoldersData
from maskfold.data.opening import open_competition
from maskfold.data.recognition.recognise import recognised
from maskfold.errors import DataError
from maskfold.pixels.rle import encode

SIZE = (20, 24)


pytestmark = pytest.mark.usefixtures("no_index")


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photo(number: int) -> np.ndarray:
    return np.full((*SIZE, 3), 100 + number, np.uint8)


def label(number: int, value: int = 255) -> np.ndarray:
    """A rectangle of its own for every image."""
    mask = np.zeros(SIZE, np.uint8)
    mask[number : number + 5, 2 * number : 2 * number + 6] = value
    return mask


def opened(root, **given):
    return open_competition(recognised(AutoData.model_validate({"root": str(root), **given})))


def all_are_read(competition, named):
    """named: image_id -> number of the image, None where it is empty."""
    assert set(competition.train["image_id"]) == set(named)
    for image_id, number in named.items():
        expected = np.zeros(SIZE, bool) if number is None else label(number) > 0
        assert np.array_equal(competition.masks(image_id)[0] > 0, expected), image_id


def test_numbers_in_common_and_a_field_of_view_beside_the_labels(root, capsys):
    """DRIVE: 21_training.tif, 21_manual1.gif and 21_training_mask.gif, the field of view; test photos are 01_test."""
    for number in range(6):
        save(root / f"training/images/{number + 21}_training.tif", photo(number))
        save(root / f"training/1st_manual/{number + 21}_manual1.gif", label(number))
        view = np.full(SIZE, 255, np.uint8)
        view[:14, : 20 + number % 2] = 0
        save(root / f"training/mask/{number + 21}_training_mask.gif", view)
        save(root / f"test/images/{number + 1:02d}_test.tif", photo(number))
    competition = opened(root)
    all_are_read(competition, {f"{number + 21}_training": number for number in range(6)})
    assert competition.test["image_id"].tolist() == [f"{number + 1:02d}_test" for number in range(6)]
    told = capsys.readouterr().out
    assert "training/mask: not used: the masks are the same in all files" in told
    assert "photos called {stem}_training; training/1st_manual: 6 masks called {stem}_manual1" in told


@pytest.mark.parametrize(
    ("photo_name", "mask_name"),
    [
        ("images/img_{}.png", "masks/mask_{}.png"),
        ("images/image{}.png", "masks/gt{}.png"),
        ("train/{}_sat.jpg", "train/{}_mask.png"),
        ("images/{}.png", "masks/mask{}.png"),
        ("traincrop/{}.jpg", "traincrop/{}.png"),
    ],
)
def test_a_photo_and_its_mask_may_have_only_a_number_in_common(root, photo_name, mask_name):
    for number in range(6):
        save(root / photo_name.format(number + 7), photo(number))
        save(root / mask_name.format(number + 7), label(number))
    all_are_read(opened(root), {Path(photo_name.format(number + 7)).stem: number for number in range(6)})


def test_one_folder_an_image_with_empty_folders_of_masks(root):
    """Data Science Bowl 2018: stage1_train/<id>/images and masks, a file an object, none in an empty image."""
    for number in range(6):
        save(root / f"stage1_train/id{number}/images/id{number}.png", photo(number))
        (root / f"stage1_train/id{number}/masks").mkdir()
        for part in range(2 if number > 1 else 0):
            half = label(number)
            half[number + 2 * part : number + 5 - 3 * (1 - part)] = 0
            save(root / f"stage1_train/id{number}/masks/{part}abc.png", label(number) - half)
        save(root / f"stage1_test/t{number}/images/t{number}.png", photo(number))
    competition = opened(root)
    all_are_read(competition, {f"id{number}": number if number > 1 else None for number in range(6)})
    assert len(competition.test) == 6


def test_one_folder_of_index_masks_in_a_folder_of_annotations(root):
    """Oxford pets: annotations/trimaps of 1, 2 and 3 next to annotations/xmls, and files of macOS."""
    for number in range(6):
        save(root / f"images/cat_{number}.jpg", photo(number))
        save(root / f"annotations/trimaps/cat_{number}.png", 2 - (label(number) > 0).astype(np.uint8))
        (root / f"annotations/trimaps/._cat_{number}.png").write_bytes(b"\0\5\x16\7")
    (root / "annotations/xmls").mkdir()
    competition = opened(root)
    assert competition.class_names == ("class_1", "class_2")
    all_are_read(competition, {f"cat_{number}": number for number in range(6)})


def test_photos_of_which_only_some_are_labelled(root):
    """PASCAL VOC: more photos than masks, which are empty or were never labelled: the config has to say which."""
    for number in range(8):
        save(root / f"JPEGImages/2007_{number}.jpg", photo(number))
        if number < 5:
            save(root / f"SegmentationClass/2007_{number}.png", label(number))
    with pytest.raises(DataError, match="8 photos, but 5 masks in SegmentationClass"):
        opened(root)
    labelled = {f"2007_{number}": number for number in range(5)}
    all_are_read(opened(root, missing_masks="skip"), labelled)
    empty = {f"2007_{number}": None for number in range(5, 8)}
    all_are_read(opened(root, missing_masks="empty"), labelled | empty)


def test_everything_in_one_folder_more(root, capsys):
    """Inria: AerialImageDataset/train/images and gt."""
    for number in range(4):
        save(root / f"AerialImageDataset/train/images/austin{number}.tif", photo(number))
        save(root / f"AerialImageDataset/train/gt/austin{number}.tif", label(number))
    all_are_read(opened(root), {f"austin{number}": number for number in range(4)})
    assert "everything lies in AerialImageDataset" in capsys.readouterr().out


def test_an_instance_map_gives_way_to_class_masks_of_the_same_photos(root, capsys):
    for number in range(6):
        save(root / f"images/{number}.png", photo(number))
        save(root / f"masks_class/{number}.png", label(number))
        objects = np.zeros(SIZE, np.uint8)
        for index in range(3 + number % 3):
            objects[3 * index + 1, 1:4] = index + 1
        save(root / f"masks_instance/{number}.png", objects)
    all_are_read(opened(root), {str(number): number for number in range(6)})
    assert "masks_instance: not used: up to 5 values a mask" in capsys.readouterr().out


def test_rows_of_a_split_without_masks_are_not_taken_for_empty_images(root):
    """DeepGlobe: metadata.csv lists the unlabelled validation photos, too; photos and masks lie in one folder."""
    rows = ["image_id,split,sat_image_path,mask_path"]
    for number in range(6):
        save(root / f"train/{number + 100}_sat.jpg", photo(number))
        save(root / f"train/{number + 100}_mask.png", label(number))
        save(root / f"valid/{number + 900}_sat.jpg", photo(number))
        rows.append(f"{number + 100},train,train/{number + 100}_sat.jpg,train/{number + 100}_mask.png")
        rows.append(f"{number + 900},valid,valid/{number + 900}_sat.jpg,")
    root.joinpath("metadata.csv").write_text("\n".join(rows) + "\n")
    all_are_read(opened(root), {f"{number + 100}_sat": number for number in range(6)})
    for number in range(6):
        (root / f"train/{number + 100}_mask.png").rename(root / f"train/{number + 100}_other.png")
    with pytest.raises(DataError, match="no labels"):
        opened(root)
    text = (root / "metadata.csv").read_text().replace("_mask.png", "_other.png")
    (root / "metadata.csv").write_text(text)
    with pytest.raises(DataError, match="6 rows with valid in column split have no mask: probably images that nobody"):
        opened(root)
    assert len(opened(root, train_csv="metadata.csv").train) == 12


@pytest.mark.parametrize("agree", [True, False])
def test_run_lengths_and_the_mask_images_that_they_were_made_from(root, agree, capsys):
    """TGS salt: train.csv next to train/images and train/masks; the csv is used if both say the same."""
    rows = ["id,rle_mask"]
    for number in range(6):
        save(root / f"train/images/s{number}.png", photo(number))
        save(root / f"train/masks/s{number}.png", label(number if agree or number < 5 else 1))
        save(root / f"test/images/t{number}.png", photo(number))
        rows.append(f"s{number},{encode(label(number, 1))}")
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    (root / "sample_submission.csv").write_text("id,rle_mask\n" + "".join(f"t{n},1 1\n" for n in range(6)))
    if not agree:
        with pytest.raises(DataError, match="may be 2 things"):
            opened(root)
        return
    competition = opened(root)
    all_are_read(competition, {f"s{number}": number for number in range(6)})
    assert competition.sample_submission is not None
    assert "photos in train/images with masks in train/masks: the same masks, in all images" in capsys.readouterr().out


def in_colours(number: int, colours) -> np.ndarray:
    """The image's rectangle in the first colour, the rest in the second, and a row in the third."""
    pixels = np.full((*SIZE, 3), colours[1], np.uint8)
    pixels[label(number) > 0] = colours[0]
    pixels[-1] = colours[2]
    return pixels


def test_a_table_of_classes_names_the_colours(root, capsys):
    """CamVid: train, train_labels and class_dict.csv, in which Void is black; Animal is in no mask."""
    table = "name,r,g,b\nAnimal,64,128,64\nCar,64,0,128\nRoad,128,64,128\nVoid,0,0,0\n"
    for number in range(5):
        save(root / f"train/seq_{number}.png", photo(number))
        save(root / f"train_labels/seq_{number}_L.png", in_colours(number, [(64, 0, 128), (128, 64, 128), (0, 0, 0)]))
    (root / "class_dict.csv").write_text(table)
    competition = opened(root)
    assert competition.class_names == ("Animal", "Car", "Road")
    masks, rest = competition.masks("seq_2"), np.ones(SIZE, bool)
    rest[-1] = False
    assert np.array_equal(masks[1] > 0, (label(2) > 0) & rest) and not masks[0].any()
    assert np.array_equal(masks[2] > 0, (label(2) == 0) & rest)
    assert np.array_equal(competition.ignored_in("seq_2") > 0, ~rest)
    assert "mask colour [64, 0, 128]: Car (" in capsys.readouterr().out
    (root / "class_dict.csv").write_text(table.replace("Void,0,0,0", "Background,0,0,0"))
    assert opened(root).ignored_in("seq_2") is None
    (root / "class_dict.csv").write_text(table.replace("Car,64,0,128\n", ""))
    with pytest.raises(DataError, match=r"class_dict.csv: the masks also have the colours \[\[64, 0, 128\]\]"):
        opened(root)
    (root / "class_dict.csv").write_text(table.replace("Car,64,0,128", "Car,64,x,128"))
    with pytest.raises(DataError, match=r"class_dict.csv, row 3: found 64,x,128, expected r, g and b"):
        opened(root)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("labels/train/3.txt", "0 0.1 0.2 0.5 0.2 0.5 0.7\n", "1 .txt file: polygons of YOLO"),
        ("3.json", '{"shapes": [], "imagePath": "3.jpg"}', "1 .json file: shapes of LabelMe"),
        ("annotations.xml", "<annotations><image><polygon/></image></annotations>", "annotations of CVAT"),
        ("truth/3.mat", "MATLAB", "1 .mat file: MATLAB files"),
    ],
)
def test_labels_of_other_programs_are_named_with_where_to_read_on(root, name, content, kind):
    save(root / "images/train/3.jpg", photo(3))
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)
    with pytest.raises(DataError, match=f"{kind}.*bring-your-data.md"):
        opened(root)


def test_notes_in_text_files_are_no_labels(root):
    save(root / "images/3.jpg", photo(3))
    (root / "images/readme.txt").write_text("3 photos of 2026\n")
    with pytest.raises(DataError) as error:
        opened(root)
    assert "Convert other masks" not in str(error.value)


def test_folders_that_the_config_names_may_be_called_anything(root):
    for number in range(4):
        save(root / f"x/{number}.png", photo(number))
        save(root / f"y/{number}.png", label(number))
    with pytest.raises(DataError, match="no labels"):
        opened(root)
    all_are_read(opened(root, train_images="x", train_masks="y"), {str(number): number for number in range(4)})


def test_folders_of_masks_next_to_each_other_may_be_those_of_classes(root):
    for number in range(4):
        save(root / f"original/{number}.png", photo(number))
        save(root / f"mask_vessel/{number}.png", label(number + 3))
        save(root / f"mask_tumor/{number}.png", label(number))
    with pytest.raises(DataError, match="may be 3 things") as error:
        opened(root)
    assert "mask_name: mask_{class}/{stem}" in str(error.value)
    competition = opened(root, train_masks=".")
    assert competition.class_names == ("tumor", "vessel")
    all_are_read(competition, {str(number): number for number in range(4)})
    assert np.array_equal(competition.masks("1")[1] > 0, label(4) > 0)


def test_the_folder_of_photos_alone_is_answered_with_its_parent(root):
    for number in range(3):
        save(root / f"images/{number}.png", photo(number))
        save(root / f"masks/{number}.png", label(number))
    with pytest.raises(DataError, match=f"masks: may hold the labels; give the folder that holds both, {root}"):
        opened(root / "images")


def test_an_archive_is_no_folder(root):
    root.mkdir()
    (root / "data.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"data.zip: is a file, expected a folder; unpack it"):
        opened(root / "data.zip")


def test_folders_too_deep_are_answered_with_the_keys_that_name_them(root):
    """LoveDA: Train/Rural and Train/Urban, each with images_png and masks_png."""
    parts = ("Rural", "Urban")
    for number in range(6):
        part = f"Train/{parts[number % 2]}"
        save(root / f"{part}/images_png/{number}.png", photo(number))
        save(root / f"{part}/masks_png/{number}.png", label(number))
    (root / "Val").mkdir()
    with pytest.raises(DataError, match=r"images_png: images lie deeper than `auto` looks"):
        opened(root)
    folders = {key: [f"Train/{part}/{key}_png" for part in parts] for key in ("images", "masks")}
    data = MaskFoldersData.model_validate_json(
        json.dumps(
            {"root": str(root), "train_images": folders["images"], "train_masks": folders["masks"], "test_images": None}
        )
    )
    all_are_read(open_competition(data), {str(number): number for number in range(6)})


def test_masks_among_the_test_photos_are_no_test_photos(root):
    """CRACK500: traincrop, valcrop and testcrop, each with x.jpg and x.png."""
    for split in ("train", "val", "test"):
        for number in range(4):
            save(root / f"{split}crop/{split}{number}.jpg", photo(number))
            save(root / f"{split}crop/{split}{number}.png", label(number))
    competition = opened(root)
    all_are_read(competition, {f"{split}{number}": number for split in ("train", "val") for number in range(4)})
    assert competition.test["image_id"].tolist() == [f"test{number}" for number in range(4)]
