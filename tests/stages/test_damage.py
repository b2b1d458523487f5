"""Damage to the files of a finished run, as a user meets it: what is recomputed, what is refused, and what heals."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil

import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import record_path
from maskfold.data.opening import open_competition
from maskfold.errors import StaleError, UsageError
from maskfold.stages.make_submission import make_submission
from support.finished_run import run_stages, tiny_config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run_stages(tiny_config(folder))
    return folder


@pytest.fixture
def config(finished, tmp_path):
    """A copy of the finished run; its data stay where they are."""
    for name in ("folds", "runs", "oof", "submissions"):
        shutil.copytree(finished / name, tmp_path / name)
    return tiny_config(finished).with_changes(lambda _: {"output_root": str(tmp_path)})


def flip(path, place=None):
    """Turn one bit of a file, in its middle unless a place is named; gives it a new time, as any write does."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if place is None else place] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def hashes(config):
    """The bytes that matter: folds, weights, OOF, rules and submission."""
    paths = RunPaths.of(config)
    files = [paths.folds_csv, paths.postprocess_json, paths.image_scores_csv, paths.submission("rle")]
    files += [each for fold in (0, 1) for each in (paths.model(fold), paths.oof_parquet(fold), paths.history_csv(fold))]
    return {str(path.relative_to(paths.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("folds/tiny.csv", "make_folds"),
        ("oof/tiny/fold1.parquet", "predict_oof"),
        ("oof/tiny/image_scores.csv", "tune_thresholds"),
        ("oof/tiny/postprocess.json", "tune_thresholds"),
        ("submissions/tiny.csv", "make_submission"),
    ],
)
@pytest.mark.parametrize("how", [flip, lambda path: os.truncate(path, path.stat().st_size // 3)], ids=["flip", "cut"])
def test_a_damaged_artefact_is_recomputed_with_the_reason(config, capsys, name, stage, how):
    before = hashes(config)
    path = RunPaths.of(config).root / name
    how(path)
    assert hashes(config) != before
    capsys.readouterr()
    run_stages(config, stage)
    assert "damaged or replaced" in capsys.readouterr().out
    assert hashes(config) == before


def test_what_follows_refuses_damaged_weights_and_the_train_stage_heals_them_from_its_checkpoints(config, capsys):
    before, paths = hashes(config), RunPaths.of(config)
    flip(paths.model(1))
    for stage in ("predict_oof", "make_submission"):
        with pytest.raises(
            StaleError, match=r"fold1/model\.pt: the contents .* damaged or replaced; run `python src/tr"
        ):
            run_stages(config, stage)
    capsys.readouterr()
    run_stages(config, "train")
    assert "fold 1 of 2 will be recomputed: the contents of model.pt are not those written" in capsys.readouterr().out
    assert hashes(config) == before


@pytest.mark.parametrize("with_record", [False, True])
def test_the_weights_of_another_fold_are_refused(config, with_record):
    paths = RunPaths.of(config)
    shutil.copyfile(paths.model(0), paths.model(1))
    if with_record:
        shutil.copyfile(record_path(paths.model(0)), record_path(paths.model(1)))
    with pytest.raises(StaleError, match="exchanged" if with_record else "damaged or replaced"):
        run_stages(config, "predict_oof")


def test_folds_changed_by_hand_are_kept_next_to_those_recomputed(config, capsys):
    path = RunPaths.of(config).folds_csv
    made = path.read_text()
    path.write_text(made.replace(",0,", ",1,", 1))
    changed = path.read_text()
    with pytest.raises(StaleError, match=r"run `python src/make_folds\.py"):
        run_stages(config, "predict_oof")
    run_stages(config, "make_folds")
    assert path.read_text() == made and path.with_name("tiny.changed.csv").read_text() == changed
    assert "the changed one is kept as" in capsys.readouterr().out


def test_weights_replaced_after_their_hash_was_taken_are_not_predicted_with(config, monkeypatch):
    paths = RunPaths.of(config)
    paths.oof_parquet(0).unlink()
    from maskfold.stages import predict_oof as stage

    def exchanged(*args):
        shutil.copyfile(paths.model(1), paths.model(0))
        return metadata(*args)

    metadata = stage.oof_metadata
    monkeypatch.setattr(stage, "oof_metadata", exchanged)  # called between hashing and loading
    with pytest.raises(StaleError, match="replaced or damaged since it was recorded"):
        run_stages(config, "predict_oof")
    assert not paths.oof_parquet(0).exists()


def test_tuning_for_another_metric_that_was_interrupted_vouches_for_nothing(config, capsys, monkeypatch):
    before, paths = hashes(config), RunPaths.of(config)
    from maskfold.stages import tune_thresholds as stage

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "_draw_surfaces", interrupted)  # after image_scores.csv, before postprocess.json
        other = config.with_changes(lambda _: {"tuning": config.tuning.model_copy(update={"metric": "iou"})})
        with pytest.raises(KeyboardInterrupt):
            run_stages(other, "tune_thresholds")
    assert hashes(config) != before
    assert not record_path(paths.postprocess_json).exists()
    run_stages(config, "tune_thresholds")
    assert hashes(config) == before


@pytest.mark.parametrize("text", ["", "epoch,train_loss\n0,", "\0\0\0", None])
def test_a_damaged_history_is_written_again_from_the_last_checkpoint(config, capsys, text):
    before, history = hashes(config), RunPaths.of(config).history_csv(0)
    history.unlink()
    if text is not None:
        history.write_text(text)
    run_stages(config, "train", "make_report")
    printed = capsys.readouterr().out
    assert "written again from the last checkpoint" in printed and "fold 0 is up to date" in printed
    assert hashes(config) == before


def test_without_history_and_checkpoint_the_report_is_made_without_it(config, capsys):
    paths = RunPaths.of(config)
    os.truncate(paths.history_csv(0), 10)
    flip(paths.training(0) / "last.ckpt")
    run_stages(config, "train", "make_report")
    assert "history.csv is damaged or missing, and last.ckpt cannot be read" in capsys.readouterr().out
    page = (paths.report / "index.html").read_text()
    assert "fold 1</span>" in page and "fold 0</span>" not in page


@pytest.mark.parametrize("name", ["last.ckpt", "best-*.ckpt"])
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "exchange"])
def test_a_training_whose_checkpoint_is_damaged_starts_again_and_says_why(config, capsys, name, how):
    before, paths = hashes(config), RunPaths.of(config)
    paths.model(0).unlink()
    [path] = paths.training(0).glob(name)
    if how == "flip":
        flip(path)
    elif how == "exchange":
        shutil.copyfile(paths.training(1) / "last.ckpt", path)
    else:
        os.truncate(path, path.stat().st_size // 2 if how == "cut" else 0)
    run_stages(config, "train")
    printed = capsys.readouterr().out
    assert f"fold0 starts again: {path.name}" in printed, printed
    assert hashes(config)["runs/tiny/fold0/model.pt"] == before["runs/tiny/fold0/model.pt"]


def test_a_checkpoint_is_replaced_whole_in_its_own_folder(tmp_path, monkeypatch):
    from maskfold.training.checkpoint_files import WholeCheckpoints, read_checkpoint

    path, files = tmp_path / "last.ckpt", WholeCheckpoints("fold0")
    files.save_checkpoint({"epoch": 0}, path)
    with pytest.raises(AttributeError):  # a lambda cannot be pickled: the write fails in its middle
        files.save_checkpoint({"epoch": torch.ones(9), "more": lambda: 0}, path)
    assert read_checkpoint(path, "fold0")["epoch"] == 0
    assert list(tmp_path.iterdir()) == [path]


def edited(path, change, target=None):
    """postprocess.json with `change` made to its values, over itself or at `target`."""
    values = json.loads(path.read_text())
    change(values)
    (target or path).write_text(json.dumps(values, indent=1) + "\n")


def cut_at_200(values):
    values["classes"][0]["rule"] = {"rule": "component", "threshold": 200, "min_area_px": 3}


def test_rules_edited_by_hand_are_refused_in_place_and_marked_where_they_are_asked_for(config, tmp_path, capsys):
    before, paths = hashes(config), RunPaths.of(config)
    edited(paths.postprocess_json, cut_at_200)
    for stage in ("make_submission", "make_report"):
        with pytest.raises(StaleError, match=r"postprocess\.json.* damaged or replaced.*run `python src/tune_thr"):
            run_stages(config, stage)
    own = tmp_path / "own.json"
    shutil.copyfile(paths.postprocess_json, own)
    run_stages(config, "tune_thresholds")
    assert hashes(config) == before
    competition = open_competition(config.data)
    make_submission(config, competition, rules=own)
    assert "edited by hand, are used" in capsys.readouterr().out
    assert "edited by hand" in record_path(paths.submission("rle")).read_text()
    run_stages(config, "make_report")
    assert "made with rules edited by hand" in (paths.report / "index.html").read_text()
    run_stages(config, "make_submission", "make_report")
    assert hashes(config) == before and "by hand" not in (paths.report / "index.html").read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda values: values["ensemble_weights"].update(fold0=math.nan), r"ensemble_weights\.fold0"),
        (lambda values: values["ensemble_weights"].update(fold0=0.9), "ensemble_weights: .*sum must be 1"),
        (lambda values: values["ensemble_weights"].update(fold0=-0.5, fold1=1.5), "ensemble_weights: none may be neg"),
        (lambda values: values["ensemble_weights"].update(fold7=0.0), "ensemble_weights: of fold0, fold1, fold7"),
        (lambda values: values["ensemble_weights"].pop("fold0"), "ensemble_weights: of fold1, expected fold0, fold1"),
        (lambda values: values["scores"].update(tuned=math.inf), r"scores\.tuned"),
        (lambda values: values["classes"][1]["rule"].update(min_area_px=-1), r"classes\.1\.rule"),
        (lambda values: values["classes"].pop(), "it is for the classes"),
        (lambda values: values["checkpoints"].update(fold0="abc"), r"other models than the trained ones \(fold0\)"),
        (lambda values: values.update(spam=1), "spam"),
    ],
)
def test_edited_rules_that_cannot_be_used_name_the_key(config, tmp_path, change, reason):
    edited(RunPaths.of(config).postprocess_json, change, tmp_path / "own.json")
    with pytest.raises(UsageError, match=rf"own\.json.*{reason}"):
        make_submission(config, open_competition(config.data), rules=tmp_path / "own.json")


