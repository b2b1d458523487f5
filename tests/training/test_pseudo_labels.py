"""Test images that a finished run labels for the next one: how sure, how many, and never validated on."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import LossConfig, PseudoLabelsConfig, load_config, parse_config
from maskfold.data.formats.rle_csv import RleMasks
from maskfold.errors import ConfigError, DataError, StaleError
from maskfold.folds.table import read_folds
from maskfold.inference.predict import Ensemble
from maskfold.network.model import load_model
from maskfold.oof.store import read_image_ids
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.training.checks import check_training
from maskfold.training.datamodule import FoldData
from maskfold.training.pseudo_labels import (
    PseudoLabels,
    SoftMaps,
    image_confidence,
    pseudo_label_settings,
    read_pseudo_labels,
)
from maskfold.training.samples.sampling import ANY_CLASS, PseudoRows, cap_pseudo
from support.random_run import write_weights


def test_confidence_by_hand():
    prob = np.zeros((2, 1, 4), np.uint8)
    prob[0, 0] = (255, 204, 51, 0)  # two pixels on: soft Dice 2 * 459 / (510 + 510)
    assert image_confidence(prob) == pytest.approx(2 * 459 / (510 + 510))
    prob[1, 0, 2] = 102  # nothing on, at most 0.4: sure to 0.6
    assert image_confidence(prob) == pytest.approx(0.6)
    assert image_confidence(prob, np.array([0.5, 0.1])) == pytest.approx(0.5)  # a class is there at 0.5 only
    assert image_confidence(prob, np.array([1.0, 0.7])) == pytest.approx(0.3)  # and this one is there at 0.7
    assert image_confidence(np.zeros((2, 1, 4), np.uint8)) == 1


def labels_of(confidence, shown, **config):
    images = pd.DataFrame({"image_id": [f"test/{k}" for k in range(len(shown))], "confidence": confidence})
    section = PseudoLabelsConfig.model_construct(**{"min_confidence": 0.5, "max_share": 0.5, **config})
    return PseudoLabels(images, np.array(shown, bool)[:, None], RleMasks({}, {}, 1, "column"), section)


def test_the_most_confident_join_within_the_share_of_each_kind():
    labels = labels_of([0.9, 0.6, 0.99, 0.98, 0.97, 0.4], [1, 1, 0, 0, 0, 1])
    half_shown = np.array([[1], [0], [1], [0]], bool)  # room for four, two of them shown
    assert labels.chosen(half_shown).images["image_id"].tolist() == ["test/0", "test/1", "test/2", "test/3"]
    assert labels_of([0.9, 0.6], [1, 1], min_confidence=0.7).chosen(half_shown).presence.tolist() == [[True]]
    few = labels_of([0.9] * 6, [1] * 6, max_share=0.25).chosen(np.ones((9, 1), bool))
    assert len(few.images) == 3  # of 12 together, a quarter
    assert labels_of([0.1], [1]).chosen(half_shown).presence.shape == (0, 1)


def test_draws_beyond_the_share_become_true_ones_of_their_kind():
    # Rows 0 to 3 have true labels: two show class 0, one shows class 1, one is empty. Rows 4 to 6 are pseudo-labelled.
    presence = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1], [0, 0]], bool)
    images = np.array([4, 4, 5, 6, 4, 5, 0, 6, 5, 4])
    targets = np.array([0, 0, 1, ANY_CLASS, 0, 1, 0, ANY_CLASS, ANY_CLASS, 0])
    found, wanted = cap_pseudo(images, targets, presence, PseudoRows(3, 0.3), np.random.default_rng(0))
    assert found[:3].tolist() == [4, 4, 5] and (found[3:] < 4).all()
    assert found[[3, 7]].tolist() == [3, 3]  # the one empty image
    assert found[5] == 2 and set(found[[4, 9]].tolist()) == {0, 1}
    assert wanted.tolist() == targets.tolist()
    same, _ = cap_pseudo(images, targets, presence, PseudoRows(3, 0.9), np.random.default_rng(0))
    assert same.tolist() == images.tolist()
    only_pseudo = presence.copy()
    only_pseudo[2] = False
    found, wanted = cap_pseudo(images, targets, only_pseudo, PseudoRows(3, 0.1), np.random.default_rng(0))
    assert (found[1:] < 4).all() and wanted[[2, 5]].tolist() == [ANY_CLASS, ANY_CLASS]


def values_of(root, name, **more):
    return {
        "name": name,
        "output_root": str(root),
        "data": {"format": "rle_csv", "root": "x", "class_names": ["bright", "dark"]},
        "folds": {"count": 2},
        "model": {
            "encoder": "tu-mobilenetv3_small_050",
            "encoder_weights": None,
            "decoder_channels": [32, 24, 16, 8, 8],
        },
        "train": {"epochs": 1, "batch_size": 4, "crop_size": [32, 64], "workers": 0, "accelerator": "cpu"},
        "inference": {"tta": []},
        **more,
    }


@pytest.fixture
def runs(tmp_path, tiny_competition):
    """A run of random networks on disk, as if it had been trained, and the config of one that learns from it."""
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "first.yaml").write_text(yaml.safe_dump(values_of(tmp_path, "first")))
    section = {"run": "first.yaml", "min_confidence": 0.0, "max_share": 0.4}
    (folder / "second.yaml").write_text(yaml.safe_dump(values_of(tmp_path, "second", pseudo_labels=section)))
    config = load_config(folder / "second.yaml")
    first = config.pseudo_labels.run
    table = pd.DataFrame({"image_id": tiny_competition.train["image_id"], "fold": np.arange(12) // 6})
    for run in (first, config):
        path = RunPaths.of(run).folds_csv
        path.parent.mkdir(exist_ok=True)
        table.to_csv(path, index=False)
    write_weights(first)
    paths = RunPaths.of(first)
    for fold in range(2):
        record_training(paths, fold)
    return config, first


def record_training(paths, fold):
    Provenance("train", {}, {"folds": file_hash(paths.folds_csv)}, part=f"fold{fold}").write(paths.model(fold))


def test_a_run_learns_from_another_and_says_so(runs, tiny_competition, capsys):
    config, first = runs
    seen = []
    make = FoldData.__init__

    def watched(self, *args, **kwargs):
        make(self, *args, **kwargs)
        seen.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FoldData, "__init__", watched)
        train_models(config, tiny_competition)
    paths, printed = RunPaths.of(config), capsys.readouterr().out
    for fold, data in enumerate(seen):
        assert (paths.pseudo_labels(fold)).is_file() and f"pseudo-labels of fold {fold} will be computed" in printed
        pseudo = data.pseudo
        assert 0 < len(pseudo.images) <= 4  # of 6 + 4 images, two fifths
        assert data.train_images["image_id"].tolist()[-len(pseudo.images) :] == pseudo.images["image_id"].tolist()
        assert not data.valid_images["image_id"].str.startswith("test/").any()
        for epoch in range(5):
            sampler = data._sampler(0, 1)
            sampler.set_epoch(epoch)
            drawn = [draw.image for draw in sampler]
            assert sum(image >= 6 for image in drawn) <= 0.4 * len(drawn)
        name, present = pseudo.images["image_id"].iloc[0], pseudo.presence[0]
        assert (data.dataset.masks(name).any(axis=(1, 2)) == present).all()
        assert data.dataset.masks("train0.png").tolist() == tiny_competition.masks("train0.png").tolist()
    tables = [pd.read_parquet(paths.pseudo_labels(fold)) for fold in range(2)]
    assert not tables[0].equals(tables[1]), "each fold is labelled by the source's model of that fold"
    assert set(tables[0]["image_id"]) == set(tiny_competition.test["image_id"])
    predict_oof(config, tiny_competition)
    found = {name for fold in range(2) for name in read_image_ids(paths.oof_parquet(fold))}
    assert found == set(tiny_competition.train["image_id"])
    capsys.readouterr()
    train_models(config, tiny_competition)
    assert capsys.readouterr().out.count("is up to date, skipped") == 2
    weights = torch.load(RunPaths.of(first).model(1), weights_only=True)
    bias = "network.segmentation_head.0.bias"
    torch.save({**weights, bias: weights[bias] + 1}, RunPaths.of(first).model(1))
    record_training(RunPaths.of(first), 1)
    train_models(config, tiny_competition)
    printed = capsys.readouterr().out
    assert "fold 0 is up to date" in printed and "fold 1 of 2 will be recomputed: model of first changed" in printed
    assert "pseudo-labels of fold 1 will be recomputed: model of first changed" in printed


def test_they_are_made_once_whoever_asks_at_the_same_time(runs, tiny_competition, capsys):
    config, _ = runs
    with ThreadPoolExecutor(3) as pool:
        found = list(
            pool.map(lambda fold: read_pseudo_labels(config, tiny_competition, fold, Step("train")), (1, 1, 1))
        )
    assert capsys.readouterr().out.count("pseudo-labels of fold 1 will be computed") == 1
    assert all(each.images.equals(found[0].images) for each in found)


@pytest.fixture
def soft_run(runs, tmp_path):
    folder = tmp_path / "configs"
    section = {"run": "first.yaml", "min_confidence": 0.0, "max_share": 0.4, "labels": "soft"}
    (folder / "second.yaml").write_text(yaml.safe_dump(values_of(tmp_path, "second", pseudo_labels=section)))
    return load_config(folder / "second.yaml"), runs[1]


def test_soft_labels_are_the_probabilities_of_the_model_of_the_fold(soft_run, tiny_competition, capsys):
    config, first = soft_run
    model = load_model(RunPaths.of(first).model(1), first.model, 2)
    predicted = {each.image_id: each.prob for each in Ensemble.of(first, [model]).predict_images(tiny_competition.test)}
    labels = read_pseudo_labels(config, tiny_competition, 1, Step("train"))
    assert len(np.unique(predicted["test0.png"])) > 2
    for image_id, prob in predicted.items():
        assert np.array_equal(labels.masks(f"test/{image_id}"), prob)
    assert (labels.masks("test/test0.png") >= 128).any(axis=(1, 2)).tolist() == labels.presence[0].tolist()
    data = FoldData(config, tiny_competition, read_folds(config, tiny_competition), 1, 0, pseudo=labels)
    assert data.dataset.soft
    added = data.pseudo.images["image_id"].iloc[0]
    assert np.array_equal(data.dataset.masks(added), predicted[added.removeprefix("test/")])
    assert np.array_equal(data.dataset.masks("train0.png"), 255 * tiny_competition.masks("train0.png"))
    # A folder that is gone is made again, and a damaged file in it is named.
    folder = RunPaths.of(config).pseudo_labels(1).with_suffix("")
    shutil.rmtree(folder)
    capsys.readouterr()
    labels = read_pseudo_labels(config, tiny_competition, 1, Step("train"))
    assert "fold1 does not exist" in capsys.readouterr().out
    (folder / "0/0-0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"0-0\.png: cannot be read; delete .*fold1, and it is made again"):
        labels.masks("test/test0.png")


def test_a_training_on_soft_labels(soft_run, tiny_competition):
    config, _ = soft_run
    train_models(config, tiny_competition, [0])
    assert RunPaths.of(config).model(0).is_file()
    lovasz = config.model_copy(
        update={"train": config.train.model_copy(update={"loss": LossConfig(lovasz=1.0)})}, deep=True
    )
    with pytest.raises(ConfigError, match=r"train\.loss\.lovasz: the pseudo-labels are soft masks"):
        check_training(lovasz, tiny_competition, None)
    check_training(config, replace(tiny_competition, exclusive=True), None)


def test_soft_and_hard_labels_are_different_settings(runs, soft_run):
    hard, soft = pseudo_label_settings(runs[0]), pseudo_label_settings(soft_run[0])
    assert "labels" not in hard["pseudo_labels"] and soft["pseudo_labels"]["labels"] == "soft"


def test_blank_maps_have_no_file(tmp_path):
    maps = SoftMaps(tmp_path, {"test/a": 1234}, {"test/a": (2, 3)}, 2)
    (tmp_path / "1").mkdir()
    cv2.imwrite(str(tmp_path / "1/1234-1.png"), np.array([[0, 7, 0], [255, 0, 1]], np.uint8))
    assert maps("test/a").tolist() == [[[0, 0, 0], [0, 0, 0]], [[0, 7, 0], [255, 0, 1]]]


def test_a_source_that_cannot_label_is_refused_with_what_to_run(runs, tiny_competition, tmp_path):
    config, first = runs
    paths = RunPaths.of(first)
    table = pd.read_csv(paths.folds_csv)
    table.assign(fold=1 - table["fold"]).to_csv(RunPaths.of(config).folds_csv, index=False)
    with pytest.raises(DataError, match=r"first has other folds.*copy .*first.csv to .*second.csv"):
        train_models(config, tiny_competition)
    for run in (first, config):
        table.assign(fold=1 - table["fold"]).to_csv(RunPaths.of(run).folds_csv, index=False)
    with pytest.raises(StaleError, match=r"folds \[0, 1\] were trained on other folds .*train.py --config .*first"):
        train_models(config, tiny_competition)
    paths.model(1).unlink()
    with pytest.raises(StaleError, match=r"not trained yet: fold1; run `python src/train.py --config .*first"):
        train_models(config, tiny_competition)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"name": "first"}, "has the name of this run"),
        ({"pseudo_labels": {"run": "firs.yaml"}}, "no such config file; did you mean .*first.yaml"),
        ({"pseudo_labels": {"run": "second.yaml"}}, "learn from its own predictions: second.yaml -> second.yaml"),
        ({"pseudo_labels": {"run": "third.yaml"}}, "second.yaml -> third.yaml -> second.yaml"),
        ({"folds": {"count": 3}}, "folds.count: 2, but this config has 3"),
        ({"pseudo_labels": {"run": "first.yaml", "max_share": 1.0}}, "pseudo_labels.max_share"),
        ({"pseudo_labels": {"run": "first.yaml", "min_confidense": 0.5}}, "did you mean pseudo_labels.min_confidence"),
    ],
)
def test_what_makes_no_sense_is_refused_at_load(runs, tmp_path, change, answer):
    folder = tmp_path / "configs"
    third = values_of(tmp_path, "third", pseudo_labels={"run": "second.yaml"})
    (folder / "third.yaml").write_text(yaml.safe_dump(third))
    values = yaml.safe_load((folder / "second.yaml").read_text())
    (folder / "second.yaml").write_text(yaml.safe_dump(values | change))
    with pytest.raises(ConfigError, match=answer):
        load_config(folder / "second.yaml")


def test_a_source_forgets_its_own_source(runs, tmp_path):
    folder = tmp_path / "configs"
    third = values_of(tmp_path, "third", pseudo_labels={"run": "second.yaml"})
    (folder / "third.yaml").write_text(yaml.safe_dump(third))
    config = load_config(folder / "third.yaml", ["output_root=elsewhere"])
    assert config.pseudo_labels.run.name == "second" and config.pseudo_labels.run.pseudo_labels is None
    assert config.pseudo_labels.run.output_root == "elsewhere"
    assert parse_config(config.model_dump_json()) == config
