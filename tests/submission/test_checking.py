"""The check of a submission: every problem with its row, odd shares, the page that compares two, the exit code."""

import csv
import dataclasses
import itertools
import os
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, Experiment, ReportConfig, RleCsvData, SubmissionConfig
from maskfold.errors import DataError
from maskfold.pixels.rle import encode
from maskfold.submission.checking import (
    Counts,
    check_submission,
    is_far,
    share_table,
    share_warnings,
)
from maskfold.submission.comparison import class_summary, compare_submissions, most_different
from maskfold.submission.form import submission_form
from maskfold.submission.writing import write_submission

# Images of 40x64, 64x64, 50x90, 40x64, 64x64 px; classes bright and dark.
GOOD = """\
ImageId,ClassId,EncodedPixels
test0.png,bright,1 3 10 2
test0.png,dark,
test1.png,bright,
test1.png,dark,5 5
test2.png,bright,
test2.png,dark,4500 1
test3.png,bright,
test3.png,dark,
test4.png,bright,
test4.png,dark,
"""


@pytest.fixture
def config(tmp_path):
    data = RleCsvData(root="x", class_names=("bright", "dark"))
    return Experiment(name="x", output_root=str(tmp_path / "out"), data=data, report=ReportConfig(examples=2))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text(GOOD)
    return path


def test_a_good_file_is_accepted(config, tiny_competition, file, capsys):
    assert check_submission(config, tiny_competition, file)
    assert capsys.readouterr().out.endswith("submission.csv: accepted\n")


def test_masks_that_are_torn_apart_in_the_order_of_the_config_are_a_warning(config, tiny_competition, tmp_path, capsys):
    mask = {name: np.zeros(size, np.uint8) for name, size in tiny_competition.test_sizes().items()}
    lines = {"row": GOOD.splitlines()[:1], "column": GOOD.splitlines()[:1]}
    for name, plane in mask.items():
        plane[3:30, 5:40] = 1
        for order in lines:
            lines[order] += [f"{name},bright,{encode(plane, order)}", f"{name},dark,"]
    for order, said in (("row", True), ("column", False)):
        (tmp_path / f"{order}.csv").write_text("\n".join(lines[order]) + "\n")
        assert check_submission(config, tiny_competition, tmp_path / f"{order}.csv")
        assert ("set submission.order: row" in capsys.readouterr().out) == said


def test_blank_lines_and_spaces_around_run_lengths_change_nothing(config, tiny_competition, file):
    file.write_text(GOOD.replace(",5 5", ", 5  5 ").replace("test3.png,bright,", "\ntest3.png,bright, ") + "\n")
    assert check_submission(config, tiny_competition, file)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test1.png,dark,5 5", "test1.png,dark,5", "row 5: test1.png, class dark: 1 numbers"),
        ("test1.png,dark,5 5", "test1.png,dark,5 0", "row 5: test1.png, class dark: run 1 has length 0"),
        ("test1.png,dark,5 5", "test1.png,dark,0 5", "row 5: test1.png, class dark: run 1 starts at pixel 0"),
        ("test1.png,dark,5 5", "test1.png,dark,5 5 1 1", "row 5: test1.png, class dark: run 2 starts at 1, before"),
        ("test1.png,dark,5 5", "test1.png,dark,5 5 9 1", "row 5: test1.png, class dark: run 2 starts at 9, but run 1"),
        ("4500 1", "4500 2", "row 7: test2.png, class dark: run 1 reaches to pixel 4501"),
        ("test3.png,dark,", "test3.png,dark,-1", "below zero; empty masks are '' here (submission.empty_token)"),
        ("test3.png,dark", "test3.png,grey", "row 9: unknown class 'grey'; there are bright, dark"),
        ("test3.png,dark", "test3.png,bright", "row 9: test3.png, class bright is in row 8 already"),
        ("test3.png,dark", "test9.png,dark", "row 9: there is no test image 'test9.png'"),
        ("test3.png,dark,\n", "", "no row for test3.png, class dark"),
        ("test3.png,dark,", "test3.png,dark", "row 9: 2 fields, but the header has 3"),
        ("test3.png,dark", "test3.png ,dark", "row 9: there is no test image 'test3.png '"),
        ("test3.png,dark", "test3.png, dark", "row 9: unknown class ' dark'; there are bright, dark"),
        ("test3.png,dark,\n", "test3.png,dark,\n,,\n", "row 10: unknown class ''"),
        ("ImageId,", "ImageId ,", "row 1: found the header ImageId ,ClassId,EncodedPixels; expected ImageId,ClassId"),
        ("ImageId,", "Image,", "row 1: found the header Image,ClassId,EncodedPixels; expected ImageId,ClassId"),
        (
            "test0.png,bright,1 3 10 2\ntest0.png,dark,\n",
            "test0.png,dark,\ntest0.png,bright,1 3 10 2\n",
            "row 2: found test0.png, class dark where test0.png, class bright is expected",
        ),
    ],
)
def test_every_fault_is_refused_with_its_row(old, new, message, config, tiny_competition, file, capsys):
    file.write_text(GOOD.replace(old, new, 1))
    assert not check_submission(config, tiny_competition, file)
    printed = capsys.readouterr().out
    assert message in printed
    assert "refused" in printed


