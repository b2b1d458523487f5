"""The submission: every layout, the sample's order, and nothing written when anything is wrong."""

import dataclasses
import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pydantic import ValidationError

from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, RleCsvData, SubmissionConfig
from maskfold.data.sample_submission import read_sample_file
from maskfold.errors import DataError
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.submission import coco_file, mask_folder
from maskfold.submission.coco_file import coco_runs
from maskfold.submission.form import ParsedSubmission, submission_form
from maskfold.submission.scoring import score_submission
from maskfold.submission.writing import (
    SubmissionRow,
    encode_image,
    read_submission,
    write_submission,
)


@pytest.fixture
def rows(tiny_competition):
    """Rows in another order than the file's: class 0 of test0.png has two runs, all else is blank."""
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
    ("layout", "columns", "first"),
    [
        ("image_class_id", ("Image_Label", "EncodedPixels"), "test0.png_bright,1 3 10 2"),
        ("image_class_columns", ("id", "label", "rle"), "test0.png,bright,1 3 10 2"),
        ("image_class_columns", ("class_image", "class", "class_rle"), "test0.png,bright,1 3 10 2"),
    ],
)
@pytest.mark.parametrize("with_sample", [False, True])
def test_columns_of_any_name_read_back(layout, columns, first, with_sample, rows, tiny_competition, tmp_path):
    competition, settings = tiny_competition, {"layout": layout, "columns": columns}
    if with_sample:
        lines = written(rows, tiny_competition, tmp_path, **settings)
        sample = tmp_path / "sample.csv"
        sample.write_text(
            "\n".join(line if not number else line.rpartition(",")[0] + "," for number, line in enumerate(lines))
        )
        competition, settings = dataclasses.replace(tiny_competition, sample_submission=sample), {}
    lines = written(rows, competition, tmp_path, **settings)
    assert lines[:2] == [",".join(columns), first]
    assert len(lines) == 1 + 5 * 2


