"""What a sample submission and labels imply about the submission."""

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import MaskFoldersData, RleCsvData
from maskfold.data.competition import Competition
from maskfold.planning.choices.submission import choose_submission
from maskfold.planning.draft import Draft


def chosen(folder, data, sample=None, classes=("mask",), tests=("a", "b")):
    """The submission section that is chosen for test images of these names."""
    rows = []
    for name in tests:
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), np.zeros((8, 8), np.uint8))
        rows.append({"image_id": name, "path": str(path), "height": 8, "width": 8})
    table = pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])
    path = None
    if sample is not None:
        path = folder / "sample_submission.csv"
        path.write_text(sample, encoding="utf-8")
    draft = Draft()
    choose_submission(draft, Competition(classes, table[:0], table, None, sample_submission=path), data)
    return draft.value("submission", {}), draft.reasons()


MASKS = MaskFoldersData(root="data", class_names=("mask",))


def csv_of(classes=("mask",), **more):
    return RleCsvData(root="data", class_names=classes, **more)


@pytest.mark.parametrize(
    ("values", "token"),
    [(("", ""), ""), (("-1", "-1"), "-1"), (("1 1", "1 1"), ""), (("1 1", "3 2"), "")],
)
def test_the_token_of_an_empty_mask(tmp_path, values, token):
    found, _ = chosen(tmp_path, MASKS, f"id,rle\na,{values[0]}\nb,{values[1]}\n")
    assert found["layout"] == "image"
    assert found["empty_token"] == token


def test_rows_of_classes(tmp_path):
    sample = "ImageId_ClassId,EncodedPixels\na_1,\na_2,\nb_1,\nb_2,\n"
    found, reasons = chosen(tmp_path, csv_of(("1", "2")), sample, ("1", "2"))
    assert found["layout"] == "image_class_id"
    assert "ImageId_ClassId,EncodedPixels, 4 rows" in reasons["submission.layout"]


def test_images_that_are_counted(tmp_path):
    found, _ = chosen(tmp_path, MASKS, "id,rle\n0,\n1,\n")
    assert found["image_names"] == "index"


def test_the_pixel_order_is_that_of_the_labels(tmp_path):
    assert chosen(tmp_path, csv_of(order="row"))[0]["order"] == "row"
    found, reasons = chosen(tmp_path, MASKS)
    assert found["order"] == "column"
    assert "not implied by the data" in reasons["submission.order"]


def test_without_a_sample_the_columns_are_those_of_the_labels(tmp_path):
    columns = {"image": "ImageId", "class_name": "ClassId", "rle": "EncodedPixels"}
    found, _ = chosen(tmp_path, csv_of(("1", "2"), columns=columns, empty_token="-1"), classes=("1", "2"))
    assert found["layout"] == "image_class_columns"
    assert list(found["columns"]) == ["ImageId", "ClassId", "EncodedPixels"]
    assert found["empty_token"] == "-1"


def test_rows_of_objects(tmp_path):
    objects = csv_of(several_rows="union")
    assert chosen(tmp_path, objects)[0]["rows"] == "object"
    found, reasons = chosen(tmp_path, objects, "id,rle\na,\nb,\n")
    assert found["rows"] == "object" and "the labels have a row for each object" in reasons["submission.rows"]
    found, reasons = chosen(tmp_path, MASKS, "id,rle\na,1 1\na,3 1\nb,\n")
    assert found["rows"] == "object" and "has several rows of one image" in reasons["submission.rows"]
    assert "rows" not in chosen(tmp_path, csv_of())[0]
    assert "rows" not in chosen(tmp_path, csv_of(several_rows="mean"))[0]


def test_no_test_images_no_submission(tmp_path, capsys):
    assert chosen(tmp_path, MASKS, tests=())[0] == {}
    assert "no submission" in capsys.readouterr().out
