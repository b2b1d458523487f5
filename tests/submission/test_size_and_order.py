"""Masks of another size than the images, relative run lengths, and files that the check cannot read."""

import dataclasses

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.config import Experiment, RleCsvData, SubmissionConfig
from maskfold.errors import DataError
from maskfold.inference.predict import Prediction
from maskfold.pixels.rle import decode, encode, relative_runs
from maskfold.rules.rules import ComponentRule
from maskfold.submission.checking import check_submission
from maskfold.submission.form import submission_form
from maskfold.submission.predicting import submission_rows
from maskfold.submission.writing import read_submission, write_submission

# Of 8 x 12 px, for masks of 4 x 6: whole blocks of 2 x 2, half a block (on), and a quarter of one (off).
PROB = np.zeros((1, 8, 12), np.uint8)
PROB[0, 2:6, 4:8] = 200
PROB[0, 0, 0:2] = 200
PROB[0, 7, 11] = 200
SMALL = np.zeros((4, 6), np.uint8)
SMALL[1:3, 2:4] = SMALL[0, 0] = 1
RULE = ComponentRule(threshold=128, min_area_px=1)


@pytest.fixture
def competition(tiny_competition):
    table = tiny_competition.test.iloc[:2].assign(height=8, width=12)
    return dataclasses.replace(tiny_competition, class_names=("person",), test=table)


def rows_for(competition, submission):
    predictions = (Prediction(image_id, PROB, None) for image_id in competition.test["image_id"])
    return list(submission_rows(predictions, [RULE], submission))


@pytest.mark.parametrize("layout", ["image", "coco_json", "mask_folder"])
def test_masks_are_resized_for_the_file(competition, layout, tmp_path):
    config = SubmissionConfig(layout=layout, size=(4, 6))
    rows = rows_for(competition, config)
    np.testing.assert_array_equal(decode(rows[0].runs, 4, 6), SMALL)
    assert rows[0].score == pytest.approx(200 / 255)
    path = tmp_path / {"image": "x.csv", "coco_json": "x.json", "mask_folder": "x"}[layout]
    write_submission(rows, competition, config, path)
    found = read_submission(path, submission_form(competition, config))
    assert (found.problems, found.form_problems) == ([], [])
    np.testing.assert_array_equal(decode(found.runs["test1.png", 0], 4, 6), SMALL)
    if layout == "mask_folder":
        assert cv2.imread(str(path / "test0.png"), cv2.IMREAD_GRAYSCALE).shape == (4, 6)


def test_masks_of_the_images_size_are_refused_where_another_is_asked_for(competition, tmp_path):
    path = tmp_path / "x.csv"
    write_submission(
        rows_for(competition, SubmissionConfig(layout="image")), competition, SubmissionConfig(layout="image"), path
    )
    wanted = SubmissionConfig(layout="image", size=(4, 6))
    [first, *_] = read_submission(path, submission_form(competition, wanted)).problems
    assert "the image has 24 pixels; masks have 4x6 px here (submission.size)" in first


def test_relative_run_lengths_are_written_and_read_back(competition, tmp_path):
    config, path = SubmissionConfig(layout="image", order="relative", empty_token="-1"), tmp_path / "x.csv"
    rows = [("test0.png", 0, "1 3 10 2"), ("test1.png", 0, "")]
    write_submission(rows, competition, config, path)
    assert path.read_text() == "id,rle_mask\ntest0.png,0 3 6 2\ntest1.png,-1\n"
    found = read_submission(path, submission_form(competition, config))
    assert dict(found.runs) == {("test0.png", 0): "1 3 10 2", ("test1.png", 0): ""}
    path.write_text("id,rle_mask\ntest0.png,0 3 99 2\ntest1.png,-1\n")
    [problem] = read_submission(path, submission_form(competition, config)).problems
    assert "reaches to pixel 104, but the image has 96 pixels" in problem


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": (0, 5)}, "size: expected .* from 1"),
        ({"layout": "mask_folder", "order": "relative"}, "order: masks have no run lengths"),
        ({"layout": "coco_json", "order": "relative"}, "always column-major"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValidationError, match=message):
        SubmissionConfig(**settings)


def test_nothing_is_said_of_the_masks_of_a_file_that_cannot_be_read(tiny_competition, tmp_path, capsys):
    config = Experiment(name="x", output_root=str(tmp_path), data=RleCsvData(root="x", class_names=("bright", "dark")))
    for name, text in (("a.csv", "no,such,header,at all\n"), ("a.json", "[{"), ("b.csv", "")):
        (tmp_path / name).write_text(text)
        assert not check_submission(config, tiny_competition, tmp_path / name)
        told = capsys.readouterr().out
        assert "every mask is empty" not in told
        assert f"not compared: {tmp_path / name} cannot be read whole" in told


@pytest.mark.parametrize("order", ["column", "row", "relative"])
def test_the_order_of_the_sample_file_is_the_one_to_write(competition, order, tmp_path):
    mask = np.zeros((8, 12), np.uint8)
    mask[2:6, 3:9] = 1
    runs = relative_runs(encode(mask)) if order == "relative" else encode(mask, order)
    path = tmp_path / "sample.csv"
    names = competition.test["image_id"].tolist()
    path.write_text("id,rle\n" + "".join(f"{name},{runs}\n" for name in names))
    with_sample = dataclasses.replace(competition, sample_submission=path)
    for stated in ("column", "row"):
        config = SubmissionConfig(layout="image", order=stated)
        if stated == order:
            assert submission_form(with_sample, config).sample.columns == ("id", "rle")
        else:
            with pytest.raises(DataError, match=rf"of order {order}, but .*set submission.order: {order}"):
                submission_form(with_sample, config)
    path.write_text("id,rle\n" + "".join(f"{name},1 1\n" for name in names))  # a placeholder shows no order
    submission_form(with_sample, SubmissionConfig(layout="image", order="row"))


def test_the_order_of_the_labels_must_be_stated_or_denied_where_no_sample_shows_one(competition):
    row_major = dataclasses.replace(competition, reading='{"order": "row"}')
    with pytest.raises(DataError, match=r"submission.order is not set, .*data.order: row; set submission.order: row"):
        submission_form(row_major, SubmissionConfig(layout="image"))
    for stated in ("row", "column"):
        submission_form(row_major, SubmissionConfig(layout="image", order=stated))
    for layout in ("coco_json", "mask_folder"):  # their order is not chosen
        submission_form(row_major, SubmissionConfig(layout=layout))
    submission_form(competition, SubmissionConfig(layout="image"))