def test_an_unknown_class_in_columns_of_any_name_is_named(tiny_competition, tmp_path):
    sample = tmp_path / "sample.csv"
    sample.write_text("Image_Label,EncodedPixels\ntest0.png_bright,\ntest0.png_grey,\n")
    with pytest.raises(DataError, match=r"row 3: unknown class 'grey'; data\.class_names has bright, dark"):
        read_sample_file(sample, tiny_competition.class_names, {"test0.png": Path("test0.png")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1:], "test4.png, class dark: missing"),
        (lambda rows: [*rows, rows[0]], "test4.png, class dark: made twice"),
        (lambda rows: [*rows, ("other.png", 0, "")], "other.png, class bright: the sample file has no such row"),
        (lambda rows: [(*rows[0][:2], "1 99999"), *rows[1:]], "test4.png, class dark: run 1 reaches to pixel 99999"),
        (lambda rows: [(*rows[0][:2], "5 2 6 2"), *rows[1:]], "they overlap"),
    ],
)
def test_a_wrong_submission_is_refused_and_the_old_file_stays(change, message, rows, tiny_competition, tmp_path):
    path = tmp_path / "submissions" / "x.csv"
    path.parent.mkdir()
    path.write_text("old")
    with pytest.raises(DataError, match=message):
        write_submission(change(rows), tiny_competition, SubmissionConfig(), path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_an_image_is_encoded_class_by_class():
    masks = np.zeros((2, 3, 4), np.uint8)
    masks[0, :, 1] = 1
    assert encode_image(masks, "column") == ["4 3", ""]
    assert encode_image(masks, "row") == ["2 1 6 1 10 1", ""]


def test_scores_against_true_masks_by_hand(rows, tiny_competition, tmp_path):
    written(rows, tiny_competition, tmp_path)
    truth = tmp_path / "truth.csv"
    lines = (tmp_path / "submissions/x.csv").read_text().replace("bright,1 3 10 2", "bright,1 5").splitlines()
    truth.write_text("\n".join(lines))
    config = Experiment(name="x", output_root=str(tmp_path), data=RleCsvData(root="x", class_names=("bright", "dark")))
    scores = score_submission(config, tiny_competition, truth=truth).set_index("class_name")
    assert scores.loc["bright", "non_empty_dice"] == pytest.approx(2 * 3 / (5 + 5))
    assert scores.loc["bright", "score"] == pytest.approx((0.6 + 4) / 5)
    assert scores.loc["bright", "all_empty"] == pytest.approx(4 / 5)
    assert scores.loc["dark", "score"] == 1


def test_scores_by_a_metric_of_whole_masks(rows, tiny_competition, tmp_path):
    written(rows, tiny_competition, tmp_path)
    truth = tmp_path / "truth.csv"
    truth.write_text((tmp_path / "submissions/x.csv").read_text().replace("bright,1 3 10 2", "bright,1 5"))
    config = Experiment(
        name="x",
        output_root=str(tmp_path),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        tuning={"metric": "negative_hausdorff95"},
    )
    scores = score_submission(config, tiny_competition, truth=truth).set_index("class_name")
    # Pixels 10 and 11 of the first column are 5 and 6 below the last of the true pixels 1 to 5; the rest is near.
    height, width = tiny_competition.test_sizes()["test0.png"]
    assert scores.loc["bright", "score"] == pytest.approx(-np.percentile([0, 0, 0, 5, 6], 95) / 5)
    assert scores.loc["bright", "all_empty"] == pytest.approx(-np.hypot(height, width) / 5)
    assert scores.loc["dark", "score"] == 0


@pytest.mark.parametrize("metric", ["dice", "iou", "pooled_dice"])
@pytest.mark.parametrize("order", ["column", "row"])
def test_scores_of_random_masks_are_those_of_the_masks(tiny_competition, tmp_path, metric, order):
    rng = np.random.default_rng(0)
    masks = {
        name: [(rng.random((2, height, width)) < share).astype(np.uint8) for share in (0.4, 0.6)]
        for name, (height, width) in tiny_competition.test_sizes().items()
    }
    masks["test1.png"][1][0] = 0  # rightly and wrongly empty masks take part
    masks["test2.png"][0][0], masks["test2.png"][1][0] = 0, 0
    settings = SubmissionConfig(order=order)
    paths = tmp_path / "submissions/x.csv", tmp_path / "truth.csv"
    for which, path in enumerate(paths):
        rows = [
            (name, index, text)
            for name, both in masks.items()
            for index, text in enumerate(encode_image(both[which], order))
        ]
        write_submission(rows, tiny_competition, settings, path)
    config = Experiment(
        name="x",
        output_root=str(tmp_path),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        submission=settings,
        tuning={"metric": metric},
    )
    scores = score_submission(config, tiny_competition, truth=paths[1])
    assert scores["class_name"].tolist() == ["bright", "dark"]
    for index, row in enumerate(scores.itertuples()):
        areas = np.array([mask_areas(both[0][index], both[1][index]) for both in masks.values()])
        assert row.score == class_score(metric, *areas.T)
        assert row.all_empty == class_score(metric, 0 * areas[:, 0], 0 * areas[:, 0], areas[:, 2])
        shown = areas[areas[:, 2] > 0]
        assert row.non_empty_dice == pytest.approx((2 * shown[:, 0] / (shown[:, 1] + shown[:, 2])).mean())


def numbered(competition, names):
    """The competition with other image ids."""
    test = competition.test.assign(image_id=names)
    return dataclasses.replace(competition, test=test, class_names=("person",))


SQUARE = "3 2 43 2"  # rows 2 and 3 of the first two columns of a 40 px high image; 64 px wide in row order


@pytest.mark.parametrize(
    ("ids", "config", "expected"),
    [
        (["a", "b", "c", "d", "e"], {"order": "column"}, "id,rle_mask\na,3 2 43 2\nb,\nc,\nd,\ne,\n"),  # TGS
        (["0", "1", "2", "3", "4"], {"order": "row"}, "id,rle_mask\n0,3 2 43 2\n1,\n2,\n3,\n4,\n"),  # people
        (
            ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],  # cigarette butts
            {"order": "row", "image_names": "index", "empty_token": "-"},
            "id,rle_mask\n0,3 2 43 2\n1,-\n2,-\n3,-\n4,-\n",
        ),
        (
            ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
            {"columns": ("img", "pixels"), "image_names": "stem", "empty_token": "1 1"},
            "img,pixels\na,3 2 43 2\nb,1 1\nc,1 1\nd,1 1\ne,1 1\n",
        ),
    ],
    ids=["TGS", "people", "index", "1 1"],
)
def test_one_row_an_image_in_every_form(ids, config, expected, tiny_competition, tmp_path):
    competition = numbered(tiny_competition, ids)
    path = tmp_path / "submissions" / "x.csv"
    settings = SubmissionConfig(layout="image", **config)
    made = [(image_id, 0, SQUARE if image_id == ids[0] else "") for image_id in ids]
    write_submission(made, competition, settings, path)
    assert path.read_text() == expected
    found = read_submission(path, submission_form(competition, settings))
    assert found == ParsedSubmission({(image_id, 0): text for image_id, _, text in made})


