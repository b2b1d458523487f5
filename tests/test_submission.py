"""The answer file: every layout, the sample's order, and nothing written when anything is wrong."""

import dataclasses
import itertools

import numpy as np
import pytest

from maskfold.config import Config, RleCsvData, SubmissionConfig
from maskfold.data.competition import DataError
from maskfold.scoring import score_submission
from maskfold.submission import encode_image, write_submission


@pytest.fixture
def rows(tiny_competition):
    """Answers in another order than the file's: class 0 of test0.png has two runs, all else is blank."""
    pairs = itertools.product(reversed(tiny_competition.test["image_id"].tolist()), (1, 0))
    return [(image_id, index, "1 3 10 2" if (image_id, index) == ("test0.png", 0) else "") for image_id, index in pairs]


def written(rows, competition, tmp_path, **config):
    path = tmp_path / "submissions" / "x.csv"
    write_submission(rows, competition, SubmissionConfig(**config), path)
    return path.read_text().splitlines()


def test_without_a_sample_file_rows_follow_the_test_images(rows, tiny_competition, tmp_path):
    lines = written(rows, tiny_competition, tmp_path)
    assert lines[:4] == [
        "ImageId,ClassId,EncodedPixels",
        "test0.png,bright,1 3 10 2",
        "test0.png,dark,",
        "test1.png,bright,",
    ]
    assert len(lines) == 1 + 5 * 2


def test_the_one_column_form_and_an_empty_token(rows, tiny_competition, tmp_path):
    lines = written(rows, tiny_competition, tmp_path, layout="image_class_id", empty_token="-1")
    assert lines[:3] == ["ImageId_ClassId,EncodedPixels", "test0.png_bright,1 3 10 2", "test0.png_dark,-1"]


def test_one_class_has_a_row_an_image(tiny_competition, tmp_path):
    competition = dataclasses.replace(tiny_competition, class_names=("person",))
    rows = [(image_id, 0, "5 1") for image_id in competition.test["image_id"]]
    lines = written(rows, competition, tmp_path, layout="image")
    assert lines[:2] == ["id,rle_mask", "test0.png,5 1"]


def test_the_sample_file_decides_order_and_columns(rows, tiny_competition, tmp_path):
    sample = tmp_path / "sample.csv"
    order = [
        f"{name},{image_id}" for name in ("dark", "bright") for image_id in tiny_competition.test["image_id"][::-1]
    ]
    sample.write_text("\n".join(["ClassId,ImageId,EncodedPixels", *[f"{row}," for row in order]]))
    competition = dataclasses.replace(tiny_competition, sample_submission=sample)
    lines = written(rows, competition, tmp_path)
    assert lines[0] == "ClassId,ImageId,EncodedPixels"
    assert [line.rpartition(",")[0] for line in lines[1:]] == order
    assert lines[-1] == "bright,test0.png,1 3 10 2"


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (lambda rows: rows[1:], "test4.png, class dark: missing"),
        (lambda rows: [*rows, rows[0]], "test4.png, class dark: made twice"),
        (lambda rows: [*rows, ("other.png", 0, "")], "other.png, class bright: the sample file has no such row"),
        (lambda rows: [(*rows[0][:2], "1 99999"), *rows[1:]], "test4.png, class dark: run 1 reaches to pixel 99999"),
        (lambda rows: [(*rows[0][:2], "5 2 6 2"), *rows[1:]], "they overlap"),
    ],
)
def test_a_wrong_answer_is_refused_and_the_old_file_stays(change, answer, rows, tiny_competition, tmp_path):
    path = tmp_path / "submissions" / "x.csv"
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(DataError, match=answer):
        write_submission(change(rows), tiny_competition, SubmissionConfig(), path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_an_image_is_encoded_class_by_class():
    masks = np.zeros((2, 3, 4), np.uint8)
    masks[0, :, 1] = 1
    assert encode_image(masks, "column") == ["4 3", ""]
    assert encode_image(masks, "row") == ["2 1 6 1 10 1", ""]


def test_scores_against_known_answers_by_hand(rows, tiny_competition, tmp_path):
    written(rows, tiny_competition, tmp_path)
    truth = tmp_path / "truth.csv"
    lines = (tmp_path / "submissions/x.csv").read_text().replace("bright,1 3 10 2", "bright,1 5").splitlines()
    truth.write_text("\n".join(lines))
    config = Config(name="x", output_root=str(tmp_path), data=RleCsvData(root="x", class_names=("bright", "dark")))
    scores = score_submission(config, tiny_competition, truth=truth).set_index("class_name")
    assert scores.loc["bright", "non_empty_dice"] == pytest.approx(2 * 3 / (5 + 5))
    assert scores.loc["bright", "score"] == pytest.approx((0.6 + 4) / 5)
    assert scores.loc["bright", "all_empty"] == pytest.approx(4 / 5)
    assert scores.loc["dark", "score"] == 1
