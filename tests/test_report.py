"""The report: which images it shows, what an overlay paints, and a page that is escaped and repeats to the byte."""

import dataclasses
import hashlib

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import Config, FoldsConfig, ReportConfig, RleCsvData, TuningConfig
from maskfold.ensemble import fold_names
from maskfold.oof import OofWriter
from maskfold.paths import RunPaths
from maskfold.provenance import StaleError
from maskfold.report.curves import plot_history
from maskfold.report.galleries import choose_examples
from maskfold.report.overlays import BOTH, PREDICTION, TRUTH, overlay
from maskfold.report.stage import make_report
from maskfold.tuning import tune

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
def run(tmp_path, tiny_competition):
    """A tuned run of the tiny competition with a hostile image id; probabilities are the truth, blurred."""
    train = tiny_competition.train.copy()
    train.loc[0, "image_id"] = HOSTILE
    paths_by_id = dict(zip(train["image_id"], train["path"], strict=True))
    masks = type(tiny_competition.masks)(paths_by_id)
    competition = dataclasses.replace(tiny_competition, train=train, masks=masks)
    config = Config(
        name="x",
        output_root=str(tmp_path),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        folds=FoldsConfig(count=2),
        tuning=TuningConfig(trials=2, bootstrap_samples=100),
        report=ReportConfig(examples=2),
    )
    paths = RunPaths.of(config)
    for fold, name in enumerate(fold_names(config)):
        with OofWriter(paths.oof_parquet(fold), 2, {"checkpoint": name, "tta": "hflip"}) as writer:
            for image_id in train["image_id"][fold::2]:
                blurred = [cv2.GaussianBlur(m * np.uint8(255), (9, 9), 0) for m in masks(image_id)]
                writer.write(image_id, fold, np.stack(blurred), None)
        paths.fold(fold).mkdir(parents=True)
        history = {"epoch": [0, 1], "train_loss": [1.0, 0.5], "valid_loss": [1.1, 0.6], "valid_metric": [0.5, 0.75]}
        rest = {"learning_rate": 1e-3, "seconds": 30.0, "peak_memory_mb": 1000, "dice_bright": 0.5, "dice_dark": 0.25}
        pd.DataFrame({**history, **rest}).to_csv(paths.history_csv(fold), index=False)
        plot_history(paths.history_csv(fold), paths.fold(fold) / "curves.png")
    tune(config, competition)
    return config, competition


def files_of(config):
    folder = RunPaths.of(config).report
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


def test_the_page_shows_the_scores_and_escapes_names(run):
    make_report(*run)
    folder = RunPaths.of(run[0]).report
    page = (folder / "index.html").read_text()
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in page
    assert "0.7500" in page
    assert "2 of 2" in page
    assert "http" not in page
    assert len(list((folder / "images").iterdir())) >= 4
    assert not [path for path in folder.rglob("*") if "onerror" in path.name]


def test_a_fresh_report_is_skipped_and_a_new_one_is_the_same_to_the_byte(run, capsys):
    make_report(*run)
    first = files_of(run[0])
    make_report(*run)
    assert "fresh" in capsys.readouterr().out
    (RunPaths.of(run[0]).report / "index.html").unlink()
    make_report(*run)
    assert files_of(run[0]) == first


def test_a_run_that_is_not_tuned_has_no_report(run):
    RunPaths.of(run[0]).postprocess_json.unlink()
    with pytest.raises(StaleError, match=r"tune_thresholds\.py"):
        make_report(*run)