@pytest.mark.parametrize(
    ("sample_names", "naming"),
    [
        (["test0.png", "test1.png", "test2.png", "test3.png", "test4.png"], "id"),
        (["test0", "test1", "test2", "test3", "test4"], "id"),
        (["0", "1", "2", "3", "4"], "index"),
    ],
)
def test_the_sample_file_says_what_images_are_called(sample_names, naming, tiny_competition, tmp_path):
    competition = numbered(tiny_competition, tiny_competition.test["image_id"].tolist())
    sample = tmp_path / "sample.csv"
    sample.write_text("\n".join(["id,rle_mask", *[f"{name}," for name in sample_names[::-1]]]) + "\n")
    competition = dataclasses.replace(competition, sample_submission=sample)
    made = [(image_id, 0, f"{number + 1} 1") for number, image_id in enumerate(competition.test["image_id"])]
    lines = written(made, competition, tmp_path, layout="image", image_names=naming)
    assert lines == ["id,rle_mask", *[f"{sample_names[k]},{k + 1} 1" for k in (4, 3, 2, 1, 0)]]


def test_numbers_in_a_sample_file_are_not_guessed_at(tiny_competition, tmp_path):
    sample = tmp_path / "sample.csv"
    sample.write_text("id,rle_mask\n0,\n1,\n2,\n3,\n4,\n")
    competition = dataclasses.replace(tiny_competition, class_names=("person",), sample_submission=sample)
    assert len(read_sample_file(sample, ("person",), competition.test_files()).rows) == 5  # the reader lets it pass
    with pytest.raises(DataError, match=r"'0'; its images are numbers; .* set submission.image_names: index"):
        submission_form(competition, SubmissionConfig(layout="image"))


COCO = r"""[{"image_id": 7, "category_id": 3, "segmentation": {"size": [40, 64], "counts": "0X11iNe^2"}, "score": 0.75},
{"image_id": 9, "category_id": 1, "segmentation": {"size": [50, 90], "counts": "22`\\4"}, "score": 1.0}]
"""