def test_a_report_of_other_labels_than_those_tuned_on_is_refused(config, tmp_path):
    shutil.copytree(config.data.root, tmp_path / "data")
    data = config.data.model_copy(update={"root": str(tmp_path / "data")})
    config = config.model_copy(update={"data": data, "demo": None})
    labels = tmp_path / "data" / "train.csv"
    lines = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join(lines[:-1]))
    with pytest.raises(StaleError, match=r"labels changed; run `python src/tune_thresholds\.py --config configs/tiny"):
        run_stages(config, "make_report")


@pytest.mark.parametrize("name", ["tables/fold0.npz", "study.sqlite3", "postprocess.json.made.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "garbage"])
def test_damaged_by_products_of_tuning_are_made_again(config, capsys, name, how):
    before, paths = hashes(config), RunPaths.of(config)
    damaged = paths.oof / name
    if how == "flip":
        flip(damaged)
    elif how == "cut":
        os.truncate(damaged, damaged.stat().st_size // 2)
    else:
        damaged.write_bytes(b"[1, 2" * 50)
    paths.postprocess_json.unlink()
    run_stages(config, "tune_thresholds")
    assert hashes(config) == before
    printed = capsys.readouterr().out
    assert name.endswith("made.json") or f"{name} will be recomputed: " in printed


def test_damaged_and_exchanged_shards_are_made_again(config, capsys):
    before, paths = hashes(config), RunPaths.of(config)
    first, second = sorted(paths.submission_shards.glob("*.parquet"))
    paths.submission("rle").unlink()
    flip(first)
    run_stages(config, "make_submission")
    assert hashes(config) == before
    paths.submission("rle").unlink()
    for path in (first, record_path(first)):
        shutil.copyfile(path.with_name(path.name.replace(first.name, second.name)), path)
    run_stages(config, "make_submission")
    assert hashes(config) == before
