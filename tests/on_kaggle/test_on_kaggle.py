"""Kaggle, with its own client over HTTP against a stand-in of its API: pull, push, scores, and what is missing."""

from __future__ import annotations

import io
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import on_kaggle as script
from maskfold.artefacts import paths
from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths, leaderboard_csv
from maskfold.command_line import run_stage
from maskfold.config import load_config
from maskfold.data.opening import open_competition
from maskfold.errors import DataError, StaleError, UsageError
from maskfold.on_kaggle import client, pushing
from maskfold.on_kaggle.leaderboard import read_leaderboard, with_row, write_leaderboard
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_submission import make_submission
from maskfold.stages.on_kaggle import PushRequest, fetch_scores, pull, push
from support.bundled_run import write_run
from support.finished_run import tiny_config
from support.kaggle_server import TOKEN, KaggleServer

pytest.importorskip("kagglesdk", reason="install requirements-kaggle.txt to test what goes to Kaggle")
pytest.importorskip("six", reason="install requirements-kaggle.txt to test what goes to Kaggle")

_VARIABLES = ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run with random networks and its submission, made once."""
    config = write_run(tmp_path_factory.mktemp("home"))
    make_submission(config, open_competition(config.data, config.model.in_channels))
    return config


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The config of a competition in whose labels every class is to be seen."""
    config = tiny_config(tmp_path_factory.mktemp("demo"), demo={"train_images": 24, "test_images": 4, "width": 96})
    make_demo_data(config)
    return config


@pytest.fixture
def run(home, tmp_path):
    """A copy of the run, as if it had been made there."""
    folder = tmp_path / "run"
    shutil.copytree(home.output_root, folder)
    return home.model_copy(update={"output_root": str(folder)})


@pytest.fixture
def kaggle(monkeypatch, tmp_path):
    """A stand-in of Kaggle that the official client asks, and a user with a token and an empty home."""
    from kagglesdk import kaggle_env

    server = KaggleServer()
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "user").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    monkeypatch.setattr(pushing, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    yield server
    server.stop()


def zipped(files):
    """A zip of name -> bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def competition_of(config, more=()):
    """The archive of a competition: the demo's data, the training images in an archive of their own, and more files."""
    root = Path(config.data.root)
    inner = {path.name: path.read_bytes() for path in (root / "train_images").iterdir()}
    outer = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.parent.name != "train_images"
    }
    return zipped(outer | {"train_images.zip": zipped(inner), **dict(more)})


def test_pull_brings_the_data_and_a_config_that_reads_it(kaggle, demo, tmp_path, capsys):
    kaggle.archives["my-demo"] = competition_of(demo)
    path = pull("my-demo", tmp_path / "data", configs=tmp_path / "configs")
    assert path == tmp_path / "configs/my-demo.yaml"
    config = load_config(path)
    competition = open_competition(config.data)
    assert len(competition.train) == 24 and len(competition.test) == 4
    assert competition.class_names == ("1", "2", "3", "4")
    ours = open_competition(demo.data)
    for image in ours.train["image_id"]:
        assert np.array_equal(competition.masks(image), ours.masks(image))
    assert config.submission.layout == demo.submission.layout
    assert not list(tmp_path.glob(".data*")) and not list((tmp_path / "data").rglob("*.zip"))
    kaggle.calls.clear()
    pull("my-demo", tmp_path / "data", configs=tmp_path / "configs")
    assert kaggle.calls == [] and "nothing was downloaded" in capsys.readouterr().out


def test_a_broken_download_is_continued(kaggle, demo, tmp_path):
    noise = np.random.default_rng(0).bytes(3 * 2**20)
    kaggle.archives["my-demo"] = competition_of(demo, {"noise.bin": noise})
    kaggle.break_after = 3 * 2**19  # the client writes whole MiB
    pull("my-demo", tmp_path / "data", configs=tmp_path / "configs")
    assert kaggle.ranges == [f"bytes={2**20}-"]
    assert (tmp_path / "data/noise.bin").read_bytes() == noise


