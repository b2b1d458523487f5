"""The tuning stage on a tiny competition with OOF predictions made up by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from maskfold.config import Config
from maskfold.data.competition import DataError
from maskfold.metrics import class_score, mask_areas
from maskfold.oof import OofWriter
from maskfold.paths import RunPaths
from maskfold.postprocess import DEFAULT_RULE, TunedArtefact, apply_rule
from maskfold.provenance import StaleError
from maskfold.tuning import tune


@pytest.fixture
def config(tmp_path):
    return Config.model_validate(
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
            for image_id in images[fold :: config.folds.count]:
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
    assert "fresh, skipped" in capsys.readouterr().out
    assert paths.postprocess_json.read_bytes() == before


def test_scores_are_those_of_the_rules(config, tiny_competition):
    write_oof(config, tiny_competition)
    artefact = tune(config, tiny_competition)
    rng = np.random.default_rng(1)
    areas = {"default": [], "tuned": []}
    images = tiny_competition.train["image_id"].tolist()
    for fold in range(3):
        for image_id in images[fold::3]:
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
