"""What a submission refuses before any prediction; the answer that is there stays."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance, record_path
from maskfold.blending.ensemble import trained_ensemble
from maskfold.config import Experiment, SubmissionConfig
from maskfold.data.opening import open_competition
from maskfold.errors import DataError, StaleError
from maskfold.stages import make_submission as final_prediction
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_submission import make_submission
from maskfold.submission.writing import SubmissionRow
from support.bundled_run import RULES, write_run
from support.random_run import write_rules, write_weights

TUNE = "python src/tune_thresholds.py --config configs/tiny.yaml"


@pytest.fixture
def run(tmp_path):
    """Random networks with rules as if they had been trained and tuned, and an old answer."""
    config = write_run(tmp_path)
    paths = RunPaths.of(config)
    paths.submission("image").parent.mkdir()
    paths.submission("image").write_text("old")
    return config, paths


def replaced(paths, old, new):
    text = paths.postprocess_json.read_text()
    assert old in text
    written(paths, text.replace(old, new, 1))


def written(paths, text):
    """postprocess.json with this text, as if it had been tuned so."""
    paths.postprocess_json.write_text(text)
    Provenance("rules", {}).write(paths.postprocess_json)


def other_weights(paths):
    torch.save({"w": torch.zeros(1)}, paths.model(1))


@pytest.mark.parametrize(
    ("harm", "answer"),
    [
        (lambda paths: paths.postprocess_json.unlink(), f"not there yet; run `{TUNE}`"),
        (lambda paths: paths.postprocess_json.write_text("{}"), f"damaged or replaced; run `{TUNE}`.*--rules FILE"),
        (lambda paths: record_path(paths.postprocess_json).unlink(), f"no readable record .*; run `{TUNE}`"),
        (lambda paths: written(paths, '{"name": "tiny"'), f"no usable tuned rules .*EOF.*`{TUNE}`"),
        (lambda paths: replaced(paths, '"threshold": 126', '"threshold": 300'), f"classes.0.rule.*255.*`{TUNE}`"),
        (lambda paths: replaced(paths, '"class_name": "4"', '"class_name": "5"'), "is for the classes .*'5'.*`" + TUNE),
        (lambda paths: paths.model(1).unlink(), r"not trained yet: fold1; run `python src/train.py"),
        (other_weights, r"tuned on other models than the trained ones \(fold1\); run `python src/predict_oof.py"),
    ],
    ids=[
        "missing",
        "edited",
        "no record",
        "cut off",
        "impossible",
        "other classes",
        "missing fold",
        "other checkpoint",
    ],
)
def test_rules_and_models_that_do_not_belong_together(run, harm, answer):
    config, paths = run
    harm(paths)
    with pytest.raises(StaleError, match=answer):
        make_submission(config, open_competition(config.data, config.model.in_channels))
    assert paths.submission("image").read_text() == "old"


def test_a_checkpoint_of_another_network(run):
    config, paths = run
    other_weights(paths)
    write_rules(config, RULES)
    with pytest.raises(StaleError, match=r"fold1/model.pt: not the weights of this config's network .*train.py"):
        make_submission(config, open_competition(config.data, config.model.in_channels))
    assert paths.submission("image").read_text() == "old"


def test_a_sample_file_of_classes_that_the_model_does_not_know(run):
    config, paths = run
    sample = paths.root / "data" / "sample_submission.csv"
    rows = pd.read_csv(sample, dtype=str, keep_default_na=False)
    rows.loc[5, "ClassId"] = "7"
    rows.to_csv(sample, index=False)
    with pytest.raises(DataError, match=r"sample_submission\.csv, row 7: unknown class '7'"):
        open_competition(config.data, config.model.in_channels)
    assert paths.submission("image").read_text() == "old"


def five_pixels(images):
    """The first five pixels of every image and class."""
    return [SubmissionRow(image_id, index, "1 5", 0.5) for image_id in images["image_id"] for index in range(4)]


def test_only_what_the_answers_depend_on_is_predicted_anew(run, monkeypatch):
    config, paths = run
    predicted = []

    def answers(_config, _tuned, images, title, _digests, _after):
        predicted.append(title)
        return five_pixels(images)

    monkeypatch.setattr(final_prediction, "predict_rows", answers)

    def made(section, **values):
        predicted.clear()
        changed = config.model_copy(
            update={section: getattr(config, section).model_copy(update=values)} if section else {}
        )
        make_submission(changed, open_competition(changed.data, changed.model.in_channels))
        return len(predicted)

    assert made(None) == 3
    paths.submission("image").unlink()
    assert made(None) == 0
    assert made("submission", empty_token="-1") == 0
    sample = paths.root / "data" / "sample_submission.csv"
    header, *rows = sample.read_text().splitlines()
    sample.write_text("\n".join([header, *rows[::-1]]) + "\n")
    assert made(None) == 0
    assert paths.submission("image").read_text().splitlines()[1] == rows[-1] + "1 5"
    assert made("submission", order="row") == 3
    # Shards of another size hold other images, though they bear the same names.
    paths.submission("image").unlink()
    assert made("inference", shard_images=7) == 2
    assert len(paths.submission("image").read_text().splitlines()) == 1 + 4 * 12


def test_weights_that_change_within_a_process_are_loaded_again(run):
    config, _ = run
    image = open_competition(config.data, config.model.in_channels).test.iloc[:1]
    weights = dict.fromkeys(("fold0", "fold1"), 0.5)
    before, again = (next(trained_ensemble(config, weights).predict_images(image)).prob for _ in range(2))
    assert np.array_equal(before, again)
    write_weights(config, seed=7)
    assert not np.array_equal(before, next(trained_ensemble(config, weights).predict_images(image)).prob)


def test_a_disk_that_fills_while_the_answer_is_written(run, monkeypatch):
    config, paths = run
    competition = open_competition(config.data, config.model.in_channels)
    monkeypatch.setattr(final_prediction, "predict_rows", lambda _c, _t, images, *_: five_pixels(images))
    sync = os.fsync

    def full(descriptor):
        if ".csv" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            make_submission(config, competition)
    assert [path.name for path in paths.submission("image").parent.iterdir()] == ["tiny.csv"]
    assert paths.submission("image").read_text() == "old"
    make_submission(config, competition)
    assert len(paths.submission("image").read_text().splitlines()) == 1 + 4 * 12


def test_folds_warn_of_a_submission_that_cannot_be_written(tiny_competition, tmp_path, capsys):
    config = Experiment(
        name="early",
        output_root=str(tmp_path),
        data={"format": "rle_csv", "root": "x", "class_names": ("bright", "dark")},
        folds={"count": 2},
        submission={"layout": "image"},
    )
    make_folds(config, tiny_competition)
    told = (
        "warning: no submission can be written with this config yet: submission.layout image has no room for 2 classes"
    )
    assert told in capsys.readouterr().out
    make_folds(config.model_copy(update={"submission": SubmissionConfig()}), tiny_competition)
    assert "no submission" not in capsys.readouterr().out
