"""What submissions call images: only the suffix of an image file is cut, and a stem is never cut twice."""

from pathlib import Path

import pytest

from maskfold.data.images.naming import ids_by_name, image_names, unlisted
from maskfold.data.images.suffixes import without_image_suffix


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.jpg", "a"),
        ("a.JPG", "a"),
        ("x_jpg.rf.0dead", "x_jpg.rf.0dead"),
        ("v1.2", "v1.2"),
        ("photo.jpg.png", "photo.jpg"),
        ("train/a.tiff", "train/a"),
        ("scan.nii.gz", "scan"),
        (".png", ".png"),
        ("a.csv", "a.csv"),
    ],
)
def test_only_the_suffix_of_an_image_is_cut(name, stem):
    assert without_image_suffix(name) == stem


@pytest.mark.parametrize(
    ("image_id", "file", "stem"),
    [
        ("t0_jpg.rf.0dead", "t0_jpg.rf.0dead.png", "t0_jpg.rf.0dead"),
        ("t0_jpg.rf.0dead.png", "t0_jpg.rf.0dead.png", "t0_jpg.rf.0dead"),
        ("photo.jpg", "photo.jpg.png", "photo.jpg"),  # the id is the file's stem already
        ("photo.jpg.png", "photo.jpg.png", "photo.jpg"),
        ("v1/f.png", "f.png", "v1/f"),
        ("scan.7", "0007.tif", "scan.7"),  # an id of a column of its own
    ],
)
def test_stems_of_ids_that_are_stems_stay(image_id, file, stem):
    assert image_names({image_id: Path("test") / file}, "stem") == {image_id: stem}


@pytest.mark.parametrize(
    ("ids", "files", "written"),
    [
        (["a.b", "a.c"], ["a.b.png", "a.c.png"], ["a.b", "a.c"]),
        (["a.b", "a.c"], ["a.b.png", "a.c.png"], ["a.b.png", "a.c.png"]),
        (["a.b", "a.c"], ["a.b.png", "a.c.png"], ["a.b.jpg", "a.c.jpg"]),
        (["a.b.png", "a.c.png"], ["a.b.png", "a.c.png"], ["a.b", "a.c"]),
        (["a.png", "b.png"], ["a.png", "b.png"], ["test_images/a.png", "test_images/b.png"]),
        (["a", "b"], ["a.png", "b.png"], ["test\\a.png", "test\\b.png"]),
    ],
)
def test_a_sample_file_may_name_stems_files_or_paths(ids, files, written):
    names, hint = ids_by_name(written, dict(zip(ids, map(Path, files), strict=True)), None)
    assert [names[name] for name in written] == ids
    assert hint == ""


def test_two_files_of_one_photo_are_two_images():
    images = {name: Path(f"{name}.png") for name in ("t0_jpg.rf.0dead", "t0_jpg.rf.1beef")}
    assert len(set(image_names(images, "stem").values())) == 2


def files(ids):
    """Images whose ids are the names of their files."""
    return {name: Path("test") / name for name in ids}


@pytest.mark.parametrize(
    ("written", "ids", "naming", "expected"),
    [
        (["a.jpg"], ["a.jpg", "b.jpg"], None, {"a.jpg": "a.jpg", "b.jpg": "b.jpg"}),
        (["a"], ["a.jpg", "b.jpg"], None, {"a": "a.jpg", "b": "b.jpg"}),
        (["b"], ["a.jpg", "a.png", "b.png"], None, {"b": "b.png"}),  # a is two images
        (["a.png", "b.png"], ["a.jpg", "b.jpg"], None, {"a.png": "a.jpg", "b.png": "b.jpg"}),
        (["0", "1"], ["a.jpg", "b.jpg"], None, {"0": "a.jpg", "1": "b.jpg"}),
        (["0", "1"], ["a.jpg", "b.jpg"], "index", {"0": "a.jpg", "1": "b.jpg"}),
        (["0", "1"], ["1.jpg", "0.jpg"], "index", {"0": "1.jpg", "1": "0.jpg"}),
        (["0", "1"], ["1.jpg", "0.jpg"], None, {"0": "0.jpg", "1": "1.jpg"}),
        (["0", "7"], ["a.jpg", "b.jpg"], None, {"a.jpg": "a.jpg", "b.jpg": "b.jpg"}),  # there is no place 7
        ([], ["a.jpg"], None, {"a.jpg": "a.jpg"}),
    ],
)
def test_the_names_of_a_sample_file_mean_images(written, ids, naming, expected):
    assert ids_by_name(written, files(ids), naming) == (expected, "")


def test_two_names_of_one_image_are_not_told_apart_by_guessing():
    ids, hint = ids_by_name(["a.png", "a.tif"], files(["a.jpg", "b.jpg"]), None)
    assert (ids, hint) == ({"a.jpg": "a.jpg", "b.jpg": "b.jpg"}, "")


@pytest.mark.parametrize("naming", ["id", "stem"])
def test_numbers_are_places_only_where_the_config_says_so(naming):
    ids, hint = ids_by_name(["0", "1"], files(["a.jpg", "b.jpg"]), naming)
    assert ids == {"a.jpg": "a.jpg", "b.jpg": "b.jpg"}
    assert "set submission.image_names: index" in hint


def test_names_by_hand():
    images = files(["a.jpg", "b.png", "f"])
    assert image_names(images, "id") == {name: name for name in images}
    assert image_names(images, "stem") == {"a.jpg": "a", "b.png": "b", "f": "f"}
    assert image_names(images, "index") == {"a.jpg": "0", "b.png": "1", "f": "2"}


def test_images_that_are_not_listed(tmp_path):
    assert unlisted(tmp_path, ["a", "b", "c"], {"b", None}, "has no row") == [
        f"{tmp_path}: test image 'a' has no row",
        f"{tmp_path}: test image 'c' has no row",
    ]
