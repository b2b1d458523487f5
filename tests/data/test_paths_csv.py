"""The reader of a csv of paths: ids, classes, groups, and every row that names a file that is not there."""

import cv2
import numpy as np
import pytest

from maskfold.config import PathColumns, PathsCsvData
from maskfold.data.opening import open_competition
from maskfold.errors import DataError


@pytest.fixture
def root(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "1.jpg"), np.zeros((4, 6, 3), np.uint8))
        cv2.imwrite(str(tmp_path / folder / "1 mask,left.png"), np.full((4, 6), 255, np.uint8))
    return tmp_path


def data_of(root, text, **changes):
    (root / "train.csv").write_text(text)
    return PathsCsvData(root=str(root), **changes)


def problems_of(root, text, **changes):
    with pytest.raises(DataError) as error:
        open_competition(data_of(root, text, **changes))
    return "\n".join(error.value.problems)


def test_ids_groups_and_names_that_need_quotes(root):
    text = 'id,image,mask,who\nx,a/1.jpg,"a/1 mask,left.png",p\ny,b/1.jpg,,q\n'
    competition = open_competition(data_of(root, text, columns=PathColumns(id="id", group="who"), test_images="b"))
    assert competition.train["image_id"].tolist() == ["x", "y"]
    assert competition.train["group"].tolist() == ["p", "q"]
    assert competition.masks("x").sum() == 24
    assert competition.masks("y").sum() == 0  # a blank mask is an empty one


def test_a_column_a_class(root):
    text = 'image,cat,dog\na/1.jpg,,"a/1 mask,left.png"\n'
    columns = PathColumns(mask=None, mask_of={"dog": "dog", "cat": "cat"})
    masks = open_competition(data_of(root, text, columns=columns, class_names=("cat", "dog"))).masks
    assert masks("1").sum(axis=(1, 2)).tolist() == [0, 24]


def test_bad_rows_are_reported_together(root):
    problems = problems_of(root, f"image,mask\na/1.jpg,none.png\nb/1.jpg,\n,\n{'c' * 999}.jpg,\n,x\n")
    for answer in (
        "row 2: there is no file",
        "row 3: image id '1' is in row 2 already; name a column of ids in data.columns.id",
        "row 5: there is no file",
        "row 6: no path in column image",
    ):
        assert answer in problems
    assert "found the header photo,mask; expected image,mask" in problems_of(root, "photo,mask\na/1.jpg,\n")


def test_an_image_has_one_row_and_one_id(root):
    text = "id,image,mask\nx,a/1.jpg,\nX,b/1.jpg,\ny,./a//1.jpg,\n,b/1.jpg,\n"
    problems = problems_of(root, text, columns=PathColumns(id="id")).splitlines()
    for line, answer in zip(
        problems,
        (
            "row 3: image id 'X' differs from 'x' in row 2 only by case",
            "row 4: ./a//1.jpg is the image of row 2 already; one image, one id",
            "row 5: no image id",
        ),
        strict=True,
    ):
        assert answer in line


def test_ids_and_groups_that_a_terminal_would_act_on_are_refused(root):
    text = "id,image,mask,group\nx\x1b[2J,a/1.jpg,,g\ny,b/1.jpg,,g\x07\n"
    problems = problems_of(root, text, columns=PathColumns(id="id", group="group"))
    assert r"row 2: image id 'x\x1b[2J' holds control characters, '\x1b'; remove them" in problems
    assert r"row 3: group 'g\x07' holds control characters, '\x07'" in problems


@pytest.mark.parametrize("same_ids", [False, True])
def test_validation_rows_join_the_training_rows_with_their_masks_and_groups(root, same_ids):
    ids = ("x", "x") if same_ids else ("x", "y")
    (root / "valid.csv").write_text(f'id,image,mask,who\n{ids[1]},b/1.jpg,"b/1 mask,left.png",q\n')
    columns = PathColumns(id="id", group="who")
    text = f"id,image,mask,who\n{ids[0]},a/1.jpg,,p\n"
    competition = open_competition(data_of(root, text, columns=columns, valid_csv="valid.csv"))
    valid_id = "valid/x" if same_ids else "y"
    assert competition.train["image_id"].tolist() == ["x", valid_id]
    assert competition.train["group"].tolist() == ["p", "q"]
    assert competition.train["split"].tolist() == ["train", "valid"]
    assert [int(competition.masks(name).sum()) for name in ("x", valid_id)] == [0, 24]
    assert [path.rpartition("/")[0][-1] for path in competition.train["path"].astype(str)] == ["a", "b"]
