"""How far a run is, from its files alone."""

import os
import subprocess
import sys

import pytest

from maskfold.artefacts.lock import at_work, one_writer
from maskfold.artefacts.paths import RunPaths
from maskfold.config import RefitConfig
from maskfold.stages.make_folds import make_folds
from maskfold.stages.train import train_models
from maskfold.stages.watch import ModelState, model_states, stage_line, watch
from maskfold.training.history import write_history
from support.trainings import config_of

ROW = {"valid_loss": 0.5, "learning_rate": 1e-3, "peak_memory_mb": 100.0}


def begin(config, number, rows):
    """As a training that was begun and has finished some epochs: (loss, metric, seconds) each."""
    paths = RunPaths.of(config)
    paths.training(number).mkdir(parents=True)
    (paths.training(number) / "training_started").touch()
    columns = ("train_loss", "valid_metric", "seconds")
    history = [{"epoch": k, **ROW, **dict(zip(columns, row, strict=True))} for k, row in enumerate(rows)]
    write_history(paths.history_csv(number), history)


def test_the_states_of_all_models_by_hand(tmp_path):
    config = config_of(tmp_path, epochs=10, refit=RefitConfig(epochs=4))
    begin(config, 0, [(0.9, 0.1, 500.0), (0.8, 0.2, 60.0), (0.7, float("nan"), 60.0), (0.6, float("nan"), 60.0)])
    with_lock = one_writer("train")(lambda _: model_states(config))
    fold0, fold1, refit = with_lock(config)
    # The latest three epochs took a minute each, six are left; the metric is that of the last validation.
    assert fold0 == ModelState("fold 0", "training", "4/10", "0.600", "0.2000", "60", "6")
    assert fold1 == ModelState("fold 1", "waiting", "0/10", "", "", "", "")
    assert (refit.state, refit.epochs) == ("waiting", "0/4")
    assert model_states(config)[0].state == "interrupted" and model_states(config)[0].left == ""


def test_a_trained_run_is_shown_and_the_watch_ends(tmp_path, tiny_competition, capsys):
    config = config_of(tmp_path, epochs=1)
    make_folds(config, tiny_competition)
    train_models(config, tiny_competition)
    capsys.readouterr()
    watch(config, every=0.1, once=False)
    printed = capsys.readouterr().out
    assert printed.count("trained") == 2 and printed.count("1/1") == 2
    assert "at work: nothing; there: OOF 0 of 2 folds" in printed


def test_who_is_at_work(tmp_path):
    config = config_of(tmp_path)
    paths = RunPaths.of(config)
    assert at_work(paths, "train") is None
    seen = one_writer("train")(lambda _: at_work(paths, "train"))(config)
    assert seen.startswith(f"process {os.getpid()} on ")
    assert at_work(paths, "train") is None
    holder = paths.lock("train").with_suffix(".holder")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    holder.write_text(seen.replace(str(os.getpid()), str(ended.pid)))  # as kill -9 leaves it
    assert at_work(paths, "train") is None
    holder.write_text("process 7 on another-machine, since 2026-01-01 00:00:00")
    assert "another-machine" in stage_line(config)


@pytest.mark.parametrize("text", ["", "\udcff"])
def test_a_holder_that_cannot_be_read_stops_nothing(tmp_path, text):
    config = config_of(tmp_path)
    holder = RunPaths.of(config).lock("train").with_suffix(".holder")
    holder.parent.mkdir(parents=True)
    holder.write_bytes(text.encode("utf-8", "surrogateescape"))
    stage_line(config)
