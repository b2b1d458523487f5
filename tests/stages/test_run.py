"""A run from Python: the same stages, files and errors as the scripts'."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import maskfold
from maskfold import Run
from maskfold.artefacts.files import file_hash
from maskfold.config import REPOSITORY
from maskfold.errors import ConfigError, DataError, StaleError, UsageError
from maskfold.rules.applying import apply_rules

SMALL = (
    *("demo.train_images=40", "demo.test_images=8", "demo.width=128", "model.encoder=tu-mobilenetv3_small_050"),
    *("model.decoder_channels=[32,24,16,8,8]", "train.epochs=2", "train.batch_size=8", "train.crop_size=[64,128]"),
    *("train.workers=0", "tuning.trials=3", "tuning.bootstrap_samples=100", "report.examples=2", "folds.count=2"),
)


def settings(folder):
    return ("name=small", f"output_root={folder}", f"data.root={folder}/data", *SMALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with all its stages done."""
    made = Run("configs/demo.yaml", *settings(tmp_path_factory.mktemp("run")))
    made.all_stages()
    return made


def test_the_stages_are_those_of_the_scripts(run, capfd):
    tuned = run.tune()
    assert tuned.scores.honest >= 0 and [each.class_name for each in tuned.classes] == ["1", "2", "3", "4"]
    folds = run.make_folds()
    assert len(folds) == 40 and set(folds["fold"]) == {0, 1}
    assert run.train() == [run.paths.model(0), run.paths.model(1)]
    submission = run.submit()
    assert len(pd.read_csv(submission)) == 8 * 4
    assert run.report().is_file()
    assert capfd.readouterr().out.count("up to date, skipped") >= 5
    before = file_hash(submission)
    command = [sys.executable, "src/make_submission.py", "--set", *settings(run.paths.root)]
    printed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    assert "is up to date, skipped" in printed and file_hash(submission) == before


def test_the_oof_and_the_truth_are_at_hand(run):
    images = list(run.oof())
    assert sorted(image.image_id for image in images) == sorted(run.competition.train["image_id"])
    assert run.competition.masks(images[0].image_id).shape == images[0].prob.shape


def test_images_in_memory_are_predicted_as_the_test_images_are(run):
    paths = run.competition.test["path"].tolist()
    by_path = list(run.predict(paths))
    assert [each.name for each in by_path] == paths
    arrays = [cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB) for path in paths]
    channels = run.config.in_channels
    by_array = list(run.predict(array[..., :channels] for array in arrays))
    for one, other in zip(by_path, by_array, strict=True):
        assert np.array_equal(one.prob, other.prob) and np.array_equal(one.masks, other.masks)
    rules = run.tune().rules
    assert np.array_equal(by_path[0].masks, apply_rules(by_path[0].prob, rules, by_path[0].class_prob))


@pytest.mark.parametrize("image", [np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3), np.float32)])
def test_arrays_of_another_kind_are_refused(run, image):
    with pytest.raises(UsageError, match=r"image 0: expected \(H, W, \d\) uint8, found \(32, 32"):
        list(run.predict([image]))


def test_an_image_that_cannot_be_read_is_named(run, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        list(run.predict([path]))


def test_errors_are_those_of_the_scripts(tmp_path):
    with pytest.raises(ConfigError, match="did you mean"):
        Run("configs/demo.yaml", "train.epoch=3")
    fresh = Run(Path(REPOSITORY, "configs/demo.yaml"), *settings(tmp_path))
    fresh.make_demo_data()
    with pytest.raises(StaleError, match=r"make_folds\.py"):
        fresh.train()
    with pytest.raises(StaleError):
        list(fresh.predict([]))


def test_the_package_offers_nothing_else():
    assert maskfold.__all__ == ["Run", "__version__"]
    with pytest.raises(AttributeError, match="Runn"):
        _ = maskfold.Runn
