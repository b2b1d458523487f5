"""The tuning stage on a tiny competition with OOF predictions made up by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.errors import DataError, StaleError
from maskfold.oof.store import OofWriter
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, ExpectedRule
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.tune_thresholds import tune
from maskfold.tuning.bootstrap import gain_interval


@pytest.fixture
def config(tmp_path):
    return Experiment.model_validate(
        {
            "name": "tiny",
            "output_root": str(tmp_path / "out"),
            "data": {"format": "rle_csv", "root": "unused", "class_names": ("bright", "dark")},
            "folds": {"count": 3},
            "tuning": {"trials": 4, "bootstrap_samples": 100},
        }
    )


def noisy_prob(truth, rng):
    """Truth at 110/255 with speckle at 200/255: the default misses everything and believes the speckle."""
    prob = truth * np.uint8(110)
    speckle = rng.random(truth.shape) < 0.002
    return np.where(speckle, np.uint8(200), prob)


def write_oof(config, competition, change=lambda image_id, fold, prob: (image_id, fold, prob)):
    paths = RunPaths.of(config)
    rng = np.random.default_rng(1)
    images = competition.train["image_id"].tolist()
    for fold in range(config.folds.count):
        with OofWriter(paths.oof_parquet(fold), 2, {"checkpoint": f"hash{fold}", "tta": "hflip,vflip"}) as writer:
            for image_id in images[4 * fold : 4 * fold + 4]:
                prob = noisy_prob(competition.masks(image_id), rng)
                writer.write(*change(image_id, fold, prob))


def test_tunes_and_skips_when_fresh(config, tiny_competition, capsys):
    write_oof(config, tiny_competition)
    artefact = tune(config, tiny_competition)
    assert artefact.tta == ("hflip", "vflip")
    assert artefact.checkpoints == {"fold0": "hash0", "fold1": "hash1", "fold2": "hash2"}
    assert sum(artefact.ensemble_weights.values()) == pytest.approx(1)
    for entry in artefact.classes:
        assert entry.adopted and entry.rule == entry.tuned_rule
        assert entry.scores.tuned > 0.95 > entry.scores.all_empty > entry.scores.default
    paths = RunPaths.of(config)
    assert TunedArtefact.read(paths.postprocess_json) == artefact
    before = paths.postprocess_json.read_bytes()
    capsys.readouterr()
    assert tune(config, tiny_competition) == artefact
    assert "up to date, skipped" in capsys.readouterr().out
    assert paths.postprocess_json.read_bytes() == before


def test_scores_are_those_of_the_rules(config, tiny_competition):
    write_oof(config, tiny_competition)
    artefact = tune(config, tiny_competition)
    rng = np.random.default_rng(1)
    areas = {"default": [], "tuned": []}
    images = tiny_competition.train["image_id"].tolist()
    for fold in range(3):
        for image_id in images[4 * fold : 4 * fold + 4]:
            truth = tiny_competition.masks(image_id)
            prob = noisy_prob(truth, rng)
            areas["default"].append(mask_areas(apply_rule(prob[0], DEFAULT_RULE), truth[0]))
            areas["tuned"].append(mask_areas(apply_rule(prob[0], artefact.classes[0].tuned_rule), truth[0]))
    for name, rows in areas.items():
        assert getattr(artefact.classes[0].scores, name) == class_score("dice", *np.array(rows).T)
    table = pd.read_csv(RunPaths.of(config).image_scores_csv)
    assert len(table) == 24
    assert table[table["class_name"] == "bright"]["adopted_score"].mean() == pytest.approx(
        artefact.classes[0].scores.tuned
    )


@pytest.mark.parametrize("rule", ["expected", "all"])
def test_cuts_for_each_image_are_tuned_and_read_back(config, tiny_competition, rule, capsys):
    write_oof(config, tiny_competition)
    fixed = tune(config, tiny_competition)
    config = config.model_copy(update={"tuning": config.tuning.model_copy(update={"rule": rule})})
    artefact = tune(config, tiny_competition)
    assert "tune_thresholds" in capsys.readouterr().out
    assert TunedArtefact.read(RunPaths.of(config).postprocess_json) == artefact
    for entry, other in zip(artefact.classes, fixed.classes, strict=True):
        if rule == "expected":
            assert isinstance(entry.tuned_rule, ExpectedRule)
        else:  # never clearly worse than the fixed rules, which find everything here
            assert entry.scores.honest >= other.scores.honest - 0.02
        assert entry.scores.tuned > entry.scores.default


def test_missing_fold_is_refused(config, tiny_competition):
    write_oof(config, tiny_competition)
    RunPaths.of(config).oof_parquet(1).unlink()
    with pytest.raises(StaleError, match=r"folds \[1\].*predict_oof"):
        tune(config, tiny_competition)


def wrong_size(image_id, fold, prob):
    return image_id, fold, prob[:, 1:] if image_id == "train4.png" else prob


def wrong_fold(image_id, fold, prob):
    return image_id, 0, prob


def twice(image_id, fold, prob):
    return ("train0.png" if image_id == "train4.png" else image_id), fold, prob[:, :40, :64]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wrong_size, "train4.png: probabilities of shape"),
        (wrong_fold, "rows say fold 0, but this is the file of fold 1"),
        (twice, r"train0.png is in the OOF of fold 0 and of fold 1"),
    ],
)
def test_unfit_oof_is_refused_and_nothing_written(config, tiny_competition, change, message):
    write_oof(config, tiny_competition, change)
    with pytest.raises(DataError, match=message):
        tune(config, tiny_competition)
    assert not RunPaths.of(config).postprocess_json.exists()


class OneClass:
    """The masks of another source, with the second class never shown."""

    def __init__(self, masks):
        self.masks = masks

    def __call__(self, image_id):
        truth = self.masks(image_id).copy()
        truth[1] = 0
        return truth


def test_masks_of_a_class_never_shown_stay_empty(config, tiny_competition):
    write_oof(config, tiny_competition)
    artefact = tune(config, replace(tiny_competition, masks=OneClass(tiny_competition.masks)))
    never = artefact.classes[1]
    assert not never.adopted and never.rule == EMPTY_RULE and "no image shows this class" in never.reason
    assert never.true_share == 0 and never.non_empty_dice.tuned is None


def test_groups_widen_the_interval():
    rng = np.random.default_rng(0)
    true_area = np.full(80, 100)
    default = np.stack([np.full(80, 50), np.full(80, 100), true_area], axis=1)
    tuned = default.copy()
    tuned[:, 0] += np.repeat(rng.integers(-20, 40, 8), 10)  # images of a group gain alike
    alone = gain_interval("dice", default, tuned, np.arange(80), 400, np.random.default_rng(1))
    grouped = gain_interval("dice", default, tuned, np.repeat(np.arange(8), 10), 400, np.random.default_rng(1))
    gain = class_score("dice", *tuned.T) - class_score("dice", *default.T)
    for interval in (alone, grouped):
        assert interval.low < gain < interval.high
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


def test_gates_are_tuned_and_finishes_recorded(config, tiny_competition):
    """The classifier knows which images show the class; speckle as large as the truth fools every area."""
    paths = RunPaths.of(config)
    images = tiny_competition.train["image_id"].tolist()
    for fold in range(3):
        with OofWriter(paths.oof_parquet(fold), 2) as writer:
            for image_id in images[4 * fold : 4 * fold + 4]:
                truth = tiny_competition.masks(image_id)
                prob = np.zeros_like(truth)
                prob[:, 10:30, 20:40] = 200  # everywhere the same square
                writer.write(image_id, fold, prob, truth.any(axis=(1, 2)).astype(np.float32) * 0.8)
    artefact = tune(config, tiny_competition)
    for entry in artefact.classes:
        assert entry.rule.gate is not None and entry.scores.honest == 1.0
        assert entry.scores.default < 0.5
    study = optuna.load_study(study_name="class bright", storage=f"sqlite:///{paths.study_sqlite}")
    assert study.best_value == 1.0
    assert sum(trial.user_attrs.get("how") == "applied to a sample" for trial in study.trials) == 4
