"""Exclusive classes from label maps to a label map: trained for two epochs, tuned by mIoU, and submitted."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import MaskFoldersData, SubmissionConfig, TuningConfig
from maskfold.data.opening import open_competition
from maskfold.errors import StaleError
from maskfold.oof.store import iter_oof
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.rules.applying import apply_rules
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_report import make_report
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune
from maskfold.submission.checking import check_submission
from maskfold.submission.form import submission_form
from maskfold.submission.writing import read_submission
from support.trainings import config_of

CLASSES = ("water", "field", "wood")
SIZE = (64, 96)


def scene(number):
    """(photo, label map): three areas of one brightness each, between them background and ignored pixels."""
    plane = np.zeros(SIZE, np.uint8)
    for index in range(3):
        left = 2 + 32 * ((index + number) % 3)
        plane[4 + number : 40 + number, left : left + 24 + index] = index + 1
    photo = np.random.default_rng(number).integers(0, 30, (*SIZE, 3), dtype=np.uint8)
    photo += (60 * plane)[..., None]
    plane[:2] = 255
    return photo, plane


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run from folds to the submission of label maps."""
    root = tmp_path_factory.mktemp("land")
    for folder in ("train", "train_mask", "test"):
        (root / folder).mkdir()
    for number in range(8):
        photo, plane = scene(number)
        cv2.imwrite(str(root / f"train/{number}.png"), photo)
        cv2.imwrite(str(root / f"train_mask/{number}.png"), plane)
        cv2.imwrite(str(root / f"test/t{number}.png"), scene(number + 8)[0])
    data = MaskFoldersData(
        root=str(root),
        class_names=CLASSES,
        labels="class_index",
        ignore_value=255,
        exclusive=True,
        orientation="stored",
    )
    config = config_of(root / "out", "land", epochs=2, crop_size=SIZE, learning_rate=3e-3).model_copy(
        update={
            "data": data,
            "tuning": TuningConfig(metric="miou", trials=0, bootstrap_samples=100),
            "submission": SubmissionConfig(layout="label_map"),
        }
    )
    competition = open_competition(data)
    for stage in (make_folds, train_models, predict_oof, tune, make_submission):
        stage(config, competition)
    return config, competition


def oof_of(config):
    return [image for fold in range(2) for image in iter_oof(RunPaths.of(config).oof_parquet(fold))]


def test_the_probabilities_of_a_pixel_sum_to_at_most_one(run):
    sums = np.concatenate([image.prob.sum(axis=0, dtype=int).ravel() for image in oof_of(run[0])])
    assert sums.max() <= 255 + len(CLASSES) / 2  # each is rounded
    assert np.median(sums) > 128  # of the sigmoid untrained ones would be far above


def test_the_tuned_scores_are_those_of_the_masks_which_never_overlap(run):
    config, competition = run
    tuned = TunedArtefact.read(RunPaths.of(config).postprocess_json)
    rules, areas = [entry.tuned_rule for entry in tuned.classes], []
    for image in oof_of(config):
        masks = apply_rules(image.prob, rules, None, exclusive=True)
        assert masks.sum(axis=0).max() <= 1
        pairs = zip(masks, competition.masks(image.image_id), strict=True)
        areas.append([mask_areas(*pair, competition.ignored_in(image.image_id)) for pair in pairs])
    for index, entry in enumerate(tuned.classes):
        score = class_score("miou", *np.array(areas)[:, index].T)
        assert entry.scores.tuned == pytest.approx(score, abs=1e-12)
        assert not entry.tuned_rule.fill_holes


def test_the_label_maps_and_run_lengths_of_the_same_rules_agree(run):
    config, competition = run
    folder = RunPaths.of(config).submission("label_map")
    assert check_submission(config, competition, folder)
    maps = read_submission(folder, submission_form(competition, config.submission))
    as_csv = config.model_copy(update={"submission": SubmissionConfig()})
    make_submission(as_csv, competition)
    rows = read_submission(RunPaths.of(config).submission("image"), submission_form(competition, as_csv.submission))
    assert any(maps.runs.values())
    assert dict(maps.runs) == dict(rows.runs)


def test_the_report_of_a_pooled_metric_has_no_interval_of_honest_rules(run):
    """Of which no areas of single images are kept."""
    config, competition = run
    make_report(config, competition)
    assert "honest, rules in use" in (RunPaths.of(config).report / "index.html").read_text()


def test_weights_of_other_classes_are_refused(run):
    config, competition = run
    other = config.model_copy(update={"data": config.data.model_copy(update={"exclusive": False})})
    with pytest.raises(StaleError, match=r"with another data\.exclusive than false; run `python src/train\.py"):
        predict_oof(other, competition)