def test_coco_results(tiny_competition, tmp_path):
    """By hand: counts 0, 40, 1, 1, 2518 and 2, 2, 4496; from the fourth on differences; five bits a character."""
    sample = tmp_path / "image_info.json"
    images = [{"id": 7 + k, "file_name": f"test{k}.png"} for k in range(5)]
    categories = [{"id": 3, "name": "bright"}, {"id": 1, "name": "dark"}, {"id": 2, "name": "other"}]
    sample.write_text(json.dumps({"images": images, "categories": categories}))
    competition = dataclasses.replace(tiny_competition, sample_submission=sample)
    config, path = SubmissionConfig(layout="coco_json"), tmp_path / "x.json"
    masks = {("test0.png", 0): ("1 40 42 1", 0.75), ("test2.png", 1): ("3 2", 1.0)}
    keys = itertools.product(competition.test["image_id"], (0, 1))
    made = [SubmissionRow(*key, *masks.get(key, ("", 0.0))) for key in keys]
    write_submission(made, competition, config, path)
    results = json.loads(path.read_text())
    assert [(r["image_id"], r["category_id"], r["score"]) for r in results] == [(7, 3, 0.75), (9, 1, 1.0)]
    decoded = coco_mask.decode(results[0]["segmentation"])
    assert decoded.shape == (40, 64)
    assert np.flatnonzero(decoded.ravel("F")).tolist() == [*range(40), 41]
    found = read_submission(path, submission_form(competition, config))
    assert found == ParsedSubmission({tuple(row[:2]): row.runs for row in made})
    assert path.read_text() == COCO


def test_a_folder_of_masks_for_every_class(rows, tiny_competition, tmp_path):
    path = tmp_path / "submissions" / "x"
    (path / "left over").mkdir(parents=True)
    config = SubmissionConfig(layout="mask_folder", mask_value=1)
    write_submission(rows, tiny_competition, config, path)
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*.png"))
    assert files == sorted(f"{name}/test{k}.png" for name in ("bright", "dark") for k in range(5))
    assert list(path.parent.iterdir()) == [path]
    mask = cv2.imread(str(path / "bright/test0.png"), cv2.IMREAD_UNCHANGED)
    assert (mask.shape, mask.dtype) == ((40, 64), np.uint8)
    assert np.argwhere(mask.T == 1).tolist() == [[0, 0], [0, 1], [0, 2], [0, 9], [0, 10]]  # "1 3 10 2"
    assert mask.sum() == 5
    assert read_submission(path, submission_form(tiny_competition, config)) == ParsedSubmission(
        {(image_id, index): text for image_id, index, text in rows}
    )


def test_one_class_needs_no_folder_of_its_own(tiny_competition, tmp_path):
    competition = numbered(tiny_competition, tiny_competition.test["image_id"].tolist())
    made = [(image_id, 0, "5 1") for image_id in competition.test["image_id"]]
    write_submission(made, competition, SubmissionConfig(layout="mask_folder", image_names="index"), tmp_path / "x")
    assert sorted(file.name for file in (tmp_path / "x").iterdir()) == [f"{k}.png" for k in range(5)]
    assert cv2.imread(str(tmp_path / "x/3.png"), cv2.IMREAD_UNCHANGED)[4, 0] == 255


@pytest.mark.parametrize("layout", ["coco_json", "mask_folder"])
def test_what_reads_back_differently_never_gets_its_name(layout, rows, tiny_competition, tmp_path, monkeypatch):
    monkeypatch.setattr(coco_file, "coco_runs", lambda text, h, w: coco_runs("1 1", h, w))
    monkeypatch.setattr(mask_folder, "decode", lambda text, h, w, order: np.ones((h, w), np.uint8))
    path = tmp_path / "submissions" / "x"
    with pytest.raises(DataError, match="reads back differently"):
        write_submission(rows, tiny_competition, SubmissionConfig(layout=layout), path)
    assert not list(path.parent.iterdir())