def test_all_faults_come_together_in_the_order_of_the_rows(config, tiny_competition, file, capsys):
    faults = (("1 3 10 2", "1 3 2"), ("5 5", "5 0"), ("4500 1", "4500 2"), ("test3.png,dark,", "test3.png,dark"))
    text = GOOD
    for old, new in faults:
        text = text.replace(old, new)
    file.write_text(text)
    assert not check_submission(config, tiny_competition, file)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [line.partition("row ")[2].partition(":")[0] for line in lines[:4]] == ["2", "5", "7", "9"]
    assert len(lines) == 5  # the row without a field is missing, too


def test_the_sample_file_decides_the_rows_and_the_token_what_is_empty(config, tiny_competition, file, tmp_path, capsys):
    sample = tmp_path / "sample.csv"
    with sample.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["ImageId_ClassId", "EncodedPixels"])
        writer.writerows([f"test{k}.png_{name}", "1 1"] for k in range(5) for name in ("bright", "dark"))
    competition = dataclasses.replace(tiny_competition, sample_submission=sample)
    config = config.model_copy(update={"submission": SubmissionConfig(empty_token="1 1")})
    assert check_submission(config, competition, sample)  # a template is a submission too: all empty
    assert not check_submission(config, competition, file)
    assert "expected ImageId_ClassId,EncodedPixels" in capsys.readouterr().out
    sample_text = sample.read_text().replace("test4.png_dark,1 1", "test4.png_dark,")
    file.write_text(sample_text)
    assert not check_submission(config, competition, file)
    assert "row 11: blank, but an empty mask is '1 1' here" in capsys.readouterr().out


def test_another_kind_of_file_is_refused(config, tiny_competition, file, tmp_path, capsys):
    made = [(image_id, index, "") for image_id, index in itertools.product(tiny_competition.test["image_id"], (0, 1))]
    for layout, name in (("coco_json", "x.json"), ("mask_folder", "x")):
        settings = SubmissionConfig(layout=layout)
        write_submission(made, tiny_competition, settings, tmp_path / name)
        assert not check_submission(config, tiny_competition, tmp_path / name)
        assert f"found {layout}, but submission.layout is image_class_columns" in capsys.readouterr().out
        assert check_submission(config.model_copy(update={"submission": settings}), tiny_competition, tmp_path / name)


def test_a_bad_folder_of_masks_is_refused(config, tiny_competition, tmp_path, capsys):
    made = [(image_id, index, "") for image_id, index in itertools.product(tiny_competition.test["image_id"], (0, 1))]
    config = config.model_copy(update={"submission": SubmissionConfig(layout="mask_folder")})
    folder = tmp_path / "x"
    write_submission(made, tiny_competition, config.submission, folder)
    (folder / "dark/test0.png").unlink()
    (folder / "dark/test1.png").write_bytes((folder / "dark/test2.png").read_bytes())
    (folder / "dark/test3.png").write_bytes(b"no png")
    (folder / "bright/extra.png").touch()
    cv2.imwrite(str(folder / "bright/test0.png"), np.full((40, 64), 7, np.uint8))
    cv2.imwrite(str(folder / "bright/test3.png"), np.zeros((40, 64, 3), np.uint8))
    assert not check_submission(config, tiny_competition, folder)
    printed = capsys.readouterr().out
    for message in (
        "dark/test0.png: no mask for test0, class dark",
        "dark/test1.png: found 50x90 px (height x width), expected 64x64",
        "dark/test3.png",
        "bright/test0.png: found the values 7; expected 0 and 255 only",
        "bright/test3.png: found 3 channels, expected grey",
        "extra.png: not a mask of any test image and class",
        "refused: 6 problems",
    ):
        assert message in printed, printed


