"""The tour notebook, run as a reader runs it, on a smaller demo."""

from __future__ import annotations

import json

import nbclient
import nbformat
import pandas as pd
import pytest

from maskfold.config import REPOSITORY

NOTEBOOK = REPOSITORY / "notebooks" / "tour.ipynb"
SMALLER = (
    "demo.train_images=40 demo.test_images=8 demo.width=128 model.encoder=tu-mobilenetv3_small_050 "
    "model.decoder_channels=[32,24,16,8,8] train.epochs=2 train.batch_size=8 train.crop_size=[64,128] train.workers=0 "
    "tuning.trials=3 tuning.bootstrap_samples=100 report.examples=2"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where the tour puts its files; the space is no accident."""
    return tmp_path_factory.mktemp("a tour")


@pytest.fixture(scope="module")
def tour(home):
    """The notebook after all its cells have run."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MASKFOLD_TOUR", str(home))
        environment.setenv("MASKFOLD_TOUR_SETTINGS", SMALLER)
        environment.setenv("IPYTHONDIR", str(home / "ipython"))
        client = nbclient.NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        )
        client.execute()
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def texts(notebook):
    return "".join(output.get("text", "") for output in outputs(notebook))


def test_every_stage_ran_and_left_its_files(tour, home):
    for artefact in (
        "data/train.csv",
        "folds/tour.csv",
        "runs/tour/fold1/model.pt",
        "oof/tour/fold1.parquet",
        "oof/tour/postprocess.json",
        "submissions/tour.csv",
        "reports/tour/index.html",
    ):
        assert (home / artefact).is_file(), artefact
    sample = pd.read_csv(home / "data/sample_submission.csv")
    assert len(pd.read_csv(home / "submissions/tour.csv")) == len(sample)


def test_the_scores_shown_are_those_of_the_run(tour, home):
    tuned = json.loads((home / "oof/tour/postprocess.json").read_text())
    assert f"honest estimate {tuned['scores']['honest']:.4f}, hidden truth 0." in texts(tour)


def test_no_progress_bar_fills_the_page(tour):
    assert "\x1b[2K" not in texts(tour)


def test_pictures_and_tables_are_inline(tour):
    shown = [output["data"] for output in outputs(tour) if "data" in output]
    assert sum("image/png" in data for data in shown) >= 4 + 2 + 2 + 1 + 2  # classes, training, OOF, surface, rules
    tables = [data["text/html"] for data in shown if "<table" in data.get("text/html", "")]
    assert len(tables) == 5


def test_the_notebook_in_the_repository_is_stripped():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not outputs(notebook)
    assert all(cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
