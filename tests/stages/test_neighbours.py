"""2.5D through every stage: folds by clip, training, OOF, rules, submission, report, photos and a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.blending.ensemble import trained_ensemble
from maskfold.data.opening import open_competition
from maskfold.errors import UsageError
from maskfold.export.offline_config import offline_config
from maskfold.media.neighbours import PhotoReader
from maskfold.media.pipeline import predicted
from maskfold.media.predictor import Predictor
from maskfold.media.request import Request
from maskfold.rules.rules import ComponentRule
from maskfold.stages.export_bundle import export_bundle
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_report import make_report
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.submit_offline import submit_test_images
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune
from maskfold.submission.usable_rules import checked_artefact
from support.frames import clips_config, write_clips
from support.random_run import write_rules


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    write_clips(root / "data")
    config = clips_config(root, inference={"tta": ("hflip",), "tile_size": (64, 64), "tile_overlap": 16})
    competition = open_competition(config.data, config.in_channels)
    for stage in (make_folds, train_models, predict_oof, tune, make_submission, make_report):
        stage(config, competition)
    return config, competition


def photo_maps(config, files):
    """The probabilities of files, each with its neighbours from its folder."""
    predictor = Predictor(config, checked_artefact(config), Request(()))
    reader = PhotoReader(config, predictor.channels)
    return [found.prob for _, found in predicted(map(reader, map(Path, files)), predictor)]


def test_a_clip_is_in_one_fold(run):
    folds = pd.read_csv(RunPaths.of(run[0]).folds_csv, dtype={"image_id": str})
    assert folds.groupby(folds["image_id"].str[0])["fold"].nunique().tolist() == [1] * 4


def test_nothing_is_due_twice_but_after_another_step_of_neighbours(run, capsys):
    config, competition = run
    capsys.readouterr()
    train_models(config, competition)
    predict_oof(config, competition)
    assert "training" not in capsys.readouterr().out
    other = config.model.neighbours.model_copy(update={"step": 2})
    changed = config.model_copy(update={"model": config.model.model_copy(update={"neighbours": other})})
    make_folds(changed, competition)
    assert "made" not in capsys.readouterr().out, "folds do not depend on what the network sees"
    with pytest.raises(Exception, match=r"model.neighbours"):
        make_submission(changed, competition)


def test_photos_are_predicted_as_test_images_are(run):
    """The same probabilities, whether the images come from the competition's table or as files of the folder."""
    config, competition = run
    ensemble = trained_ensemble(config, checked_artefact(config).ensemble_weights)
    predictions = {each.image_id: each.prob for each in ensemble.predict_images(competition.test)}
    maps = photo_maps(config, competition.test["path"])
    for image_id, prob in zip(competition.test["image_id"], maps, strict=True):
        assert len(np.unique(prob)) > 5
        assert np.abs(predictions[image_id].astype(int) - prob).max() <= 1  # batches of other sizes


def test_a_bundle_gives_the_same_submission(run, tmp_path):
    config, competition = run
    [prob] = photo_maps(config, competition.test["path"][:1])
    write_rules(config, [ComponentRule(threshold=int(np.median(prob)), min_area_px=1)])
    make_submission(config, competition)
    assert RunPaths.of(config).submission("image").read_text().count(" ") > 50, "the masks show something"
    bundle = export_bundle(config, tmp_path / "bundle")
    out = tmp_path / "out.csv"
    submit_test_images(bundle, tmp_path / config.data.root / "test", None, out)
    assert out.read_bytes() == RunPaths.of(config).submission("image").read_bytes()


def test_a_csv_of_volumes_cannot_travel(run):
    config = run[0]
    data = config.data.model_copy(update={"volumes": config.data.volumes.model_copy(update={"name": None, "csv": "v"})})
    with pytest.raises(UsageError, match=r"data\.volumes\.csv names the neighbours of known images alone"):
        offline_config(config.model_copy(update={"data": data}), "stored")
    alone = config.model.model_copy(update={"neighbours": None})
    assert offline_config(config.model_copy(update={"data": data, "model": alone}), "stored").data.volumes is None