def test_shares_stand_beside_those_of_training_and_oof(config, tiny_competition):
    keys = itertools.product(tiny_competition.test["image_id"], (0, 1))
    runs = {key: "1 1" if key[1] else "" for key in keys}
    shares = share_table(config, tiny_competition, runs).set_index("class_name")
    assert shares.loc["bright"].tolist() == [Counts(0, 5), Counts(4, 12), None]
    assert shares.loc["dark"].tolist() == [Counts(5, 5), Counts(4, 12), None]
    scores = RunPaths.of(config).image_scores_csv
    scores.parent.mkdir(parents=True)
    pd.DataFrame({"class_name": ["bright", "bright", "dark"], "adopted_area": [0, 9, 0]}).to_csv(scores)
    shares = share_table(config, tiny_competition, runs).set_index("class_name")
    assert shares["oof"].tolist() == [Counts(1, 2), Counts(0, 1)]


def test_a_share_is_far_by_a_factor_of_two_and_three_standard_errors():
    assert not is_far(Counts(0, 5), Counts(4, 12))  # five images say little
    assert is_far(Counts(0, 500), Counts(400, 1200))
    assert is_far(Counts(500, 500), Counts(1000, 1200))
    assert not is_far(Counts(200, 1000), Counts(3000, 10_000))  # beyond chance, but odds of 0.25 against 0.43
    assert is_far(Counts(150, 1000), Counts(3000, 10_000))
    rows = {"class_name": ["1"], "file": [Counts(0, 500)], "training": [Counts(400, 1200)], "oof": [None]}
    [warning] = share_warnings(pd.DataFrame(rows, dtype=object))
    assert warning == "class 1: 0.0% of the masks are not empty, but 33.3% of the training images"


@pytest.mark.parametrize(
    ("found", "expected", "far"),
    [
        # Odds with half an image added: 1.5 to 1.5 and 0.5 to 0.5 are equal.
        (Counts(1, 2), Counts(0, 0), False),
        # Many images: odds 1 against 2.1 are more than a factor of two apart, against 1.9 less; both ways round.
        (Counts(50_000, 100_000), Counts(67_742, 100_000), True),
        (Counts(50_000, 100_000), Counts(65_517, 100_000), False),
        (Counts(67_742, 100_000), Counts(50_000, 100_000), True),
        (Counts(50_000, 100_000), Counts(32_258, 100_000), True),
        (Counts(50_000, 100_000), Counts(34_483, 100_000), False),
        # 8.5 to 2.5 against 2.5 to 8.5: a log ratio of 2.448, three errors of sqrt(2/8.5 + 2/2.5) are 3.05.
        (Counts(8, 10), Counts(2, 10), False),
        # 16.5 to 4.5 against 4.5 to 16.5: 2.598 against 3 * sqrt(2/16.5 + 2/4.5) = 2.256.
        (Counts(16, 20), Counts(4, 20), True),
    ],
)
def test_odds_ratios_by_hand(found, expected, far):
    assert is_far(found, expected) is far


@pytest.mark.parametrize(
    ("shown", "trained", "expected"),
    [(0, 4, ["every mask is empty, but some training masks are not"]), (1, 4, []), (0, 0, [])],
)
def test_a_submission_of_empty_masks_is_warned_of_however_few_its_images_are(shown, trained, expected):
    rows = {"class_name": ["1", "2"], "file": [Counts(0, 5), Counts(shown, 5)], "oof": [None, None]}
    rows["training"] = [Counts(trained, 12), Counts(0, 12)]
    assert share_warnings(pd.DataFrame(rows, dtype=object)) == expected


