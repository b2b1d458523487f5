"""Damage to the files of a finished run, as a user meets it: what is recomputed, what is refused, and what heals."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import record_path
from maskfold.errors import StaleError
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
