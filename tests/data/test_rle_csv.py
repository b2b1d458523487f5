"""The run-length csv reader: both Severstal forms, and every bad input reported together with file and row."""

import cv2
import numpy as np
import pytest

from maskfold.config import RleColumns, RleCsvData
from maskfold.data.opening import open_competition
from maskfold.errors import DataError

TWO_COLUMNS = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\nb.png,2,3 1\n"
ONE_COLUMN = "ImageId_ClassId,EncodedPixels\na.jpg_1,1 2\na.jpg_2,\nb.png_1,\nb.png_2,3 1\nc.jpg_1,\nc.jpg_2,\n"
SAMPLE = "ImageId,ClassId,EncodedPixels\nt.jpg,1,\nt.jpg,2,\n"


@pytest.fixture
def root(tmp_path):
    """Three training images (4x6 grey, 4x6 colour, 5x3 grey) and one test image."""
    rng = np.random.default_rng(0)
    for folder, name, shape in (
        ("train_images", "a.jpg", (4, 6)),
        ("train_images", "b.png", (4, 6, 3)),
        ("train_images", "c.jpg", (5, 3)),
        ("test_images", "t.jpg", (7, 8)),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / folder / name), rng.integers(0, 256, shape, dtype=np.uint8))
    (tmp_path / "train.csv").write_text(TWO_COLUMNS)
    (tmp_path / "sample_submission.csv").write_text(SAMPLE)
    return tmp_path


def data_of(root, **changes):
    return RleCsvData(root=str(root), class_names=("1", "2"), **changes)


def problems_of(root, **changes):
    with pytest.raises(DataError) as error:
        open_competition(data_of(root, **changes))
    return error.value.problems


@pytest.mark.parametrize(
    "text", [TWO_COLUMNS, ONE_COLUMN, "\ufeff" + TWO_COLUMNS], ids=["two", "one", "byte order mark"]
)
def test_both_forms_give_the_same_competition(root, text):
    (root / "train.csv").write_text(text, encoding="utf-8")
    competition = open_competition(data_of(root))
    assert competition.train["image_id"].tolist() == ["a.jpg", "b.png", "c.jpg"]
    assert competition.train[["height", "width"]].to_numpy().tolist() == [[4, 6], [4, 6], [5, 3]]
    assert competition.test["image_id"].tolist() == ["t.jpg"]
    masks = competition.masks("a.jpg")
    assert (masks.shape, masks.dtype, masks.sum()) == ((2, 4, 6), np.uint8, 2)
    assert masks[0, :2, 0].tolist() == [1, 1]
    assert competition.masks("b.png")[1, 2, 0] == 1
    assert competition.masks("c.jpg").sum() == 0  # an image without rows is an empty image


def test_groups_join_the_training_table(root):
    (root / "groups.csv").write_text("ImageId,GroupId\na.jpg,x\nb.png,x\nc.jpg,y\n")
    assert open_competition(data_of(root, groups_csv="groups.csv")).train["group"].tolist() == ["x", "x", "y"]


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ("d.jpg,1,1 2", "row 4: there is no training image 'd.jpg'"),
        ("A.JPEG,1,1 2", "row 4: there is no training image 'A.JPEG'; there is 'a.jpg'"),
        ("a.jpg,2,-1", "if it means an empty mask, set data.empty_token: '-1'"),
        ("../a.jpg,1,1 2", "row 4: image id '../a.jpg' leads out of its folder"),
        ("a.jpg,9,1 2", "row 4: unknown class '9'; data.class_names has 1, 2"),
        ("a.jpg,1,5 1", "row 4: 'a.jpg', class 1 is in row 2 already"),
        ("c.jpg,1,1 2 3", "row 4: bad run lengths of 'c.jpg', class 1: 3 numbers"),
        ("c.jpg,1,4 1 1 1", "not sorted"),
        ("c.jpg,1,1 3 2 1", "they overlap"),
        ("c.jpg,1,15 2", "reaches to pixel 16, but the image has 15 pixels"),
        ("c.jpg,1,one 2", "not a whole number"),
        (",1,1 2", "row 4: no image id with class '1'; a column that holds both is written <image>_<class>"),
        ("c.jpg,1", "row 4: 2 fields, but the header has 3"),
    ],
)
def test_a_bad_label_row_is_named(root, row, answer):
    (root / "train.csv").write_text(TWO_COLUMNS + row + "\n")
    problems = problems_of(root)
    assert any("train.csv" in problem and answer in problem for problem in problems), problems