def test_two_submissions_are_compared_by_hand(config, tiny_competition):
    form = submission_form(tiny_competition, config.submission)
    first = dict.fromkeys(form.sample.rows, "")
    second = dict(first)
    first["test0.png", 0], second["test0.png", 0] = "1 6", "4 4"  # 3 px in both
    first["test1.png", 0] = "1 20"
    second["test2.png", 1] = "7 1"
    table = compare_submissions(first, second, form)
    summary = class_summary(table, form.class_names).set_index("class_name")
    assert summary.loc["bright", "dice"] == pytest.approx((0.6 + 0 + 3) / 5)
    assert summary.loc["dark", "dice"] == pytest.approx(4 / 5)
    assert summary.drop(columns="dice").to_numpy().tolist() == [[1, 1, 0, 3], [0, 0, 1, 4]]
    chosen = most_different(table, 5)
    assert chosen["image_id"].tolist() == ["test1.png", "test0.png", "test2.png"]
    assert chosen["different_px"].tolist() == [20, 4, 1]


def test_the_comparison_is_an_escaped_page(config, tiny_competition, file, tmp_path, capsys):
    hostile = "<img src=x onerror=alert(1)>.png"
    test = tiny_competition.test.replace({"image_id": {"test1.png": hostile}})
    competition = dataclasses.replace(tiny_competition, test=test)
    file.write_text(GOOD.replace("test1.png", hostile))
    other = tmp_path / "other.csv"
    other.write_text(GOOD.replace("test1.png", hostile).replace("5 5", "1 40").replace("4500 1", ""))
    for _ in range(2):  # the second replaces the first
        assert check_submission(config, competition, file, other)
    folder = RunPaths.of(config).comparison
    page = (folder / "index.html").read_text()
    assert hostile not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in page
    assert "<b>2 of 5</b>" in page
    assert "http" not in page
    assert sorted(path.name for path in (folder / "images").iterdir()) == ["00.jpg", "01.jpg"]
    assert [path.name for path in folder.parent.iterdir()] == ["x.compare"]
    assert "Dice between" in capsys.readouterr().out


def test_what_cannot_be_read_is_not_compared(config, tiny_competition, file, tmp_path, capsys):
    bad = tmp_path / "bad.csv"
    bad.write_text(GOOD.replace("5 5", "5"))
    assert not check_submission(config, tiny_competition, bad, file)
    assert "not compared" in capsys.readouterr().out
    with pytest.raises(DataError, match="row 5"):
        check_submission(config, tiny_competition, file, bad)
    with pytest.raises(DataError, match="no such file"):
        check_submission(config, tiny_competition, tmp_path / "missing.csv")


@pytest.fixture
def command(tmp_path):
    """Runs the script on a competition of its own."""
    config = tmp_path / "demo.yaml"
    config.write_text(
        f"name: small\noutput_root: {tmp_path}\ndemo: {{train_images: 8, test_images: 3, width: 128}}\n"
        f"data: {{format: rle_csv, root: {tmp_path}/data, class_names: ['1', '2', '3', '4']}}\n"
    )

    def run(script, *arguments):
        line = [sys.executable, REPOSITORY / "src" / script, "--config", config, *arguments]
        return subprocess.run(line, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})

    return run


def test_the_exit_code_is_the_verdict(command, tmp_path):
    assert command("make_demo_data.py").returncode == 0
    sample = tmp_path / "data/sample_submission.csv"
    good = command("check_submission.py", sample)
    assert (good.returncode, good.stderr) == (0, "")
    bad = tmp_path / "bad.csv"
    bad.write_text(sample.read_text().replace(",1,\n", ",1,9 0\n"))
    refused = command("check_submission.py", bad)
    assert refused.returncode == 1
    assert refused.stdout.count("run 1 has length 0") == 3
    missing = command("check_submission.py", tmp_path / "missing.csv")
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr
    shown = command("check_submission.py", "--help")
    assert "examples:" in shown.stdout
    assert "python src/check_submission.py" in shown.stdout
