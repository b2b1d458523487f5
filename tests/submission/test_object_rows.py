"""A row for each object: what is written, what is read back, and what does not fit together."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pydantic import ValidationError

from maskfold.config import Experiment, RleCsvData, SubmissionConfig
from maskfold.errors import DataError
from maskfold.inference.predict import Prediction
from maskfold.pixels.rle import decode
from maskfold.rules.rules import ComponentRule
from maskfold.submission.form import submission_form
from maskfold.submission.predicting import submission_rows
from maskfold.submission.scoring import print_scores, score_submission
from maskfold.submission.shards import read_shard, write_shard
from maskfold.submission.writing import SubmissionRow, read_submission, write_submission

# Two objects, of 4 px at 200 and of 2 px at 240 and 160, and a pixel that is off.
PROB = np.zeros((1, 5, 6), np.uint8)
PROB[0, 0:2, 0:2] = 200
PROB[0, 4, 0], PROB[0, 3, 1] = 240, 160
PROB[0, 0, 5] = 100
RULE = ComponentRule(threshold=128, min_area_px=1)


@pytest.fixture
def competition(tiny_competition):
    table = tiny_competition.test.iloc[:2].assign(height=5, width=6)
    return dataclasses.replace(tiny_competition, class_names=("nucleus",), test=table)


def rows_of(config):
    predictions = [Prediction("test0.png", PROB, None), Prediction("test1.png", 0 * PROB, None)]
    return list(submission_rows(predictions, [RULE], config))


@pytest.mark.parametrize(("order", "texts"), [("column", ["1 2 6 2", "5 1 9 1"]), ("row", ["1 2 7 2", "20 1 25 1"])])
def test_a_csv_has_a_row_for_each_object(competition, tmp_path, order, texts):
    config, path = SubmissionConfig(layout="image", rows="object", order=order, empty_token="-1"), tmp_path / "x.csv"
    write_submission(rows_of(config), competition, config, path)
    assert path.read_text().splitlines() == ["id,rle_mask", *[f"test0.png,{text}" for text in texts], "test1.png,-1"]
    found = read_submission(path, submission_form(competition, config))
    assert (found.problems, found.form_problems) == ([], [])
    assert np.array_equal(decode(found.runs["test0.png", 0], 5, 6, order), PROB[0] >= 128)
    assert found.runs["test1.png", 0] == ""


def test_a_coco_result_for_each_object_has_its_own_score(competition, tmp_path):
    config, path = SubmissionConfig(layout="coco_json", rows="object"), tmp_path / "x.json"
    rows = rows_of(config)
    assert rows[0].score == pytest.approx(1200 / 6 / 255)
    assert rows[0].object_scores == pytest.approx((200 / 255, 200 / 255))
    changed = PROB.copy()
    changed[0, 3, 1] = 140
    [row] = submission_rows([Prediction("test0.png", changed, None)], [RULE], config)
    assert row.object_scores == pytest.approx((200 / 255, 190 / 255))
    write_submission([row, rows[1]], competition, config, path)
    results = json.loads(path.read_text())
    assert [each["score"] for each in results] == pytest.approx([200 / 255, 190 / 255], abs=1e-6)
    assert [int(coco_mask.area(each["segmentation"])) for each in results] == [4, 2]
    found = read_submission(path, submission_form(competition, config))
    assert np.array_equal(decode(found.runs["test0.png", 0], 5, 6), PROB[0] >= 128)
    # As masks, one result has the score of the mask.
    write_submission([row, rows[1]], competition, SubmissionConfig(layout="coco_json"), path)
    [result] = json.loads(path.read_text())
    assert result["score"] == pytest.approx(row.score, abs=1e-6)


def test_objects_of_resized_masks_have_scores_too(competition, tmp_path):
    config = SubmissionConfig(layout="coco_json", rows="object", size=(10, 12))
    row, _ = rows_of(config)
    assert len(row.object_scores) == 2 and all(0.5 < score <= 240 / 255 for score in row.object_scores)


def test_objects_without_their_scores_are_refused(competition, tmp_path):
    config = SubmissionConfig(layout="coco_json", rows="object")
    row, other = rows_of(config)
    lacking = row._replace(object_scores=row.object_scores[:1])
    with pytest.raises(ValueError, match="a mask of 2 objects has 1 scores of objects"):
        write_submission([lacking, other], competition, config, tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()


def test_shards_keep_the_scores_of_objects(tmp_path):
    rows = [SubmissionRow("a", 0, "1 2", 0.5, (0.25, 0.75)), SubmissionRow("b", 0, "", 0.0)]
    write_shard(tmp_path / "x.parquet", rows)
    assert list(read_shard(tmp_path / "x.parquet")) == rows


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["test0.png,1 2", "test0.png,2 3", "test1.png,"], r"row 3: .*shares pixels with the object in row 2"),
        (["test0.png,1 9", "test0.png,3 1", "test1.png,"], r"row 3: .*shares pixels with the object in row 2"),
        (["test0.png,1 2", "test0.png,", "test1.png,"], r"row 3: .*is empty here, but row 2 has an object of it"),
        (["test0.png,", "test0.png,4 2", "test1.png,"], r"row 3: .*is in row 2 already"),
        (["test0.png,", "test1.png,", "test1.png,"], r"row 4: .*is in row 3 already"),
        (["test0.png,1 2", "test0.png,30 2", "test1.png,"], r"row 3: .*reaches to pixel 31"),
        (["test0.png,1 2", "test0.png,4 2"], r"no row for test1.png"),
    ],
)
def test_rows_that_do_not_fit_together(competition, tmp_path, lines, problem):
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["id,rle_mask", *lines]) + "\n")
    found = read_submission(path, submission_form(competition, SubmissionConfig(layout="image", rows="object")))
    with pytest.raises(DataError, match=problem):
        raise DataError(found.problems)


def test_rows_of_masks_stay_one_an_image(competition, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,rle_mask\ntest0.png,1 2\ntest0.png,4 2\ntest1.png,\n")
    found = read_submission(path, submission_form(competition, SubmissionConfig(layout="image")))
    assert [problem.partition(": ")[2] for problem in found.problems] == [
        "test0.png, class nucleus is in row 2 already"
    ]


def test_a_sample_with_several_rows_of_an_image_wants_objects(competition, tmp_path):
    sample = tmp_path / "sample_submission.csv"
    sample.write_text("ImageId,EncodedPixels\ntest1.png,1 1\ntest0.png,1 1\ntest0.png,3 1\n")
    competition = dataclasses.replace(competition, sample_submission=sample)
    with pytest.raises(DataError, match=r"row 4: 'test0.png'.* is in row 3; .*set submission\.rows: object"):
        submission_form(competition, SubmissionConfig(layout="image"))
    config = SubmissionConfig(layout="image", rows="object")
    write_submission(rows_of(config), competition, config, tmp_path / "x.csv")
    lines = (tmp_path / "x.csv").read_text().splitlines()
    assert lines == ["ImageId,EncodedPixels", "test1.png,", "test0.png,1 2 6 2", "test0.png,5 1 9 1"]


@pytest.mark.parametrize("layout", ["mask_folder", "label_map"])
def test_folders_have_no_rows(layout):
    with pytest.raises(ValidationError, match="rows: object is for csv layouts and coco_json"):
        SubmissionConfig(layout=layout, rows="object")


def test_older_submissions_stay_up_to_date():
    assert "rows" not in SubmissionConfig().settings()
    assert SubmissionConfig(rows="object").settings()["rows"] == "object"


def test_a_submission_of_objects_has_scores_of_objects(competition, tmp_path, capsys):
    config = Experiment(
        name="x",
        data=RleCsvData(root=str(tmp_path), class_names=("nucleus",)),
        submission=SubmissionConfig(layout="image", rows="object"),
    )
    truth, predicted = tmp_path / "truth.csv", tmp_path / "x.csv"
    truth.write_text("id,rle_mask\ntest0.png,1 2\ntest0.png,6 2\ntest0.png,19 2\ntest1.png,\n")
    write_submission(rows_of(config.submission), competition, config.submission, predicted)
    # Of the truth, the first two rows touch each other and are the predicted object of 4 px; the third is missed.
    scores = score_submission(config, competition, predicted, truth)
    assert scores["panoptic_quality"][0] == pytest.approx(1 / (1 + 1))
    assert scores["mean_precision"][0] == pytest.approx((1 / 3 + 1) / 2)
    assert scores["f2"][0] == pytest.approx((5 / (5 + 4 + 1) + 1) / 2)
    print_scores(scores)
    assert "AP of objects" in capsys.readouterr().out
    plain = config.model_copy(update={"submission": SubmissionConfig(layout="image")})
    write_submission(rows_of(plain.submission), competition, plain.submission, predicted)
    assert "f2" not in score_submission(plain, competition, predicted, predicted)
