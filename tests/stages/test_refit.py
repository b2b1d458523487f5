"""Models trained on all labelled images predict the test images; the OOF, and what is tuned on it, stay the folds'."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths
from maskfold.blending.ensemble import trained_ensemble
from maskfold.config import Experiment, RefitConfig
from maskfold.data.opening import open_competition
from maskfold.errors import StaleError, UsageError
from maskfold.network.trained import equal_weights, model_hashes
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_submission import make_submission
from maskfold.stages.train import models_asked_for, train_models
from maskfold.submission.usable_rules import checked_artefact
from maskfold.training.sample_grid import draw_samples
from support.bundled_run import RULES, write_run
from support.random_run import write_rules, write_weights
from support.trainings import config_of


def test_a_refit_sees_every_image_and_its_models_differ(tmp_path, tiny_competition, capsys):
    config = config_of(tmp_path, refit=RefitConfig(models=2, epochs=1), epochs=2)
    make_folds(config, tiny_competition)
    train_models(config, tiny_competition, config.refit_numbers)
    run = RunPaths.of(config).run
    assert sorted(path.name for path in run.iterdir() if path.is_dir()) == ["refit0", "refit1"]
    first, second = (torch.load(run / name / "model.pt", weights_only=True) for name in ("refit0", "refit1"))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    history = pd.read_csv(run / "refit0" / "history.csv")
    assert len(history) == 1 and history["valid_metric"].isna().all()
    capsys.readouterr()
    train_models(config, tiny_competition, config.refit_numbers)
    assert capsys.readouterr().out.count("is up to date, skipped") == 2


def test_a_refit_draws_from_the_images_of_all_folds(tmp_path, tiny_competition, monkeypatch):
    seen = []

    def counted(samples, *more):
        seen.append(len(samples))
        draw_samples(samples, *more)

    monkeypatch.setattr("maskfold.training.fit.draw_samples", counted)
    config = config_of(tmp_path, refit=RefitConfig(epochs=1), epochs=1)
    make_folds(config, tiny_competition)
    train_models(config, tiny_competition, [0, 2])
    assert seen == [6, 12]


def test_a_new_number_of_refit_models_keeps_those_that_are_trained(tmp_path, tiny_competition, capsys):
    config = config_of(tmp_path, refit=RefitConfig(epochs=1), epochs=1)
    make_folds(config, tiny_competition)
    train_models(config, tiny_competition, config.refit_numbers)
    more = config.model_copy(update={"refit": RefitConfig(epochs=1, models=2)})
    capsys.readouterr()
    train_models(more, tiny_competition, more.refit_numbers)
    printed = capsys.readouterr().out
    assert "refit 0 is up to date" in printed and "refit 1 of 2 will be computed" in printed


@pytest.fixture
def refitted(tmp_path):
    """A run with two fold models and a refit, of random weights."""
    config = write_run(tmp_path)
    config = config.model_copy(update={"refit": RefitConfig()})
    write_weights(config)
    write_rules(config, RULES)
    return config


def test_test_images_are_predicted_by_the_refit_alone(refitted):
    images = open_competition(refitted.data, 3).readable_test.head(3)
    paths = RunPaths.of(refitted)
    weights = equal_weights(refitted)

    def predicted(config, chosen=None):
        return {p.image_id: p.prob for p in trained_ensemble(config, weights, chosen).predict_images(images)}

    with_refit, chosen = predicted(refitted), predicted(refitted, [0])
    paths.model(0).write_bytes(paths.model(2).read_bytes())  # fold 0 becomes what the refit is
    as_fold = predicted(refitted.model_copy(update={"refit": None}), [0])
    for name, prob in with_refit.items():
        assert np.array_equal(prob, as_fold[name])
    assert any(not np.array_equal(with_refit[name], prob) for name, prob in chosen.items())


def test_the_submission_knows_the_refit_and_the_rules_only_the_folds(refitted, capsys):
    competition, paths = open_competition(refitted.data, 3), RunPaths.of(refitted)
    without = refitted.model_copy(update={"refit": None})
    make_submission(without, competition)
    before = paths.submission("image_class").read_bytes()
    make_submission(refitted, competition)
    assert "will be recomputed" in capsys.readouterr().out
    assert paths.submission("image_class").read_bytes() != before
    assert set(checked_artefact(refitted).checkpoints) == set(model_hashes(refitted)) == {"fold0", "fold1"}
    record = json.loads(paths.submission("image_class").with_name("tiny.csv.made.json").read_text())
    assert {"fold0", "fold1", "refit0"} <= set(record["inputs"])


def test_a_refit_that_is_not_trained_is_named_with_the_command(refitted):
    RunPaths.of(refitted).model(2).unlink()
    with pytest.raises(StaleError, match=r"refit0.*python src/train.py --config configs/tiny.yaml"):
        make_submission(refitted, open_competition(refitted.data, 3))


def test_what_the_command_line_asks_for(tmp_path):
    plain, refit = config_of(tmp_path), config_of(tmp_path, refit=RefitConfig(models=2))
    assert models_asked_for(plain, None, False) is None
    assert models_asked_for(plain, 1, False) == [1]
    assert models_asked_for(refit, None, True) == [2, 3]
    with pytest.raises(UsageError, match="--fold 2: the config has folds 0 to 1"):
        models_asked_for(refit, 2, False)
    with pytest.raises(UsageError, match="has no section refit"):
        models_asked_for(plain, None, True)


def test_a_refit_does_not_learn_pseudo_labels(tmp_path):
    config = config_of(tmp_path, refit=RefitConfig())
    tree = config.model_dump() | {"pseudo_labels": {"run": config_of(tmp_path, name="y").model_dump()}}
    with pytest.raises(ValidationError, match="refit: not together with pseudo_labels"):
        Experiment.model_validate(tree)


def test_a_refit_can_start_from_the_weights_of_fold_0(tmp_path, tiny_competition):
    refit = RefitConfig(epochs=1, start="fold0")
    config = config_of(tmp_path, refit=refit, epochs=1, learning_rate=1e-12, ema_decay=None, weight_decay=0)
    make_folds(config, tiny_competition)
    with pytest.raises(StaleError, match="the refit starts from it"):
        train_models(config, tiny_competition, [2])
    train_models(config, tiny_competition, [0, 2])
    fold, refitted = (torch.load(RunPaths.of(config).model(number), weights_only=True) for number in (0, 2))
    trained = [name for name in fold if name.endswith("weight")]
    assert trained and all(torch.allclose(fold[name], refitted[name], atol=1e-6) for name in trained)
    record = json.loads((tmp_path / "runs" / "x" / "refit0" / "model.pt.made.json").read_text())
    assert record["inputs"]["weights of fold 0"] == file_hash(RunPaths.of(config).model(0))
    assert "folds" not in record["inputs"]
