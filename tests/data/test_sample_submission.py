"""Sample submissions: what their columns are for, told by the header or by the rows, and rows that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskfold.data.sample_submission import Roles, csv_roles, image_and_class, read_sample_file, sample_in
from maskfold.errors import DataError


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("ImageId_ClassId,EncodedPixels", Roles("image_class_id", "ImageId_ClassId", None, "EncodedPixels")),
        ("image_id_class_id,rle", Roles("image_class_id", "image_id_class_id", None, "rle")),
        ("id,rle", Roles("image", "id", None, "rle")),
        ("ImageId,ClassId,EncodedPixels", Roles("image_class_columns", "ImageId", "ClassId", "EncodedPixels")),
        ("Class,id,rle", Roles("image_class_columns", "id", "Class", "rle")),
        ("id,class,class_rle", None),  # two columns of classes
        ("id,kind,rle", None),
        ("id,class,rle,score", None),
        ("id", None),
        ("class", None),
    ],
)
def test_the_header_tells_the_columns(header, roles):
    assert csv_roles(tuple(header.split(","))) == roles


def sample(tmp_path, text, class_names=("cat", "dog"), ids=("a", "b")):
    path = tmp_path / "sample.csv"
    path.write_text(text)
    return read_sample_file(path, class_names, {name: Path(f"{name}.png") for name in ids})


@pytest.mark.parametrize(
    ("text", "layout", "columns"),
    [
        ("id,kind,rle\nb,dog,\na,cat,\na,dog,\nb,cat,\n", "image_class_columns", ("id", "kind", "rle")),
        ("kind,id,rle\ndog,b,\ncat,a,\ndog,a,\ncat,b,\n", "image_class_columns", ("id", "kind", "rle")),
        ("Image_Label,rle\nb_dog,\na_cat,\na_dog,\nb_cat,\n", "image_class_id", ("Image_Label", None, "rle")),
        ("ImageId_ClassId,rle\nb_dog,\na_cat,\na_dog,\nb_cat,\n", "image_class_id", ("ImageId_ClassId", None, "rle")),
    ],
)
def test_rows_tell_the_columns_where_the_header_does_not(tmp_path, text, layout, columns):
    form = sample(tmp_path, text)
    assert form.layout == layout
    assert (form.image_column, form.class_column, form.rle_column) == columns
    assert form.rows == (("b", 1), ("a", 0), ("a", 1), ("b", 0))


@pytest.mark.parametrize("text", ["id,rle\na,\nb,\n", "id_x,rle\na,\nb,\n"])
def test_one_class_has_one_row_an_image(tmp_path, text):
    form = sample(tmp_path, text, ("cat",))
    assert (form.layout, form.rows) == ("image", (("a", 0), ("b", 0)))


def test_names_with_underscores_keep_them():
    roles = Roles("image_class_id", "x", None, "rle")
    assert image_and_class(["a_b_c_dog"], roles, ("cat", "dog"), {"a_b_c"}) == ("a_b_c", "dog")
    assert image_and_class(["a"], Roles("image", "x", None, "rle"), ("cat",), {"a"}) == ("a", "cat")


def test_every_row_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(DataError) as error:
        sample(tmp_path, "ImageId,ClassId,Rle\na,cat,\na,cow,\na,cat,\nc,dog,\n")
    told = [problem.partition("sample.csv")[2] for problem in error.value.problems]
    assert ", row 3: unknown class 'cow'; data.class_names has cat, dog" in told
    assert any(line.startswith(", row 5: there is no test image 'c'") for line in told)
    assert any("'b'" in line or " b " in line for line in told[-2:])


def test_further_rows_of_an_image_and_class_are_told(tmp_path):
    found = sample(tmp_path, "ImageId,ClassId,Rle\na,cat,\na,dog,\na,cat,\nb,dog,\n")
    assert found.rows == (("a", 0), ("a", 1), ("b", 1)) and found.image_of_row == ("a", "a", "a", "b")
    [line] = found.repeated
    assert line.endswith("sample.csv, row 4: 'a', class cat is in row 2")


def test_a_header_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"row 1: found the header id,kind,rle; expected"):
        sample(tmp_path, "id,kind,rle\na,cow,\nb,cow,\n")


def test_one_file_is_called_a_sample_submission(tmp_path):
    (tmp_path / "train.csv").touch()
    assert sample_in(tmp_path) is None
    (tmp_path / "train_sample.json").touch()  # a sample of the labels
    assert sample_in(tmp_path) is None
    (tmp_path / "sample.csv").touch()
    assert sample_in(tmp_path) == "sample.csv"
    (tmp_path / "sampleSubmission.csv").touch()
    assert sample_in(tmp_path) == "sampleSubmission.csv"
    (tmp_path / "sample_submission.csv").touch()
    assert sample_in(tmp_path) is None
