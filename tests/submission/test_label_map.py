"""Label maps as a submission: one png an image, whose values are the classes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from maskfold.artefacts.paths import RunPaths
from maskfold.config import SubmissionConfig, load_config
from maskfold.errors import ConfigError, DataError
from maskfold.pixels.rle import encode
from maskfold.submission.form import submission_form
from maskfold.submission.writing import read_submission, write_submission
from support.trainings import config_of


@pytest.fixture
def competition(tiny_competition):
    return replace(tiny_competition, exclusive=True)


def rows_of(competition, shift=0):
    """The rows of all test images: class 0 in rows 0 to 9, class 1 below it, `shift` px higher."""
    for image_id, (height, width) in competition.test_sizes().items():
        masks = np.zeros((2, height, width), np.uint8)
        masks[0, :10, :20], masks[1, 10 - shift : 14, :20] = 1, 1
        yield from ((image_id, index, encode(mask)) for index, mask in enumerate(masks))


def written(competition, path, **settings):
    config = SubmissionConfig(layout="label_map", **settings)
    write_submission(rows_of(competition), competition, config, path)
    return submission_form(competition, config)


@pytest.mark.parametrize("classes", [255, 256])
def test_a_label_map_has_room_for_255_classes(competition, classes):
    many = replace(competition, class_names=tuple(f"c{number}" for number in range(classes)))
    if classes == 255:
        assert submission_form(many, SubmissionConfig(layout="label_map")).class_names == many.class_names
    else:
        with pytest.raises(DataError, match="8 bits have room for 255 classes, found 256"):
            submission_form(many, SubmissionConfig(layout="label_map"))


@pytest.mark.parametrize(("values", "expected"), [(None, (1, 2)), ((7, 255), (7, 255))])
def test_one_grey_png_an_image_by_hand(values, expected, competition, tmp_path):
    form = written(competition, tmp_path / "out", class_values=values)
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [f"test{number}.png" for number in range(5)]
    plane = cv2.imread(str(tmp_path / "out/test0.png"), cv2.IMREAD_UNCHANGED)
    assert plane.shape == (40, 64)
    assert plane[[0, 9, 10, 13, 14], 0].tolist() == [expected[0], expected[0], expected[1], expected[1], 0]
    assert np.count_nonzero(plane) == 14 * 20
    found = read_submission(tmp_path / "out", form)
    assert not found.problems and not found.form_problems
    assert dict(found.runs) == {(image_id, index): text for image_id, index, text in rows_of(competition)}


def test_a_palette_is_read_by_its_indices(competition, tmp_path):
    form = written(competition, tmp_path / "out")
    plane = Image.fromarray(cv2.imread(str(tmp_path / "out/test0.png"), cv2.IMREAD_UNCHANGED), "P")
    plane.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    plane.save(tmp_path / "out/test0.png")
    found = read_submission(tmp_path / "out", form)
    assert not found.problems
    assert found.runs["test0.png", 1] == next(text for name, index, text in rows_of(competition) if index == 1)


def test_classes_that_overlap_are_refused_and_the_old_folder_stays(competition, tmp_path):
    written(competition, tmp_path / "out")
    rows = rows_of(competition, shift=3)
    with pytest.raises(DataError, match="test0, class dark: overlaps a class before it in 60 px"):
        write_submission(rows, competition, SubmissionConfig(layout="label_map"), tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 5


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (np.full((40, 64), 3, np.uint8), "test0.png: found the values 3; expected 0 and 1, 2"),
        (np.zeros((64, 40), np.uint8), r"test0.png: found 64x40 px \(height x width\), expected 40x64"),
        (np.arange(40 * 64 * 3, dtype=np.uint8).reshape(40, 64, 3), "test0.png: a colour image"),
        (None, "test0.png: no label map for test0"),
    ],
)
def test_wrong_label_maps_are_named(plane, message, competition, tmp_path):
    form = written(competition, tmp_path / "out")
    (tmp_path / "out/test0.png").unlink()
    if plane is not None:
        cv2.imwrite(str(tmp_path / "out/test0.png"), plane)
    cv2.imwrite(str(tmp_path / "out/other.png"), np.zeros((2, 2), np.uint8))
    found = read_submission(tmp_path / "out", form)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(found.problems[0])
    assert "other.png: not a label map of any test image" in found.form_problems[0]


def test_what_does_not_fit_is_refused(tiny_competition, competition):
    with pytest.raises(DataError, match=r"one class a pixel; set data\.exclusive: true"):
        submission_form(tiny_competition, SubmissionConfig(layout="label_map"))
    with pytest.raises(DataError, match="class_values: expected 2 values, found 1"):
        submission_form(competition, SubmissionConfig(layout="label_map", class_values=(3,)))
    labelled = replace(competition, reading='{"class_values": {"bright": 8, "dark": 9}}')
    with pytest.raises(DataError, match=r"class_values is not set, .* as 1 to 2, but the labels have"):
        submission_form(labelled, SubmissionConfig(layout="label_map"))
    submission_form(labelled, SubmissionConfig(layout="label_map", class_values=(8, 9)))
    for settings in ({"class_values": (1, 2)}, {"layout": "label_map", "class_values": (0, 1)}):
        with pytest.raises(ValidationError, match="class_values"):
            SubmissionConfig(**settings)


def test_a_config_whose_classes_may_overlap_is_refused_before_anything_is_trained(tmp_path):
    path = tmp_path / "x.yaml"
    text = "name: x\ndata: {format: rle_csv, root: x, class_names: [a, b]}\nsubmission: {layout: label_map}\n"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"submission\.layout: label_map has room for one class a pixel, but the 2 c"):
        load_config(path)
    assert load_config(path, ["data.exclusive=true"]).submission.layout == "label_map"
    assert load_config(path, ["data.class_names=[a]"]).submission.layout == "label_map"


def test_a_folder_holds_it_and_older_records_fit(tmp_path):
    assert RunPaths.of(config_of(tmp_path)).submission("label_map").suffix == ""
    assert "class_values" not in SubmissionConfig().settings()
    assert SubmissionConfig(layout="label_map", class_values=(4,)).settings()["class_values"] == (4,)
