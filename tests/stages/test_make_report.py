"""The report: which images it shows, what an overlay paints, and pages that are escaped and repeat to the byte."""

import base64
import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import record_path
from maskfold.config import ReportConfig
from maskfold.drawing.overlays import (
    BOTH,
    PREDICTION,
    TRUTH,
    overlay,
)
from maskfold.errors import StaleError
from maskfold.report.examples import choose_examples
from maskfold.stages.make_report import make_report
from maskfold.tuning.tables.score_tables import FoldTables, total
from support.scripts import script_values
from support.synthetic_run import write_run

HOSTILE = "<img src=x onerror=alert(1)>.png"


def test_an_overlay_paints_truth_red_prediction_green_and_both_yellow():
    image = np.full((400, 400, 3), 100, np.uint8)
    truth, prediction = np.zeros((2, 400, 400), np.uint8)
    truth[100:300, 100:200] = 1
    prediction[100:300, 150:250] = 1
    picture = overlay(image, truth, prediction)
    assert picture.shape == image.shape
    assert picture[10, 10].tolist() == [100, 100, 100]
    for colour, column in ((TRUTH, 125), (BOTH, 175), (PREDICTION, 225)):
        expected = np.rint(0.72 * 100 + 0.28 * np.array(colour))
        assert picture[200, column].tolist() == expected.tolist()
    assert picture[100, 125].tolist() == list(TRUTH)


def test_an_overlay_is_grey_where_pixels_are_ignored():
    image, masks, ignored = np.zeros((400, 400, 3), np.uint8), *np.zeros((2, 400, 400), np.uint8)
    ignored[:, 200:] = 1
    picture = overlay(image, masks, masks, ignored)
    assert not picture[:, :200].any()
    assert (picture[:, 200:] == round(0.65 * 128)).all()


@pytest.mark.parametrize(("shape", "expected"), [((256, 1600, 1), (128, 800)), ((32, 40, 3), (96, 120))])
def test_an_overlay_fits_the_page(shape, expected):
    masks = np.zeros(shape[:2], np.uint8)
    assert overlay(np.zeros(shape, np.uint8), masks, masks).shape == (*expected, 3)


def test_examples_are_best_worst_and_most_wrong():
    scores = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "class_name": "1",
            "true_area": [100, 100, 0, 10],
            "adopted_area": [100, 50, 900, 0],
            "adopted_score": [1.0, 0.5, 0.0, 0.0],
        }
    )
    chosen = choose_examples(scores, 2)
    assert chosen["best"]["image_id"].tolist() == ["a", "b"]
    assert chosen["worst"]["image_id"].tolist() == ["d", "b"]
    assert chosen["wrong"]["image_id"].tolist() == ["c", "b"]  # 900 px of false alarm; half of 150 px; 10 px missed


@pytest.fixture
def run(tmp_path):
    """A tuned run with a submission and a hostile image id."""
    return write_run(tmp_path, evil=[HOSTILE])