def test_bad_images_are_named(root):
    good = (root / "train_images/a.jpg").read_bytes()
    (root / "train_images/a.jpg").write_bytes(good[: len(good) // 2])
    (root / "train_images/c.jpg").write_bytes(b"")
    (root / "test_images/t.jpg").write_text("no image")
    problems = "\n".join(problems_of(root))
    for name in ("a.jpg", "c.jpg", "t.jpg"):
        assert f"{name}: cannot be decoded" in problems


def test_all_problems_come_together(root):
    (root / "train.csv").write_text(TWO_COLUMNS + "a.jpg,7,1 1\nmissing.jpg,1,1 1\n")
    (root / "sample_submission.csv").write_text(SAMPLE + "ghost.jpg,1,\n")
    (root / "groups.csv").write_text("ImageId,GroupId\na.jpg,x\n")
    (root / "train_images/b.png").write_bytes(b"x")
    problems = problems_of(root, groups_csv="groups.csv")
    for answer in (
        "train.csv, row 4: unknown class '7'",
        "train.csv, row 5: there is no training image 'missing.jpg'",
        "sample_submission.csv, row 4: there is no test image 'ghost.jpg'",
        "groups.csv: training image 'b.png' has no row",
        "b.png: cannot be decoded",
    ):
        assert any(answer in problem for problem in problems), (answer, problems)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("train.csv", "train.csv: no such file"), ("train_images", "no such folder of images")],
)
def test_missing_files_are_named(root, name, answer):
    (root / name).rename(root / "elsewhere")
    assert any(answer in problem for problem in problems_of(root))


def test_a_foreign_header_is_shown_beside_the_expected_ones(root):
    (root / "train.csv").write_text("image,label\na,1\n")
    assert any("found the header image,label; expected ImageId,ClassId" in p for p in problems_of(root))


def test_a_missing_demo_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path)
    assert any("python src/make_demo_data.py" in p for p in problems_of("data/demo"))


def test_the_check_is_remembered_and_renewed(root, monkeypatch, tmp_path):
    monkeypatch.setattr("maskfold.data.images.index.MIN_INDEXED", 1)
    monkeypatch.setattr("maskfold.artefacts.paths.REPOSITORY", tmp_path / "repository")
    open_competition(data_of(root))
    monkeypatch.setattr(
        "maskfold.data.images.decoding.read_image", lambda path, channels: pytest.fail(f"{path} read again")
    )
    open_competition(data_of(root))
    monkeypatch.undo()
    (root / "train_images/a.jpg").write_bytes(b"changed")
    assert any("a.jpg: cannot be decoded" in p for p in problems_of(root))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("label,image,runs\n1,a.jpg,1 2\n2,b.png,3 1\n", {"image": "image", "class_name": "label", "rle": "runs"}),
        ("key,runs\na.jpg_1,1 2\nb.png_2,3 1\n", {"image_class": "key", "rle": "runs"}),
        ("id,one,two\na.jpg,1 2,-1\nb.png,-1,3 1\n", {"image": "id", "rle_of": {"2": "two", "1": "one"}}),
    ],
    ids=["long", "joined", "wide"],
)
def test_columns_of_any_name_and_form(root, text, columns):
    (root / "train.csv").write_text(text)
    masks = open_competition(data_of(root, columns=RleColumns(**columns), empty_token="-1")).masks
    assert masks("a.jpg").sum(axis=(1, 2)).tolist() == [2, 0]
    assert masks("b.png")[1, 2, 0] == 1


def test_rows_of_one_class_are_objects_only_where_the_config_says_so(root):
    (root / "train.csv").write_text("img,rle\na.jpg,1 2\na.jpg,2 3\n")
    (root / "sample_submission.csv").write_text("img,rle\nt.jpg,\n")
    data = RleCsvData(root=str(root), class_names=("ship",), columns=RleColumns(image="img", rle="rle"))
    with pytest.raises(DataError, match=r"row 3: .* is in row 2 already; if each row is an object"):
        open_competition(data)
    joined = open_competition(data.model_copy(update={"several_rows": "union"}))
    assert joined.masks("a.jpg").sum() == 4


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("A.JPG", "a.jpg: its name differs from A.JPG only by case or by jpg/jpeg; rename one"),
        ("a.jpeg", "a.jpg: its name differs"),
        ("E\u0301.jpg", "its name differs from E\u0301.jpg only by case, by jpg/jpeg or by how accents are coded"),
        ("n\nl.jpg", "a control character"),
        (" a.jpg", "its id ' a.jpg' begins or ends with a space, which no csv keeps; rename it"),
    ],
)
def test_names_that_may_be_mixed_up_are_refused(root, name, answer):
    for own in ("\u00e9.jpg", name):
        cv2.imwrite(str(root / "x.jpg"), np.zeros((4, 6, 3), np.uint8))
        (root / "x.jpg").rename(root / "train_images" / own)
    assert answer in "\n".join(problems_of(root))


