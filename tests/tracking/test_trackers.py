"""Trackers: what each holds after a run, read back by its own means; and what becomes of a run without them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, load_config
from maskfold.data.opening import open_competition
from maskfold.errors import UsageError
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.tracked import report_and_track, tune_and_track
from maskfold.stages.train import train_models
from maskfold.tracking import checks, guarded
from maskfold.tracking.loggers import guarded_logger
from maskfold.tracking.parameters import parameters
from maskfold.tracking.record import Record
from support.finished_run import tiny_config
from support.mlflow_server import MlflowServer
from support.wandb_file import read_records

REASON = "mlflow and wandb are not installed (requirements-dev.txt)"
pytest.importorskip("mlflow", reason=REASON)
pytest.importorskip("wandb", reason=REASON)

TRACK = ("tensorboard", "csv", "mlflow", "wandb")


@pytest.fixture(autouse=True)
def no_addresses(monkeypatch):
    """Neither the keys and addresses of whoever runs the tests, nor waits between two tries."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_API_KEY", "WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A config of two epochs that tells all trackers everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        folder = tmp_path_factory.mktemp("tracked")
        config = tiny_config(
            folder, track=TRACK, report={"oof_gallery": False, "test_gallery": False}, tuning={"rule": "component"}
        )
        make_demo_data(config)
        competition = open_competition(config.data)
        for stage in (make_folds, train_models, predict_oof, tune_and_track, report_and_track):
            stage(config, competition)
        return config, competition