def files_of(config):
    folder = RunPaths.of(config).report
    files = [path for path in folder.rglob("*") if path.is_file() and path != record_path(folder / "index.html")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_pages_show_the_scores_and_escape_names(run):
    make_report(*run)
    paths = RunPaths.of(run[0])
    pages = {name: (paths.report / f"{name}.html").read_text() for name in ("index", "oof", "test")}
    tuned = json.loads(paths.postprocess_json.read_text())
    assert f"{tuned['scores']['honest']:.4f}" in pages["index"]
    assert f"{tuned['scores']['all_empty']:.4f}" in pages["index"]
    assert "0.7500" in pages["index"]  # of the history
    assert "2 of 2" in pages["index"]
    for text in [*pages.values(), *(path.read_text() for path in paths.report.glob("*.js"))]:
        assert HOSTILE not in text
        assert "http" not in text
    files = [str(path.relative_to(paths.report)) for path in paths.report.rglob("*")]
    assert not [name for name in files if "onerror" in name]
    assert {"oof/0/0.jpg", "oof/masks-0.js", "test/0/5.jpg", "surface-1.js"} <= set(files)


def test_the_galleries_hold_every_image_and_what_was_submitted(run):
    config, competition = run
    make_report(*run)
    folder = RunPaths.of(config).report
    [oof] = script_values(folder / "oof.js")
    scores = pd.read_csv(RunPaths.of(config).image_scores_csv)
    assert sorted(oof["id"]) == sorted(competition.train["image_id"])
    assert np.sum(oof["predicted"]) == scores["adopted_area"].sum()
    shown = competition.masks(HOSTILE)
    assert oof["truth"][oof["id"].index(HOSTILE)] == shown.sum(axis=(1, 2)).tolist()
    [test] = script_values(folder / "test.js")
    assert test["id"] == competition.test["image_id"].tolist()
    submitted = pd.read_csv(RunPaths.of(config).submission("image"))["EncodedPixels"].dropna()
    assert np.sum(test["predicted"]) == sum(int(n) for text in submitted for n in text.split()[1::2])
    chunk, masks = script_values(folder / "test" / "masks-0.js")
    assert chunk == 0
    assert [[sum(runs[1][1::2]) if runs else 0 for runs in image] for image in masks] == test["predicted"]


def test_surfaces_are_exact(run):
    config = run[0]
    make_report(*run)
    index, surface = script_values(RunPaths.of(config).report / "surface-1.js")
    assert index == 1
    table = total([FoldTables.load(RunPaths.of(config).score_table(fold), [1]).table(0) for fold in range(2)])
    stored = np.frombuffer(base64.b64decode(surface["scores"]), "<f4").reshape(255, -1)
    np.testing.assert_array_equal(stored, table.scores().astype(np.float32))
    [(_, row, column)] = [mark for mark in surface["marks"] if mark[0] == "best component rule"]
    assert stored[row, column] == stored.max()


def test_without_a_submission_or_a_gallery_the_report_says_why(run, capsys):
    config, competition = run
    paths = RunPaths.of(config)
    paths.submission("image").rename(paths.submission("image").with_suffix(".old"))
    make_report(*run)
    assert "make_submission.py" in (paths.report / "index.html").read_text()
    assert not (paths.report / "test.html").exists()
    paths.submission("image").with_suffix(".old").rename(paths.submission("image"))
    make_report(*run)
    assert "submissions/x.csv changed" in capsys.readouterr().out
    assert (paths.report / "test.html").exists()
    small = config.model_copy(update={"report": ReportConfig(examples=0, oof_gallery=False, test_gallery=False)})
    make_report(small, competition)
    assert not [path for path in paths.report.rglob("*") if path.suffix in (".jpg", ".png")]
    assert "report.test_gallery" in (paths.report / "index.html").read_text()


def test_a_damaged_submission_is_named_not_shown(run):
    config = run[0]
    path = RunPaths.of(config).submission("image")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    make_report(*run)
    page = (RunPaths.of(config).report / "index.html").read_text()
    assert "cannot be read whole" in page
    assert not (RunPaths.of(config).report / "test.html").exists()


def test_audits_travel_with_the_report(run, capsys):
    make_report(*run)
    folder = RunPaths.of(run[0]).report
    audit = RunPaths.of(run[0]).data_audit
    for name in ("index.html", "images/0.jpg"):
        (audit / name).parent.mkdir(parents=True, exist_ok=True)
        (audit / name).write_text("first")
    make_report(*run)
    assert "data_audit page" in capsys.readouterr().out
    assert '<a href="data_audit/index.html">Data audit</a>' in (folder / "index.html").read_text()
    assert (folder / "data_audit" / "images" / "0.jpg").read_text() == "first"
    (audit / "index.html").write_text("second")
    make_report(*run)
    assert (folder / "data_audit" / "index.html").read_text() == "second"


def test_oof_that_was_not_tuned_on_is_refused(run):
    config = run[0]
    paths = RunPaths.of(config)
    make_report(*run)
    paths.oof_parquet(1).write_bytes(paths.oof_parquet(0).read_bytes())
    (paths.report / "index.html").unlink()
    with pytest.raises(StaleError, match=r"other OOF predictions of fold1; .*tune_thresholds\.py"):
        make_report(*run)


def test_a_fresh_report_is_skipped_and_a_new_one_is_the_same_to_the_byte(run, capsys):
    make_report(*run)
    first = files_of(run[0])
    make_report(*run)
    assert "up to date" in capsys.readouterr().out
    (RunPaths.of(run[0]).report / "index.html").unlink()
    make_report(*run)
    assert files_of(run[0]) == first


def test_a_run_that_is_not_tuned_has_no_report(run):
    RunPaths.of(run[0]).postprocess_json.unlink()
    with pytest.raises(StaleError, match=r"tune_thresholds\.py"):
        make_report(*run)