def test_a_row_whose_accents_are_coded_in_another_way_names_its_image(root):
    (root / "train_images/a.jpg").rename(root / "train_images/e\u0301.jpg")
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n\u00e9.jpg,1,1 2\n")
    assert "there is 'e\u0301.jpg', whose accents are coded in another way" in "\n".join(problems_of(root))


def test_ids_that_need_quotes(root):
    (root / "train_images/a.jpg").rename(root / "train_images/NA, the 1st.jpg")
    (root / "train.csv").write_text('ImageId,ClassId,EncodedPixels\n"NA, the 1st.jpg",1,1 2\n')
    assert open_competition(data_of(root)).masks("NA, the 1st.jpg").sum() == 2


RUNS = {
    "column": "5 3 9 1",
    "relative": "4 3 1 1",
}


@pytest.mark.parametrize("order", ["column", "relative"])
def test_relative_run_lengths_are_read(root, order):
    """Of 4 x 6 px: the second column but its last pixel, and the first of the third."""
    (root / "train.csv").write_text(f"ImageId,ClassId,EncodedPixels\na.jpg,1,{RUNS[order]}\n")
    mask = open_competition(data_of(root, order=order)).masks("a.jpg")[0]
    assert np.argwhere(mask.T).tolist() == [[1, 0], [1, 1], [1, 2], [2, 0]]


def test_relative_run_lengths_are_suspected(root):
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.jpg,1,4 3 1 1\n")
    [problem] = problems_of(root)
    assert "not sorted; if each start is counted from the end of the run before it, as in SIIM-ACR" in problem
    assert "set data.order: relative" in problem
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.jpg,1,4 3 99 1\n")
    assert "reaches to pixel 107, but the image has 24 pixels" in problems_of(root, order="relative")[0]


def test_a_blank_class_without_run_lengths_says_that_the_image_is_empty(root):
    (root / "train.csv").write_text(TWO_COLUMNS + "c.jpg,,\n")
    assert open_competition(data_of(root)).masks("c.jpg").sum() == 0
    (root / "train.csv").write_text(TWO_COLUMNS + "c.jpg,,1 2\n")
    assert "row 4: unknown class ''" in problems_of(root)[0]


def test_ids_may_begin_with_the_folder(root):
    text = "ImageId,ClassId,EncodedPixels\ntrain_images/a.jpg,1,1 2\ntrain_images\\b.png,2,3 1\n"
    (root / "train.csv").write_text(text)
    competition = open_competition(data_of(root))
    assert competition.train["image_id"].tolist() == ["a.jpg", "b.png", "c.jpg"]
    assert competition.masks("b.png")[1].sum() == 1
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\nelsewhere/a.jpg,1,1 2\n")
    assert "image id 'elsewhere/a.jpg' leads out of its folder" in problems_of(root)[0]


def test_classes_that_hold_an_underscore_are_told_from_the_images(root):
    """b_big_fish is a fish in b_big, a_big_fish a big_fish in a: only the images say where a class begins."""
    for name in ("b_big.jpg", "x_y.jpg"):
        cv2.imwrite(str(root / "train_images" / name), np.zeros((4, 6), np.uint8))
    (root / "train_images/b.png").unlink()
    rows = [("a.jpg", "big_fish", "1 2"), ("b_big.jpg", "fish", "3 1"), ("x_y.jpg", "big_fish", "7 3")]
    for with_suffix in (True, False):
        text = "".join(f"{name if with_suffix else name[:-4]}_{label},{rle}\n" for name, label, rle in rows)
        (root / "train.csv").write_text("Image_Label,Runs\n" + text)
        data = data_of(root, columns=RleColumns(image_class="Image_Label", rle="Runs"), sample_submission=None)
        (root / "sample.csv").write_text("Image_Label,Runs\nt.jpg_big_fish,\nt.jpg_fish,\n")
        data = data.model_copy(update={"class_names": ("fish", "big_fish"), "sample_submission": "sample.csv"})
        competition = open_competition(data)
        for name, label, rle in rows:
            masks = competition.masks(name if with_suffix else name[:-4])
            areas = [0, 0]
            areas[data.class_names.index(label)] = int(rle.split()[1])
            assert masks.sum(axis=(1, 2)).tolist() == areas


def test_a_name_that_may_be_two_images_and_classes_is_refused(root):
    cv2.imwrite(str(root / "train_images/a_big.jpg"), np.zeros((4, 6), np.uint8))
    (root / "train.csv").write_text("Image_Label,Runs\na_big_fish,1 2\n")
    columns = RleColumns(image_class="Image_Label", rle="Runs")
    data = data_of(root, columns=columns, sample_submission=None).model_copy(
        update={"class_names": ("fish", "big_fish")}
    )
    with pytest.raises(DataError, match="'a_big_fish', which may be split in several ways"):
        open_competition(data)