def test_tensorboard_holds_parameters_curves_and_pictures(run):
    events = EventAccumulator(str(RunPaths.of(run[0]).training(0) / "tensorboard"))
    events.Reload()
    assert {"valid_metric", "train_loss", "learning_rate"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train_loss")] == [0, 1]
    assert set(events.Tags()["images"]) == {"training_samples", "validation"}
    assert b"| train.epochs | 2 |" in events.Tensors("parameters/text_summary")[0].tensor_proto.string_val[0]


def test_csv_holds_the_figures_of_the_history_and_the_scores(run):
    paths = RunPaths.of(run[0])
    folder = paths.training(0) / "csv/version_0"
    table, history = pd.read_csv(folder / "metrics.csv"), pd.read_csv(paths.history_csv(0))
    for name in ("train_loss", "valid_metric", "learning_rate"):
        np.testing.assert_allclose(table[name].dropna(), history[name], rtol=1e-6)
    assert (folder / "validation.png").is_file() and "train.epochs: 2" in (folder / "hparams.yaml").read_text()
    scores = pd.read_csv(paths.run / "csv/version_0/scores.csv")
    tuned = json.loads(paths.postprocess_json.read_text())
    assert scores["class"].astype(str).tolist() == ["1", "2", "3", "4"]
    assert scores["honest"].mean() == pytest.approx(tuned["scores"]["honest"])


def test_mlflow_holds_parameters_curves_pictures_scores_and_the_report(run):
    from mlflow.tracking import MlflowClient

    config = run[0]
    paths = RunPaths.of(config)
    client = MlflowClient(f"sqlite:///{paths.trackers / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("maskfold")
    found = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    assert set(found) == {"tiny, fold 0", "tiny, fold 1", "tiny"}
    fold, tuned = found["tiny, fold 1"], found["tiny"]
    assert all(each.info.status == "FINISHED" and each.data.tags["run"] == "tiny" for each in found.values())
    assert fold.data.params["train.epochs"] == "2" and fold.data.params["model"] == "fold1"
    history = pd.read_csv(paths.history_csv(1))
    curve = client.get_metric_history(fold.info.run_id, "valid_metric")
    np.testing.assert_allclose([point.value for point in curve], history["valid_metric"], rtol=1e-6)
    shown = [each.path for each in client.list_artifacts(fold.info.run_id, "validation")]
    assert shown[-1] == "validation/0000002.png"
    scores = json.loads(paths.postprocess_json.read_text())["scores"]
    assert tuned.data.metrics["dice_honest"] == scores["honest"]
    kept = {each.path for each in client.list_artifacts(tuned.info.run_id)}
    assert {"scores.csv", "rules", "report"} == kept
    page = client.download_artifacts(tuned.info.run_id, "report/index.html")
    assert Path(page).read_bytes() == (paths.report / "index.html").read_bytes()


def test_wandb_holds_the_same_offline(run):
    records = {}
    for path in sorted(RunPaths.of(run[0]).trackers.glob("wandb/offline-run-*/*.wandb")):
        records.setdefault(path.stem, []).extend(read_records(path))
    assert len(records) == 3  # two folds, and the scores with the report
    kinds = Counter()
    for each in records.values():
        title = next(record.run.display_name for record in each if record.HasField("run"))
        keys = {item.key or item.nested_key[0] for record in each for item in record.history.item}
        kinds[title] = len(keys & {"train_loss", "valid_metric", "learning_rate", "validation", "training_samples"})
        if title == "tiny":
            assert {"scores", "dice_honest"} <= keys
            assert {record.artifact.type for record in each if record.HasField("artifact")} >= {"rules", "report"}
    assert kinds == {"tiny, fold 0": 5, "tiny, fold 1": 5, "tiny": 0}


def test_another_choice_of_trackers_makes_nothing_stale_and_changes_no_byte(run, tmp_path, capsys):
    config, competition = run
    paths = RunPaths.of(config)
    untracked = config.model_copy(update={"track": ()})
    train_models(untracked, competition)
    tune_and_track(untracked, competition)
    report_and_track(untracked, competition)
    said = capsys.readouterr().out
    assert said.count("is up to date") >= 4 and "will be computed" not in said and "track:" not in said
    elsewhere = untracked.model_copy(update={"output_root": str(tmp_path)})
    make_folds(elsewhere, competition)
    train_models(elsewhere, competition, [0])
    assert RunPaths.of(elsewhere).model(0).read_bytes() == paths.model(0).read_bytes()
    assert not (RunPaths.of(elsewhere).training(0) / "tensorboard").exists()


def test_what_a_tracker_has_is_not_sent_again(run, capsys):
    tune_and_track(*run)
    report_and_track(*run)
    assert "track:" not in capsys.readouterr().out


def test_a_server_that_is_down_at_the_start_costs_one_line(run, tmp_path, monkeypatch, capsys):
    server = MlflowServer()
    server.stop()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    config = run[0].model_copy(update={"track": ("mlflow",), "output_root": str(tmp_path)})
    make_folds(config, run[1])
    train_models(config, run[1], [0])
    said = capsys.readouterr().out
    assert said.count("mlflow does not take the entries of tiny, fold 0") == 1
    assert "track: mlflow lacks" in said
    assert RunPaths.of(config).model(0).read_bytes() == RunPaths.of(run[0]).model(0).read_bytes()


def test_what_a_server_missed_while_it_was_down_is_sent_when_it_is_back(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(guarded, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(guarded.time, "monotonic", lambda: 0.0)
    server = MlflowServer()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    logger = guarded_logger("mlflow", Record("a training", "x", tmp_path / "fold0", tmp_path))
    logger.log_metrics({"loss": 3.0, "dice_裂纹": 0.5, "dice_a+b": 0.25}, 1)
    server.on = False
    logger.log_metrics({"loss": 2.0}, 2)
    logger.log_metrics({"loss": 1.0}, 3)
    server.on = True
    logger.finalize("success")
    server.stop()
    assert server.metrics[:3] == [("loss", 3.0, 1), ("dice_裂纹", 0.5, 1), ("dice_a_2b_b", 0.25, 1)]
    assert sorted(server.metrics[3:], key=lambda each: each[2]) == [("loss", 2.0, 2), ("loss", 1.0, 3)]
    said = capsys.readouterr().out
    assert said.count("does not take") == 1 and said.count("again") == 1 and logger.complete


def test_a_missing_package_or_key_is_an_error_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    checks.check_trackers(TRACK)
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(UsageError, match="wandb login"):
        checks.check_trackers(TRACK)
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password secret\n")
    checks.check_trackers(TRACK)
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"track: mlflow needs .* `pip install -r requirements-track.txt`"):
        checks.check_trackers(TRACK)


def test_parameters_are_the_flattened_config():
    named = parameters(load_config(REPOSITORY / "configs/demo.yaml"))
    assert named["train.epochs"] == 16 and named["data.class_names"] == '["1", "2", "3", "4"]'
    assert named["refit"] == "null" and "track" not in named