def test_a_damaged_archive_leaves_nothing(kaggle, demo, tmp_path):
    data = bytearray(competition_of(demo))
    data[len(data) // 2] ^= 1
    kaggle.archives["my-demo"] = bytes(data)
    with pytest.raises(UsageError, match="the archive is damaged"):
        pull("my-demo", tmp_path / "data", configs=tmp_path / "configs")
    assert not (tmp_path / "data").exists() and not (tmp_path / "configs").exists()
    kaggle.archives["my-demo"] = b"<html>no zip</html>"
    with pytest.raises(UsageError, match="is no zip"):
        pull("my-demo", tmp_path / "data", configs=tmp_path / "configs")
    assert not list(tmp_path.glob("*data*"))


def test_a_competition_without_masks_is_refused_with_what_was_looked_for(kaggle, tmp_path):
    kaggle.archives["titanic"] = zipped({"train.csv": "PassengerId,Survived\n1,0\n", "test.csv": "PassengerId\n2\n"})
    with pytest.raises(DataError) as error:
        pull("titanic", tmp_path / "data", configs=tmp_path / "configs")
    assert "titanic: no config was written" in str(error.value)
    assert "it looks for COCO json, csv files of run lengths" in str(error.value)
    assert not (tmp_path / "configs").exists()


def test_rules_that_were_not_accepted_and_wrong_names(kaggle, tmp_path):
    kaggle.archives["secret"] = None
    address = "https://www.kaggle.com/competitions/secret/rules"
    with pytest.raises(UsageError, match=f"Accept the rules on the competition's page first: {address}"):
        pull("secret", tmp_path / "data")
    with pytest.raises(UsageError, match="no such competition; its name is the last part"):
        pull("nothing", tmp_path / "data")
    with pytest.raises(UsageError, match="expected the name in the address"):
        pull("https://www.kaggle.com/competitions/x", tmp_path / "data")


def test_without_network_credentials_or_a_home_it_says_so_at_once(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "an old one")
    with pytest.raises(UsageError, match=r"does not accept these credentials.*looked for in KAGGLE_API_TOKEN"):
        pull("x", tmp_path / "data")
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with pytest.raises(UsageError, match=rf"no credentials.*{tmp_path / 'user/.kaggle/access_token'}"):
        pull("x", tmp_path / "data")
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="no file, as there is no home folder"):
        pull("x", tmp_path / "data")
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    kaggle.stop()
    kaggle.calls.clear()
    with pytest.raises(UsageError, match=rf"no network: {kaggle.address} cannot be reached"):
        pull("x", tmp_path / "data")
    monkeypatch.setattr(client, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-kaggle\.txt"):
        pull("x", tmp_path / "data")
    assert kaggle.calls == [] and not (tmp_path / "data").exists()


def test_a_folder_that_may_not_be_written_is_named_by_the_script(kaggle, demo, monkeypatch, capsys):
    kaggle.archives["my-demo"] = competition_of(demo)
    monkeypatch.setattr(sys, "argv", ["on_kaggle.py", "pull", "my-demo", "--to", "/sys/data"])
    with pytest.raises(SystemExit) as ended:
        run_stage(script.main)
    assert ended.value.code == 2
    assert "error: no permission (/sys/.data.download)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pull", "x", "--message", "m", "--dataset", "d"], "--message, --dataset: not with pull"),
        (["push", "x", "--to", "y"], "--to: not with push"),
        (["push", "x", "--only-dataset"], "names no dataset"),
        (["scores", "x", "--minutes", "0"], "--minutes: not with scores"),
    ],
)
def test_options_of_another_action_are_refused(monkeypatch, words, message):
    monkeypatch.setattr(sys, "argv", ["on_kaggle.py", *words])
    with pytest.raises(UsageError, match=message):
        script.main()


def test_push_sends_the_file_and_writes_the_public_score_beside_the_honest_one(kaggle, run, capsys):
    kaggle.archives["my-demo"] = b""
    table = push(run, PushRequest("my-demo", "=five folds"))
    file = RunPaths.of(run).submission("image")
    (sent,) = kaggle.submissions
    assert sent == {"message": "=five folds", "name": "tiny.csv", "data": file.read_bytes()}
    row = table.iloc[-1]
    assert (row["run"], row["submission"], row["public"], row["honest"]) == ("tiny", "1001", 0.81, 0.0)
    assert row["sha256"] == file_hash(file)
    output = capsys.readouterr().out
    assert "is not scored yet" in output and "public 0.81, honest 0.0000" in output
    board = leaderboard_csv(Path(run.output_root), "my-demo")
    assert read_leaderboard(board)["message"].tolist() == ["'=five folds"], "no spreadsheet takes it for a formula"
    assert board.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"was sent on .* already, with the public score 0\.81"):
        push(run, PushRequest("my-demo", "again"))
    assert len(kaggle.submissions) == 1


