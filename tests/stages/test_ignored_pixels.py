"""A competition in which half of the objects are not labelled, from its files to the rules and the label audit."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.audit.labels.ranking import FINE
from maskfold.config import MaskFoldersData, TuningConfig
from maskfold.data.opening import open_competition
from maskfold.oof.store import iter_oof
from maskfold.pixels.metrics import dice
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.stages.audit_labels import audit_labels
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models, training_provenance
from maskfold.stages.tune_thresholds import tune
from support.trainings import config_of

IMAGES = 12
SIZE = (64, 96)


def discs(number):
    """(labelled, not labelled): two bright discs of one image, alike but for the label."""
    masks = np.zeros((2, *SIZE), np.uint8)
    cv2.circle(masks[number % 2], (24, 20 + 2 * number), 9, 1, -1)
    cv2.circle(masks[1 - number % 2], (72, 44 - 2 * number), 9, 1, -1)
    return masks


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Photos with two bright discs, of which the mask shows one as 1 and the other as 255."""
    root = tmp_path_factory.mktemp("halves")
    for folder in ("train", "train_mask"):
        (root / folder).mkdir()
    for number in range(IMAGES):
        labelled, unknown = discs(number)
        photo = np.random.default_rng(number).integers(60, 90, (*SIZE, 3), dtype=np.uint8)
        photo[(labelled | unknown) > 0] += 120
        cv2.imwrite(str(root / f"train/{number}.png"), photo)
        cv2.imwrite(str(root / f"train_mask/{number}.png"), labelled + 255 * unknown)
    return root


def run(root, name, **labels):
    """Trained models, their OOF, the competition and the config; labels: how the masks are read."""
    data = MaskFoldersData(root=str(root), test_images=None, labels="class_index", **labels)
    config = config_of(root / "out", name, epochs=10, crop_size=SIZE, learning_rate=3e-3).model_copy(
        update={"data": data, "tuning": TuningConfig(trials=2, bootstrap_samples=100)}
    )
    competition = open_competition(config.data)
    make_folds(config, competition)
    train_models(config, competition)
    predict_oof(config, competition)
    return config, competition


def oof_of(config):
    """image_id -> (H, W) uint8 probabilities."""
    paths = RunPaths.of(config)
    return {image.image_id: image.prob[0] for fold in range(2) for image in iter_oof(paths.oof_parquet(fold))}


@pytest.fixture(scope="module")
def runs(root):
    """The same files with the value 255 ignored, and with it as background."""
    return run(root, "ignored", ignore_value=255), run(root, "background", background_values=(0, 255))


def test_objects_without_labels_are_found_only_where_they_are_ignored(runs):
    found = []
    for config, _ in runs:
        prob = oof_of(config)
        found.append(np.mean([prob[str(number)][discs(number)[1] > 0].mean() / 255 for number in range(IMAGES)]))
    print(f"mean probability of the objects without labels: ignored {found[0]:.3f}, as background {found[1]:.3f}")
    assert found[0] > found[1] + 0.1


def test_scores_are_those_of_labelled_pixels_and_the_audit_finds_nothing_missing(runs):
    config, competition = runs[0]
    tune(config, competition)
    table = pd.read_csv(RunPaths.of(config).image_scores_csv, dtype={"image_id": str}).set_index("image_id")
    prob = oof_of(config)
    inside_ignored = 0
    for number in range(IMAGES):
        labelled, unknown = discs(number)
        mask = apply_rule(prob[str(number)], DEFAULT_RULE)
        counted = mask[unknown == 0]
        inside_ignored += int(mask.sum()) - int(counted.sum())
        row = table.loc[str(number)]
        assert (row["true_area"], row["default_area"]) == (labelled.sum(), counted.sum())
        expected = dice(int((counted & labelled[unknown == 0]).sum()), int(counted.sum()), int(labelled.sum()))
        assert row["default_score"] == pytest.approx(float(expected), rel=1e-8)
    assert inside_ignored > 100
    audit_labels(config, competition, pictures=4)
    labels = pd.read_csv(RunPaths.of(config).label_audit / "labels.csv", dtype={"image_id": str})
    assert (labels["pile"] == FINE).all()  # though half of what is predicted has no label
    assert (labels["true_px"] == [discs(int(name))[0].sum() for name in labels["image_id"]]).all()


def test_a_change_of_what_is_ignored_makes_models_and_rules_stale(root, runs):
    (config, competition), (background, _) = runs
    model = RunPaths.of(config).model(0)
    assert training_provenance(config, competition, 0).staleness(model) == []
    other = open_competition(background.data)
    reasons = training_provenance(config, other, 0).staleness(model)
    assert "ignored pixels changed" in reasons and "the reading of the labels changed" in reasons
