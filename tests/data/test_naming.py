"""What submissions call images: only the suffix of an image file is cut, and a stem is never cut twice."""

from pathlib import Path

import pytest

from maskfold.data.images.naming import ids_by_name, image_names
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