def test_a_score_that_comes_later_is_fetched_later(kaggle, run, capsys):
    kaggle.archives["my-demo"], kaggle.pending = b"", 1
    table = push(run, PushRequest("my-demo", "first", minutes=0))
    assert np.isnan(table["public"].iloc[0]) and "not scored yet" in capsys.readouterr().out
    assert fetch_scores(run, "my-demo")["public"].tolist() == [0.81]
    kaggle.public, kaggle.private = "0.82", "0.79"
    table = fetch_scores(run, "my-demo")
    assert (table["public"].iloc[0], table["private"].iloc[0]) == (0.82, 0.79)
    kaggle.calls.clear()
    fetch_scores(run, "my-demo")
    assert "GetSubmission" not in kaggle.calls, "nothing is left to ask"
    with pytest.raises(UsageError, match="nothing was submitted from here yet"):
        fetch_scores(run, "another")


def test_what_the_competition_would_refuse_is_not_sent(kaggle, run, tmp_path):
    kaggle.archives["my-demo"] = b""
    wrong = tmp_path / "wrong.csv"
    lines = RunPaths.of(run).submission("image").read_text().splitlines()
    wrong.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(UsageError, match="would be refused by the competition"):
        push(run, PushRequest("my-demo", "x", file=wrong))
    with pytest.raises(StaleError, match="no such file"):
        push(run, PushRequest("my-demo", "x", file=tmp_path / "none.csv"))
    RunPaths.of(run).submission("image").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(StaleError, match=r"tiny\.csv.*run `python src/make_submission\.py"):
        push(run, PushRequest("my-demo", "x"))
    assert kaggle.submissions == []


def test_a_file_of_other_hands_has_no_honest_score(kaggle, run, tmp_path):
    kaggle.archives["my-demo"] = b""
    other = tmp_path / "other.csv"
    shutil.copyfile(RunPaths.of(run).submission("image"), other)
    row = push(run, PushRequest("my-demo", "theirs", file=other)).iloc[-1]
    assert np.isnan(row["honest"]) and row["public"] == 0.81 and row["file"] == "other.csv"


def test_a_submission_that_kaggle_cannot_score_says_why_and_stays_in_the_list(kaggle, run):
    kaggle.archives["my-demo"], kaggle.error = b"", "Evaluation Exception: row 3"
    with pytest.raises(UsageError, match="could not score submission 1001: Evaluation Exception: row 3"):
        push(run, PushRequest("my-demo", "x"))
    table = read_leaderboard(leaderboard_csv(Path(run.output_root), "my-demo"))
    assert table["submission"].tolist() == ["1001"] and table["public"].isna().all()


def test_the_bundle_is_sent_as_a_private_dataset_and_then_as_a_new_version(kaggle, run):
    for _ in range(2):
        push(run, PushRequest("my-demo", "a bundle", dataset="tiny-bundle", submission=False))
    dataset = kaggle.datasets["user/tiny-bundle"]
    assert dataset["private"] is True and len(dataset["versions"]) == 2
    files = dataset["versions"][0]
    assert {"MANIFEST.json", "predict.py", "config.json", "src.zip", "runs.zip", "oof.zip"} <= files.keys()
    with zipfile.ZipFile(io.BytesIO(files["runs.zip"])) as weights:
        assert "tiny/fold0/model.pt" in weights.namelist()
    assert "dataset-metadata.json" not in files and kaggle.submissions == []
    with pytest.raises(UsageError, match="names of 6 to 50 characters"):
        push(run, PushRequest("my-demo", "x", dataset="tiny", submission=False))


def test_the_picture_shows_all_rows_and_a_broken_csv_is_refused(tmp_path):
    table = read_leaderboard(tmp_path / "none.csv")
    for number, public in enumerate((0.8, float("nan"), 0.83)):
        row = {"date": f"2026-11-{number + 1:02} 10:00:00", "honest": 0.82, "public": public, "submission": str(number)}
        table = with_row(table, row | ({"honest_low": 0.8, "honest_high": 0.84} if number else {}))
    path = tmp_path / "leaderboard.csv"
    write_leaderboard(table, path, "a $competition")
    pd.testing.assert_frame_equal(read_leaderboard(path), table, check_dtype=False)
    first = path.with_suffix(".png").read_bytes()
    write_leaderboard(table.iloc[:2], path, "a $competition")
    assert path.with_suffix(".png").read_bytes() != first
    path.write_text("date,run\nx,y\n")
    with pytest.raises(DataError, match="leaderboard"):
        read_leaderboard(path)
