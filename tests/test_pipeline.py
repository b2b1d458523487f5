"""The corridor as a user walks it: run_all.sh and the stage scripts, on a tiny demo, killed and started again."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import REPOSITORY

STAGES = ("make_demo_data", "make_folds", "train", "predict_oof", "tune_thresholds", "make_submission", "make_report")

CONFIG = """\
extends: demo.yaml
name: tiny
demo: {train_images: 40, test_images: 24, width: 128}
data: {root: data/tiny}
folds: {count: 2}
model: {encoder: tu-mobilenetv3_small_050, decoder_channels: [32, 24, 16, 8, 8]}
train: {epochs: 3, batch_size: 8, crop_size: [64, 128]}
inference: {shard_images: 4}
tuning: {trials: 5, bootstrap_samples: 100}
report: {examples: 2}
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the repository in a folder with a space in its name, using the environment the tests run in."""
    folder = tmp_path_factory.mktemp("home") / "mask fold"
    folder.mkdir()
    for name in ("src", "configs"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_all.sh", "setup_venv.sh", "requirements.txt"):
        shutil.copy(REPOSITORY / name, folder / name)
    (folder / "configs" / "tiny.yaml").write_text(CONFIG)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def run_all(clone, *arguments, cwd="/", name="tiny"):
    command = ["bash", str(clone / "run_all.sh"), str(clone / "configs" / f"{name}.yaml"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def start_stage(clone, stage, *arguments, name="tiny"):
    command = [sys.executable, f"src/{stage}.py", "--config", f"configs/{name}.yaml", *arguments]
    return subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def hashes_below(*folders):
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def first_run(clone):
    """Everything from nothing, from another folder."""
    if not (REPOSITORY / ".venv").exists() or Path(sys.prefix) != REPOSITORY / ".venv":
        pytest.skip("run_all.sh makes its own .venv; run these tests with `bash run_tests.sh`")
    result = run_all(clone)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_run_all_makes_a_valid_submission_and_a_report(clone, first_run):
    sample = (clone / "data/tiny/sample_submission.csv").read_text().splitlines()
    answer = (clone / "submissions/tiny.csv").read_text().splitlines()
    assert answer[0] == sample[0]
    assert [row.rpartition(",")[0] for row in answer] == [row.rpartition(",")[0] for row in sample]
    assert (clone / "reports/tiny/index.html").is_file()
    for stage in STAGES:
        assert stage in first_run.stdout
    assert "honest" in first_run.stdout


def test_a_second_run_skips_everything_and_changes_no_byte(clone, first_run):
    folders = [clone / name for name in ("folds", "runs", "oof", "submissions", "reports")]
    before = hashes_below(*folders)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    started = {path: path.stat().st_mtime_ns for path in files}
    result = run_all(clone)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("up to date") >= len(STAGES)
    assert hashes_below(*folders) == before
    assert {path: path.stat().st_mtime_ns for path in started} == started


def test_changed_words_and_pictures_make_no_stage_stale_but_a_changed_loss_does(clone, first_run, tmp_path):
    package = clone / "src" / "maskfold"
    changes = {  # a message of a reader, a colour of the pictures, a heading of the report
        "data/image_ids.py": ("is ambiguous", "stands for two files"),
        "drawing/class_colours.py": ("(225, 45, 45)", "(225, 45, 46)"),
        "report/page.html.j2": ("<h2", "<h2>One more heading</h2>\n<h2"),
    }
    before = {name: (package / name).read_text() for name in (*changes, "training/losses/terms.py")}
    try:
        for name, (old, new) in changes.items():
            assert old in before[name], name
            (package / name).write_text(before[name].replace(old, new, 1))
        result = run_all(clone)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("up to date") >= len(STAGES) and "computed:" not in result.stdout, result.stdout
        (package / "training/losses/terms.py").write_text(before["training/losses/terms.py"] + "\n_ADDED = 1\n")
        for folder in ("runs", "folds"):  # a copy to train again, so that the run itself stays as it is
            shutil.copytree(clone / folder, tmp_path / folder)
        training = start_stage(clone, "train", "--set", f"output_root={tmp_path}")
        printed = training.communicate()[0]
        assert training.returncode == 0, printed
        assert printed.count("will be recomputed: the code of train changed") == 2
    finally:
        for name, text in before.items():
            (package / name).write_text(text)


# The file whose appearance means that a stage is in its middle, with work still to do; make_folds is over in one write.
MIDDLE = {
    "make_demo_data": ".data.part/train_images",
    "train": "runs/tiny/fold0/last.ckpt",
    "predict_oof": "oof/tiny/fold0.parquet",
    "tune_thresholds": "oof/tiny/tables/fold0.npz",
    "make_submission": "runs/tiny/submission_shards/shard00000.parquet",
    "make_report": "reports/.tiny.part",
}


def test_a_run_killed_in_every_stage_ends_with_the_same_submission(clone, first_run, tmp_path):
    arguments = ["--set", f"output_root={tmp_path}", f"data.root={tmp_path}/data"]
    for stage in STAGES:
        if stage in MIDDLE:
            process = start_stage(clone, stage, *arguments)
            kill_once_there(process, tmp_path / MIDDLE[stage])
        process = start_stage(clone, stage, *arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        if stage == "train":
            assert "continuing" in output
    for name in (
        "submissions/tiny.csv",
        "oof/tiny/fold0.parquet",
        "oof/tiny/fold1.parquet",
        "runs/tiny/fold0/model.pt",
    ):
        assert (tmp_path / name).read_bytes() == (clone / name).read_bytes(), name
    assert not list(tmp_path.rglob("*.part"))


def kill_once_there(process, marker):
    """SIGKILL the process, and the loaders it started, as soon as `marker` exists."""
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"{marker} never appeared"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL


def test_changed_settings_redo_what_depends_on_them_and_say_why(clone, first_run):
    process = start_stage(clone, "tune_thresholds", "--set", "tuning.dense_areas=32", f"output_root={clone}")
    output, _ = process.communicate()
    assert process.returncode == 0, output
    assert "dense_areas: 256 -> 32" in output
    process = start_stage(clone, "train")
    assert process.communicate()[0].count("up to date") == 2
    process = start_stage(clone, "tune_thresholds")
    assert "dense_areas: 32 -> 256" in process.communicate()[0]


def test_a_submission_refuses_an_artefact_tuned_with_another_tta(clone, first_run):
    before = (clone / "submissions/tiny.csv").read_bytes()
    process = start_stage(clone, "make_submission", "--set", "inference.tta=[vflip]")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "tuned with TTA ['hflip'], the config says ['vflip']" in output
    assert "python src/predict_oof.py --config" in output
    assert (clone / "submissions/tiny.csv").read_bytes() == before


def test_two_processes_train_one_model_together(clone, first_run, tmp_path):
    settings = [f"output_root={tmp_path}", "train.devices=2", "train.accelerator=cpu", "train.epochs=4"]
    for stage in ("make_folds", "train"):
        fold = ["--fold", "0"] if stage == "train" else []
        process = start_stage(clone, stage, "--set", *settings, "train.early_stopping_patience=4", *fold)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    assert "MEMBER: 2/2" in output
    assert output.count("fold 0 epoch 4/4") == 1  # one process speaks for both
    history = pd.read_csv(tmp_path / "runs/tiny/fold0/history.csv")
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    alone = pd.read_csv(clone / "runs/tiny/fold0/history.csv")
    # Half the steps an epoch: not the same weights, but the same images and a loss of the same kind.
    assert history["valid_loss"].iloc[-1] < 1.3 * alone["valid_loss"].iloc[-1]


OTHER = """\
extends: tiny.yaml
name: other
model: {architecture: FPN, decoder_channels: null}
train: {epochs: 2}
inference: {tta: [vflip]}
"""
BLEND = """\
extends: tiny.yaml
name: both
blend: {members: [tiny.yaml, other.yaml], weights: greedy, trials: 3}
"""


def run_stages(clone, name, *stages):
    for stage in stages:
        process = start_stage(clone, stage, name=name)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output


def test_two_experiments_answer_together_until_one_is_retrained(clone, first_run):
    (clone / "configs/other.yaml").write_text(OTHER)
    (clone / "configs/both.yaml").write_text(BLEND)
    run_stages(clone, "other", "make_folds", "train", "predict_oof")
    first = run_all(clone, name="both")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "nothing to train" in first.stdout and "weights in use: tiny" in first.stdout
    answer = clone / "submissions/both.csv"
    sample = (clone / "data/tiny/sample_submission.csv").read_text().splitlines()
    rows = answer.read_text().splitlines()
    assert [row.rpartition(",")[0] for row in rows] == [row.rpartition(",")[0] for row in sample]
    assert "a blend of" in (clone / "reports/both/index.html").read_text()
    folders = [clone / "oof/both", clone / "submissions", clone / "reports/both"]
    before = hashes_below(*folders)
    again = run_all(clone, name="both")
    assert again.returncode == 0 and again.stdout.count("up to date") >= 6, again.stdout + again.stderr
    assert hashes_below(*folders) == before
    answer.unlink()
    shutil.rmtree(clone / "runs/both")
    run_stages(clone, "both", "make_submission")
    record, remade = f"{answer}.made.json", hashes_below(*folders)  # the record holds times
    assert remade | {record: ""} == before | {record: ""}
    (clone / "configs/other.yaml").write_text(OTHER.replace("epochs: 2", "epochs: 1"))
    run_stages(clone, "other", "train")
    process = start_stage(clone, "make_submission", name="both")
    output, _ = process.communicate()
    assert process.returncode == 2
    assert "tuned on other models than the trained ones (other/fold0, other/fold1)" in output
    assert "`python src/predict_oof.py --config configs/other.yaml`, then" in output
    assert hashes_below(*folders) == remade


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_help_with_examples(stage):
    result = subprocess.run(
        [sys.executable, REPOSITORY / "src" / f"{stage}.py", "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "examples:" in result.stdout
    assert f"python src/{stage}.py" in result.stdout


def test_a_stage_outside_the_environment_says_how_to_get_in():
    result = subprocess.run([sys.executable, "-S", REPOSITORY / "src/train.py"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "source .venv/bin/activate" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_config_is_one_message_and_no_traceback():
    command = [sys.executable, REPOSITORY / "src/train.py", "--set", "train.epoch=3"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "did you mean train.epochs?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("version", "arguments", "answer"),
    [
        ("3, 9", [], "needs Python 3.11 or newer"),
        (None, ["--sett", "a=b"], "unknown option --sett"),
        (None, ["--set", "train.epochs"], "--set needs KEY=VALUE"),
    ],
)
def test_set_up_problems_are_one_sentence(tmp_path, version, arguments, answer):
    for name in ("run_all.sh", "setup_venv.sh", "requirements.txt"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    if version:
        for name in ("python3.12", "python3.11", "python3", "python"):
            (tmp_path / name).write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1 || exit 1\n')
            (tmp_path / name).chmod(0o755)
    result = subprocess.run(
        ["bash", tmp_path / "run_all.sh", *arguments], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 2
    assert answer in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
