"""Kinds of folds: which model sees which image, whose mean an OOF map is, and what each kind refuses."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import record_path
from maskfold.config import (
    REPOSITORY,
    Experiment,
    FoldsConfig,
    load_config,
)
from maskfold.errors import ConfigError, DataError, StaleError
from maskfold.folds.splitting import cut_folds
from maskfold.folds.table import check_folds, read_folds
from maskfold.folds.visibility import models_of, scored_competition, seen_by
from maskfold.network.model import Outputs
from maskfold.network.trained import equal_weights, model_hashes
from maskfold.oof.store import iter_oof, read_image_ids, read_metadata
from maskfold.stages.export_bundle import export_bundle
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune
from maskfold.submission.usable_rules import checked_artefact
from maskfold.training.summary import fold_summary


def config_of(root, **folds):
    return Experiment.model_validate(
        {
            "name": "tiny",
            "output_root": str(root / "out"),
            "data": {"format": "rle_csv", "root": "unused", "class_names": ("bright", "dark")},
            "folds": {"count": 2} | folds,
            "model": {
                "encoder": "tu-mobilenetv3_small_050",
                "encoder_weights": None,
                "decoder_channels": (32, 24, 16, 8, 8),
                "in_channels": 1,
            },
            "train": {
                "epochs": 1,
                "batch_size": 4,
                "crop_size": (32, 32),
                "precision": "32",
                "accelerator": "cpu",
                "workers": 0,
            },
            "tuning": {"trials": 2, "bootstrap_samples": 100},
        }
    )


class Always(torch.nn.Module):
    """A network that says one probability everywhere."""

    intensity = None
    is_exclusive = False

    def __init__(self, prob):
        super().__init__()
        self.logit = float(np.log(prob / (1 - prob)))

    def forward(self, pixels):
        return Outputs(torch.full((len(pixels), 2, *pixels.shape[2:]), self.logit), None)


@pytest.fixture
def trained(monkeypatch):
    """Trains without training: model k says (20 k + 20) / 255 everywhere."""

    def load(path, *_):
        return Always((20 * int(path.parent.name.removeprefix("fold")) + 20) / 255)

    def train(config, weights="first"):
        for model in range(config.folds.models):
            path = RunPaths.of(config).model(model)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{weights} {model}")

    monkeypatch.setattr("maskfold.network.model.load_model", load)
    return train


def oof_values(config):
    """image_id -> (fold, the value of its map)."""
    files = [RunPaths.of(config).oof_parquet(part) for part in range(config.folds.count)]
    return {image.image_id: (image.fold, set(np.unique(image.prob))) for file in files for image in iter_oof(file)}


@pytest.mark.parametrize(
    ("folds", "models", "problem"),
    [
        ({}, 5, None),
        ({"count": 3, "repeats": 4}, 12, None),
        ({"kind": "hold_out", "share": 0.3}, 1, None),
        ({"kind": "valid_folder", "count": 3}, 1, None),
        ({"kind": "csv", "csv": "x.csv", "count": 4}, 4, None),
        ({"kind": "hold_out", "repeats": 2}, 0, "repeats: only with kind: k_fold"),
        ({"share": 0.5}, 0, "share: only with kind: hold_out"),
        ({"csv": "x.csv"}, 0, "csv: only with kind: csv"),
        ({"kind": "csv"}, 0, "needs folds.csv"),
    ],
)
def test_a_kind_has_its_own_keys_and_number_of_models(folds, models, problem):
    if problem is None:
        plan = FoldsConfig(**folds)
        assert plan.models == models
        assert FoldsConfig.model_validate_json(plan.model_dump_json()) == plan
    else:
        with pytest.raises(ValidationError, match=problem):
            FoldsConfig(**folds)


def test_repeats_are_other_cuts_and_each_leaves_every_image_to_one_model(tmp_path, tiny_competition):
    plan = {"count": 3, "repeats": 3}
    folds = cut_folds(config_of(tmp_path, **plan), tiny_competition)
    once = cut_folds(config_of(tmp_path, count=3), tiny_competition)
    assert folds["fold"].tolist() == once["fold"].tolist()
    together = [np.equal.outer(folds[c].to_numpy(), folds[c].to_numpy()) for c in ("fold", "repeat1", "repeat2")]
    assert not any(np.array_equal(together[a], together[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    models = models_of(folds, FoldsConfig(**plan))
    assert all([model // 3 for model in own] == [0, 1, 2] for own in models)
    first = folds.iloc[0]
    assert models[first["image_id"]] == (first["fold"], 3 + first["repeat1"], 6 + first["repeat2"])


def test_too_many_repeats_of_few_images_are_refused(tmp_path, tiny_competition):
    two = dataclasses.replace(tiny_competition, train=tiny_competition.train.iloc[[0, 3]])
    with pytest.raises(DataError, match=r"only 1 balanced cuts .* set folds\.repeats to 1"):
        cut_folds(config_of(tmp_path, repeats=2), two)


@pytest.mark.slow
def test_oof_of_repeats_is_the_mean_of_the_models_that_have_not_seen_the_image(
    tmp_path, tiny_competition, trained, capsys
):
    config = config_of(tmp_path, repeats=2)
    make_folds(config, tiny_competition)
    trained(config)
    predict_oof(config, tiny_competition)
    folds = read_folds(config, tiny_competition).set_index("image_id")
    values = oof_values(config)
    assert len(values) == 12
    for image_id, (fold, value) in values.items():
        row = folds.loc[image_id]
        # Models 0, 1, 2, 3 say 20, 40, 60, 80; one of the first two and one of the last two have not seen the image.
        assert (fold, value) == (row["fold"], {(20 * row["fold"] + 20 + 20 * row["repeat1"] + 60) // 2})
    artefact = tune(config, tiny_competition)
    assert (
        artefact.ensemble_weights == equal_weights(config) == dict.fromkeys(("fold0", "fold1", "fold2", "fold3"), 0.25)
    )
    assert artefact.checkpoints == model_hashes(config) and len(artefact.checkpoints) == 4
    capsys.readouterr()
    predict_oof(config, tiny_competition)
    assert capsys.readouterr().out.count("up to date") == 2
    assert checked_artefact(config).oof.keys() == {"fold0", "fold1"}
    RunPaths.of(config).model(3).write_text("other")
    with pytest.raises(StaleError, match=r"other models than the trained ones \(fold3\)"):
        checked_artefact(config)
    predict_oof(config, tiny_competition)
    assert "model fold3 changed" in capsys.readouterr().out
    RunPaths.of(config).model(3).unlink()
    with pytest.raises(StaleError, match=r"not trained yet: fold3"):
        predict_oof(config, tiny_competition)


@pytest.mark.slow
def test_a_hold_out_is_stratified_cut_into_parts_and_alone_in_the_oof(tmp_path, tiny_competition, trained, capsys):
    config = config_of(tmp_path, kind="hold_out", share=0.5)
    make_folds(config, tiny_competition)
    printed = capsys.readouterr().out
    assert "one model, scored on a hold-out in 2 parts" in printed and "training only" in printed
    folds = read_folds(config, tiny_competition)
    # Four images of each of bright, dark and empty: two of each are held out, one of each in either part.
    assert pd.crosstab(folds["stratum"], folds["fold"]).to_numpy().tolist() == [[2, 1, 1]] * 3
    images = seen_by(config, tiny_competition, folds, 0)
    assert sorted(images.folds["fold"].tolist()) == [-1] * 6 + [0] * 6
    with pytest.raises(DataError, match=r"changed, run `python src/make_folds\.py(.|\n)*expected the folds 0 to 1"):
        read_folds(config_of(tmp_path), tiny_competition)
    with pytest.raises(DataError, match=r"changed, run `python src/make_folds\.py(.|\n)*image_id,fold,repeat1"):
        read_folds(config_of(tmp_path, repeats=2), tiny_competition)
    trained(config)
    predict_oof(config, tiny_competition)
    held = set(folds["image_id"][folds["fold"] >= 0])
    assert oof_values(config) == {name: (folds.set_index("image_id")["fold"][name], {20}) for name in held}
    assert set(scored_competition(config, tiny_competition).train["image_id"]) == held
    artefact = tune(config, tiny_competition)
    assert artefact.ensemble_weights == {"fold0": 1.0} and artefact.checkpoints == model_hashes(config)
    scores = pd.read_csv(RunPaths.of(config).image_scores_csv)
    assert set(scores["image_id"]) == held and set(scores["fold"]) == {0, 1}


@pytest.mark.parametrize("share", [0.1, 0.34, 0.8])
def test_a_hold_out_has_its_share_of_every_class_and_no_group_on_both_sides(tmp_path, tiny_competition, share):
    many = pd.concat(
        [tiny_competition.train.assign(image_id=f"{copy}_" + tiny_competition.train["image_id"]) for copy in range(10)]
    )
    rows = many.reset_index(drop=True).assign(group=np.repeat(np.arange(60), 2).astype(str))

    def masks(name):
        return tiny_competition.masks(name.partition("_")[2])

    competition = dataclasses.replace(tiny_competition, train=rows, masks=masks)
    folds = cut_folds(config_of(tmp_path, kind="hold_out", share=share), competition)
    assert (folds.groupby("group")["fold"].nunique() == 1).all()
    held = folds[folds["fold"] >= 0]
    counts = held["stratum"].value_counts()
    assert (counts - 40 * share).abs().max() <= 2  # of 40 each, in groups of two
    assert np.ptp(held["fold"].value_counts()) <= 2
    alone = dataclasses.replace(competition, train=rows.drop(columns="group"))
    ungrouped = cut_folds(config_of(tmp_path, kind="hold_out", share=share), alone)
    assert (ungrouped["stratum"][ungrouped["fold"] >= 0].value_counts() - 40 * share).abs().max() <= 1


def test_folds_that_came_as_a_file_are_never_replaced_but_said_to_be_in_the_way(tmp_path, tiny_competition):
    config = config_of(tmp_path, kind="hold_out", share=0.5)
    make_folds(config, tiny_competition)
    path = RunPaths.of(config).folds_csv
    record_path(path).unlink()  # as in a fresh clone
    before = path.read_bytes()
    problem = r"remove it and run `python src/make_folds\.py(.|\n)*expected the folds 0 to 1"
    with pytest.raises(DataError, match=problem):
        make_folds(config_of(tmp_path), tiny_competition)
    assert path.read_bytes() == before


def test_a_hold_out_too_small_for_its_parts_says_what_to_set(tmp_path, tiny_competition):
    config = config_of(tmp_path, kind="hold_out", share=0.25, count=9)
    with pytest.raises(DataError, match=r"expected the folds 0 to 8, .* set folds\.count to 3"):
        make_folds(config, tiny_competition)
    assert not RunPaths.of(config).folds_csv.exists()


def test_the_validation_folder_is_held_out_as_it_is(tmp_path, tiny_competition):
    config = config_of(tmp_path, kind="valid_folder")
    with pytest.raises(DataError, match="none of the 12 labelled images are validation images; name them"):
        make_folds(config, tiny_competition)
    split = ["valid" if number >= 8 else "train" for number in range(12)]
    competition = dataclasses.replace(tiny_competition, train=tiny_competition.train.assign(split=split))
    make_folds(config, competition)
    folds = read_folds(config, competition)
    assert (folds["fold"] >= 0).tolist() == [part == "valid" for part in split]
    assert set(folds["fold"]) == {-1, 0, 1}


@pytest.mark.parametrize("name", ["people_valid", "cigarette_butts"])
def test_configs_with_validation_images_of_their_own_use_them(name):
    assert load_config(REPOSITORY / "configs" / f"{name}.yaml").folds.kind == "valid_folder"


def test_a_validation_folder_that_the_data_cannot_have_is_refused_at_load():
    with pytest.raises(ConfigError, match=r"folds\.kind: valid_folder.*data\.valid_images"):
        load_config(REPOSITORY / "configs" / "people.yaml", ["folds.kind=valid_folder"])


def given_csv(tmp_path, lines):
    path = tmp_path / "given.csv"
    path.write_text("\n".join(["image_id,fold,note", *lines]) + "\n")
    return path


def test_a_given_csv_is_used_and_minus_one_is_only_trained_on(tmp_path, tiny_competition, trained):
    ids = tiny_competition.train["image_id"].tolist()
    path = given_csv(tmp_path, [f"{name},{number % 3 - 1},x" for number, name in enumerate(reversed(ids))])
    config = config_of(tmp_path, kind="csv", csv=str(path))
    make_folds(config, tiny_competition)
    folds = read_folds(config, tiny_competition)
    assert folds["image_id"].tolist() == ids
    assert folds["fold"].tolist() == [number % 3 - 1 for number in range(12)][::-1]
    trained(config)
    predict_oof(config, tiny_competition)
    assert sorted(oof_values(config).values(), key=str) == sorted([(0, {20})] * 4 + [(1, {40})] * 4, key=str)
    assert len(scored_competition(config, tiny_competition).train) == 8
    path.write_text(path.read_text().replace("train0.png,1", "train0.png,0"))
    make_folds(config, tiny_competition)
    assert read_folds(config, tiny_competition)["fold"].tolist()[0] == 0


@pytest.mark.parametrize(
    ("folds", "plan", "advice"),
    [
        ([0], {}, "found [0]; rules need two to be tuned and scored on: label more images (a group counts as one)"),
        ([0, -1], {"kind": "hold_out"}, "found [0]; rules need two to be tuned and scored on: raise folds.share, or"),
        ([-1], {"kind": "hold_out"}, "found []; rules need two to be tuned and scored on: raise folds.share, or label"),
        ([0, -1], {"kind": "valid_folder"}, "found [0]; rules need two to be tuned and scored on: label more images"),
        ([0, 1, 2], {"kind": "hold_out"}, "every image is held out, so there is nothing to train on"),
        (
            [0, 1],
            {},
            "found [0, 1]; set folds.count to 2 (images or groups that stay together may be too few for more)",
        ),
        ([0, 1, 2, 3], {}, "found [0, 1, 2, 3]; set folds.count to 4"),
        ([0, 2], {}, "found [0, 2]; number them 0, 1, … without gaps"),
        ([0, 1, 2, -1], {}, "found [-1, 0, 1, 2]; number them 0, 1, … without gaps"),
        ([1, 2, 3], {}, "found [1, 2, 3]; number them 0, 1, … without gaps"),
    ],
)
def test_folds_out_of_range_come_with_the_cure(tiny_competition, folds, plan, advice):
    table = pd.DataFrame({"image_id": tiny_competition.train["image_id"], "fold": np.resize(folds, 12)})
    with pytest.raises(DataError) as error:
        check_folds(table, tiny_competition, FoldsConfig(count=3, **plan), "x.csv")
    [problem] = error.value.problems
    assert advice in problem and ("too few for more" in problem) == (folds == [0, 1])


@pytest.mark.parametrize(
    ("folds", "plan"),
    [([0, 1, 2], {}), ([0, 1, 2, -1], {"kind": "hold_out"}), ([0, 1, 2, -1], {"kind": "csv", "csv": "x"})],
)
def test_folds_in_range(tiny_competition, folds, plan):
    table = pd.DataFrame({"image_id": tiny_competition.train["image_id"], "fold": np.resize(folds, 12)})
    check_folds(table, tiny_competition, FoldsConfig(count=3, **plan), "x.csv")


def test_a_given_csv_that_does_not_fit_is_refused_with_every_row(tmp_path, tiny_competition):
    grouped = tiny_competition.train.assign(group=[str(number // 2) for number in range(12)])
    competition = dataclasses.replace(tiny_competition, train=grouped)
    lines = [f"train{number}.png,{2 * (number % 2)},x" for number in range(11)] + ["train3.png,0,x", "train11.jpg,0,x"]
    config = config_of(tmp_path, kind="csv", csv=str(given_csv(tmp_path, lines)))
    with pytest.raises(DataError) as error:
        make_folds(config, competition)
    text = str(error.value)
    for part in (
        "given.csv, row 13: image train3.png has a row already",
        "given.csv, row 14: image train11.jpg is not a training image; there is 'train11.png'",
        "training image train11.png has no row",
        "expected the folds 0 to 1, each with images; found [0, 2]; number them 0, 1, … without gaps",
        "group 0 is in the folds [0, 2]",
    ):
        assert part in text
    config = config_of(tmp_path, kind="csv", csv=str(given_csv(tmp_path, ["train0.png,one,x", "train1.png,,x"])))
    with pytest.raises(DataError, match=r"row 2: fold is 'one', expected a whole number(.|\n)*row 3: fold is ''"):
        make_folds(config, competition)
    for number in ("inf", "nan", "0.5", "-0.5", "1e400"):
        config = config_of(tmp_path, kind="csv", csv=str(given_csv(tmp_path, [f"train0.png,{number},x"])))
        with pytest.raises(DataError, match=f"row 2: fold is '{number}', expected a whole number"):
            make_folds(config, competition)
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        make_folds(config_of(tmp_path, kind="csv", csv=str(tmp_path / "nowhere.csv")), competition)


def test_members_of_a_blend_must_be_cut_alike(tmp_path):
    (tmp_path / "one.yaml").write_text("name: one\ndata: {format: rle_csv, root: x, class_names: ['1']}\n")
    (tmp_path / "two.yaml").write_text("extends: one.yaml\nname: two\nfolds: {kind: hold_out}\n")
    (tmp_path / "both.yaml").write_text("extends: one.yaml\nname: both\nblend: {members: [one.yaml, two.yaml]}\n")
    with pytest.raises(ConfigError, match=r"two: folds\.kind: 'hold_out', but the blend has 'k_fold'"):
        load_config(tmp_path / "both.yaml")


@pytest.mark.slow
def test_a_bundle_holds_every_model_of_a_repeated_cut_and_no_path_of_this_machine(tmp_path, tiny_competition, trained):
    config = config_of(tmp_path, kind="csv", csv=str(tmp_path / "given.csv"), count=2)
    given_csv(tmp_path, [f"train{number}.png,{number % 2},x" for number in range(12)])
    make_folds(config, tiny_competition)
    trained(config)
    predict_oof(config, tiny_competition)
    tune(config, tiny_competition)
    bundle = export_bundle(config, tmp_path / "bundle")
    told = json.loads((bundle / "config.json").read_text())
    assert told["folds"]["csv"] == "given.csv" and told["data"]["exclude"] is None
    assert str(tmp_path) not in (bundle / "config.json").read_text()


@pytest.mark.slow
def test_a_hold_out_is_trained_once_without_what_is_held_out_or_excluded(tmp_path, tiny_competition, capsys):
    config = config_of(tmp_path, kind="hold_out", share=0.5)
    make_folds(config, tiny_competition)
    folds = read_folds(config, tiny_competition)
    trained_on = folds["image_id"][folds["fold"] < 0].tolist()
    (tmp_path / "wrong.csv").write_text(f"image_id\n{trained_on[0]}\n")
    data = config.data.model_copy(update={"exclude": str(tmp_path / "wrong.csv")})
    config = config.model_copy(update={"data": data})
    train_models(config, tiny_competition)
    printed = capsys.readouterr().out
    assert "train: model will be computed" in printed and "1 images of data.exclude are left out" in printed
    assert len(fold_summary(config)) == 1  # the model alone
    predict_oof(config, tiny_competition)
    assert set(read_image_ids(RunPaths.of(config).oof_parquet(0))) == set(folds["image_id"][folds["fold"] == 0])
    assert list(json.loads(read_metadata(RunPaths.of(config).oof_parquet(1))["models"])) == ["fold0"]
    train_models(config, tiny_competition)
    assert "model is up to date" in capsys.readouterr().out