def test_a_folder_is_replaced_whole_or_kept(rows, tiny_competition, tmp_path):
    path = tmp_path / "x"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(DataError, match="missing"):
        write_submission(rows[1:], tiny_competition, SubmissionConfig(layout="mask_folder"), path)
    assert [file.name for file in path.iterdir()] == ["old"]
    path.rename(tmp_path / ".x.old")  # killed between the two renames
    with pytest.raises(RuntimeError), whole_folder(path):
        raise RuntimeError
    assert [file.name for file in path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 99}, "result 1: there is no test image with the image_id 99"),
        ({"image_id": True}, "image_id True"),
        ({"category_id": 9}, "unknown category_id 9; there are 1, 2"),
        ({"score": "high"}, "score is 'high', expected a number"),
        ({"segmentation": [[1, 1, 5, 1, 5, 5]]}, "expected {size, counts}"),
        ({"segmentation": {"size": [40, 64], "counts": [2560]}}, "counts as a compressed text"),
        ({"segmentation": {"size": [64, 40], "counts": "1"}}, "size [64, 40]"),
        ({"segmentation": {"size": [40, 64], "counts": "22"}}, "4 pixels together, but its image has 2560"),
    ],
)
def test_bad_coco_results_are_named(change, message, tiny_competition, tmp_path):
    result = {"image_id": 0, "category_id": 1, "segmentation": coco_runs("3 2", 40, 64), "score": 1}
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{**result, **change}]))
    config = SubmissionConfig(layout="coco_json", image_names="index")
    found = read_submission(path, submission_form(tiny_competition, config))
    assert len(found.problems) == 1
    assert message in found.problems[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "coco_json", "order": "row"}, "column-major"),
        ({"layout": "mask_folder", "empty_token": "-1"}, "only for csv layouts"),
        ({"layout": "image", "category_ids": (1,)}, "only for layout coco_json"),
        ({"layout": "coco_json", "category_ids": (1, 1)}, "each category once"),
        ({"layout": "image", "columns": ("a",)}, "has 2 columns, found 1"),
    ],
)
def test_settings_that_do_not_fit_the_layout_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        SubmissionConfig(**settings)


def test_a_form_that_does_not_fit_the_competition_is_refused(tiny_competition):
    for settings, message in (
        ({"layout": "image"}, "no room for 2 classes"),
        ({"layout": "coco_json", "category_ids": (1, 2, 3)}, "3 categories for 2 classes"),
    ):
        with pytest.raises(DataError, match=message):
            submission_form(tiny_competition, SubmissionConfig(**settings))
    twins = tiny_competition.test.assign(image_id=["a.jpg", "a.png", "b", "c", "d"])
    with pytest.raises(DataError, match="two test images get the same name"):
        submission_form(dataclasses.replace(tiny_competition, test=twins), SubmissionConfig(layout="mask_folder"))


def test_every_layout_is_scored_alike(rows, tiny_competition, tmp_path):
    truth = tmp_path / "truth.csv"
    write_submission(rows, tiny_competition, SubmissionConfig(), truth)
    data = RleCsvData(root="x", class_names=("bright", "dark"))
    for layout in ("image_class_id", "coco_json", "mask_folder"):
        submission = SubmissionConfig(layout=layout)
        config = Experiment(name="x", output_root=str(tmp_path), data=data, submission=submission)
        write_submission(rows, tiny_competition, submission, RunPaths.of(config).submission(layout))
        assert score_submission(config, tiny_competition, truth=truth)["score"].tolist() == [1, 1]


@pytest.mark.parametrize("image_id", ["../a.png", "/elsewhere/a.png"])
def test_an_image_that_leads_out_of_the_folder_of_masks_is_refused(image_id, tiny_competition, tmp_path):
    ids = [image_id, "b.png", "c.png", "d.png", "e.png"]
    competition = numbered(tiny_competition, ids)
    rows = [(name, 0, "") for name in ids]
    with pytest.raises(DataError, match=r"test image '.*/a\.png' or its class climbs out of the folder of masks"):
        write_submission(rows, competition, SubmissionConfig(layout="mask_folder"), tmp_path / "out" / "x")
    assert not (tmp_path / "out" / "x").exists() and not (tmp_path / "out" / "a.png").exists()
