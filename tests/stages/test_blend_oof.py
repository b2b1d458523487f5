"""Blends: maps combined by hand-computed numbers, weights searched and honestly adopted, and the OOF of a blend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.blending import ensemble as ensemble_prediction
from maskfold.blending.choice import BlendChoice
from maskfold.blending.combining import combine_maps
from maskfold.blending.ensemble import trained_ensemble
from maskfold.blending.oof_subset import sample_images
from maskfold.config import Experiment, InferenceConfig, ModelConfig, Resize, TrainConfig
from maskfold.errors import DataError, StaleError
from maskfold.folds.table import read_folds
from maskfold.network.model import Outputs
from maskfold.network.trained import model_hashes
from maskfold.oof.origin import oof_metadata
from maskfold.oof.parts import oof_parts
from maskfold.oof.store import OofWriter, iter_oof
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune
from maskfold.submission.usable_rules import checked_artefact
from support.blends import as_blend


@pytest.fixture
def blend(tmp_path, tiny_competition):
    """A blend of two experiments with folds, stand-ins for weights, and OOF: one sees well, one in another order."""
    common = {
        "output_root": str(tmp_path / "out"),
        "data": {"format": "rle_csv", "root": "unused", "class_names": ("bright", "dark")},
        "folds": {"count": 3},
        "tuning": {"trials": 2, "bootstrap_samples": 100},
    }
    members = [Experiment.model_validate({"name": name, **common}) for name in ("sharp", "dull")]
    members[1] = members[1].model_copy(update={"inference": InferenceConfig(tta=("vflip",))})
    config = as_blend(members[0], "both", members=tuple(members), weights="greedy", trials=4)
    for member in members:
        make_folds(member, tiny_competition)
        train(member, "first")
        predict(member, tiny_competition)
    make_folds(config, tiny_competition)
    return config


def train(member, weights):
    for fold in range(3):
        path = RunPaths.of(member).model(fold)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{weights} {fold}")


def predict(member, competition):
    """Write the OOF of a member as its stage would."""
    paths, rng = RunPaths.of(member), np.random.default_rng(len(member.name))
    folds = read_folds(member, competition)
    for fold, expected in enumerate(oof_parts(member, competition)):
        made_from, metadata = expected.made_from, oof_metadata(member, expected.checkpoints)
        ids = folds.loc[folds["fold"] == fold, "image_id"].tolist()
        with OofWriter(paths.oof_parquet(fold), 2, metadata) as writer:
            for image_id in ids if member.name == "sharp" else ids[::-1]:
                truth = competition.masks(image_id)
                noise = rng.normal(0, 10 if member.name == "sharp" else 60, truth.shape)
                prob = np.clip(np.rint(60 + 90.0 * truth + noise), 0, 255).astype(np.uint8)
                writer.write(image_id, fold, prob, np.array([0.25, 0.5], np.float32) if member.name == "dull" else None)
        made_from.write(paths.oof_parquet(fold))


def test_a_blend_has_an_oof_of_its_own_and_is_tuned_like_a_model(blend, tiny_competition, capsys):
    predict_oof(blend, tiny_competition)
    output = capsys.readouterr().out
    assert "12 of 12 OOF images" in output
    for title in ("sharp alone", "dull alone", "equal weights", "greedy"):
        assert title in output
    choice = BlendChoice.read(RunPaths.of(blend).blend_json)
    weights = [choice.weights[name] for name in ("sharp", "dull")]
    assert sum(weights) == pytest.approx(1) and weights[0] >= 0.5
    for fold in range(3):
        parts = {
            member.name: {image.image_id: image for image in iter_oof(RunPaths.of(member).oof_parquet(fold))}
            for member in blend.blend.members
        }
        blended = list(iter_oof(RunPaths.of(blend).oof_parquet(fold)))
        assert [image.image_id for image in blended] == list(parts["sharp"])
        for image in blended:
            both = [parts[name][image.image_id].prob for name in ("sharp", "dull")]
            assert np.array_equal(image.prob, combine_maps(both, weights, "mean"))
            if weights[1]:
                assert image.class_prob.tolist() == [0.25, 0.5]
    artefact = tune(blend, tiny_competition)
    assert artefact.combine == "mean" and artefact.ensemble_weights == choice.weights
    assert artefact.tta == ("sharp/hflip", "dull/vflip")
    assert artefact.checkpoints == model_hashes(blend) and len(artefact.checkpoints) == 6
    assert checked_artefact(blend) == artefact


def test_by_a_metric_of_whole_masks_weights_are_searched_by_dice_and_it_is_said(blend, tiny_competition, capsys):
    blend = blend.model_copy(update={"tuning": blend.tuning.model_copy(update={"metric": "object_f2"})})
    predict_oof(blend, tiny_competition)
    said = "weights are searched by dice, because object_f2 has no exact tables"
    assert said in capsys.readouterr().out
    assert BlendChoice.read(RunPaths.of(blend).blend_json).metric == "dice"


def test_a_fresh_blend_is_skipped_and_made_again_to_the_byte(blend, tiny_competition, capsys):
    files = [RunPaths.of(blend).blend_json, *(RunPaths.of(blend).oof_parquet(fold) for fold in range(3))]
    predict_oof(blend, tiny_competition)
    before = [file.read_bytes() for file in files]
    capsys.readouterr()
    predict_oof(blend, tiny_competition)
    assert capsys.readouterr().out.count("up to date, skipped") == 4
    for file in files:
        file.unlink()
    predict_oof(blend, tiny_competition)
    assert [file.read_bytes() for file in files] == before


def test_a_retrained_member_makes_the_blend_stale_everywhere(blend, tiny_competition):
    predict_oof(blend, tiny_competition)
    tune(blend, tiny_competition)
    dull = blend.blend.members[1]
    train(dull, "second")
    with pytest.raises(StaleError) as error:
        checked_artefact(blend)
    assert "other models than the trained ones (dull/fold0, dull/fold1, dull/fold2)" in str(error.value)
    commands = ["predict_oof.py --config configs/dull", "predict_oof.py --config configs/both", "tune_thresholds.py"]
    places = [str(error.value).index(command) for command in commands]
    assert places == sorted(places) and "configs/sharp" not in str(error.value)
    with pytest.raises(StaleError, match=r"dull, OOF of fold 0: model changed; run .*configs/dull\.yaml"):
        predict_oof(blend, tiny_competition)
    predict(dull, tiny_competition)
    predict_oof(blend, tiny_competition)
    tune(blend, tiny_competition)
    assert checked_artefact(blend).checkpoints == model_hashes(blend)


def changed(blend, **blend_keys):
    return blend.model_copy(update={"blend": blend.blend.model_copy(update=blend_keys)})


def test_an_artefact_of_another_blend_is_refused(blend, tiny_competition):
    predict_oof(blend, tiny_competition)
    tune(blend, tiny_competition)
    with pytest.raises(StaleError, match="combined by mean, the config says vote"):
        checked_artefact(changed(blend, combine="vote"))
    sharp = blend.blend.members[0].model_copy(update={"model": ModelConfig(resize=Resize(scale=0.5))})
    with pytest.raises(StaleError, match=r"sharp/model\.resize: None, the config says .*0\.5"):
        checked_artefact(changed(blend, members=(sharp, blend.blend.members[1])))
    dull = blend.blend.members[1].model_copy(update={"inference": InferenceConfig(tta=())})
    with pytest.raises(StaleError, match=r"tuned with TTA .*'dull/vflip'.*, the config says \['sharp/hflip'\]"):
        checked_artefact(changed(blend, members=(blend.blend.members[0], dull)))


def test_everything_a_member_lacks_is_reported_at_once(blend, tiny_competition):
    sharp, dull = blend.blend.members
    RunPaths.of(sharp).oof_parquet(2).unlink()
    RunPaths.of(dull).model(1).unlink()
    with pytest.raises(StaleError) as error:
        predict_oof(blend, tiny_competition)
    assert "sharp, OOF of fold 2: fold2.parquet does not exist yet" in str(error.value)
    assert "not trained yet: fold1" in str(error.value) and "train.py --config configs/dull" in str(error.value)
    assert not RunPaths.of(blend).blend_json.exists()


def test_members_on_other_folds_are_refused(blend, tiny_competition):
    dull = blend.blend.members[1]
    path = RunPaths.of(dull).folds_csv
    folds = pd.read_csv(path)
    folds["fold"] = (folds["fold"] + 1) % 3
    folds.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"12 images are in other folds of dull than of sharp.*copy .*sharp\.csv to"):
        make_folds(blend, tiny_competition)
    path.unlink()
    with pytest.raises(StaleError, match=r"make_folds\.py --config configs/dull"):
        make_folds(blend, tiny_competition)


def test_training_a_blend_only_says_what_its_members_lack(blend, tiny_competition, capsys):
    RunPaths.of(blend.blend.members[1]).model(1).unlink()
    train_models(blend, tiny_competition)
    output = capsys.readouterr().out
    assert "sharp: 3 of 3 models trained\n" in output
    assert "dull: 2 of 3 models trained; run `python src/train.py --config configs/dull.yaml`" in output


def sampled(blend, competition, sample_px=2**30):
    files = [[RunPaths.of(member).oof_parquet(fold) for member in blend.blend.members] for fold in range(3)]
    return sample_images(files, competition, sample_px, blend.seed)


def test_a_sample_holds_every_fold_and_no_more_than_its_bound(blend, tiny_competition):
    whole = sampled(blend, tiny_competition)
    assert sorted(image.image_id for image in whole) == sorted(tiny_competition.train["image_id"])
    bound = 3 * 2 * 2 * 64 * 64  # two images a fold, or three small ones
    some = sampled(blend, tiny_competition, bound)
    assert {image.fold for image in some} == {0, 1, 2} and 6 <= len(some) < 12
    for fold in range(3):
        assert sum(image.truth.size for image in some if image.fold == fold) <= bound // 3
    assert [len(sampled(blend, tiny_competition, 1))] == [3]
    for image in whole:
        assert image.members.shape == (2, *image.truth.shape)


class Always(torch.nn.Module):
    """A network that says one probability everywhere, and counts the images it has seen."""

    intensity = None
    is_exclusive = False

    def __init__(self, prob, present):
        super().__init__()
        self.logit, self.present, self.seen = float(np.log(prob / (1 - prob))), present, 0

    def forward(self, pixels):
        self.seen += len(pixels)
        logits = torch.full((len(pixels), 2, *pixels.shape[2:]), self.logit)
        return Outputs(logits, torch.zeros(len(pixels), 2) if self.present else None)


@pytest.mark.parametrize(("weights", "expected"), [((0.5, 0.5), 140), ((0.25, 0.75), 172), ((1, 0), 77)])
def test_test_images_are_combined_from_rounded_means_of_folds(blend, tiny_competition, monkeypatch, weights, expected):
    # In 255ths: the folds have the means 77.4, rounded to 77, and 204.4, rounded to 204. 0.5 * (77 + 204) = 140.5, to
    # the even 140, where the unrounded 140.9 would be 141; and 0.25 * 77 + 0.75 * 204 = 172.25, not 172.65.
    networks = {
        "sharp": [Always((77.4 + more) / 255, False) for more in (-20, 0, 20)],
        "dull": [Always(204.4 / 255, True)] * 3,
    }
    monkeypatch.setattr(ensemble_prediction, "_models", lambda files, *_: networks[files[0].parts[-3]])
    monkeypatch.setattr(ensemble_prediction, "_CHUNK_PX", 20_000)  # of two images
    train = TrainConfig(precision="32", accelerator="cpu", workers=0)
    members = tuple(member.model_copy(update={"train": train}) for member in blend.blend.members)
    given = dict(zip(("sharp", "dull"), weights, strict=True))
    test = tiny_competition.test.sort_values("image_id")
    found = trained_ensemble(changed(blend, members=members), given).predict_images(test)
    answers = sorted(found, key=lambda prediction: prediction.image_id)
    assert [answer.image_id for answer in answers] == test["image_id"].tolist()
    for answer, size in zip(answers, test[["height", "width"]].to_numpy(), strict=True):
        assert answer.prob.shape == (2, *size) and (answer.prob == expected).all()
        assert (answer.class_prob is None) if weights[1] == 0 else answer.class_prob.tolist() == [0.5, 0.5]
    assert (networks["dull"][0].seen > 0) == (weights[1] > 0)


@pytest.mark.parametrize(
    ("weights", "chosen", "expected"),
    [
        # In 255ths, of models that say 60, 80 and 100.
        ((0.2, 0.2, 0.6), None, 88),
        ((0.2, 0.2, 0.6), [0, 2], 90),  # scaled to a quarter and three quarters
        ((0.2, 0.2, 0.6), [1], 80),
        ((0, 0, 1), [0, 1], 70),  # of no weight at all: equal ones
    ],
)
def test_models_that_are_chosen_keep_their_shares(blend, tiny_competition, monkeypatch, weights, chosen, expected):
    networks = [Always(value / 255, False) for value in (60, 80, 100)]
    monkeypatch.setattr(
        ensemble_prediction,
        "_models",
        lambda files, *_: [networks[int(file.parent.name.removeprefix("fold"))] for file in files],
    )
    plain = TrainConfig(precision="32", accelerator="cpu", workers=0)
    config = blend.blend.members[0].model_copy(update={"train": plain})
    given = dict(zip(("fold0", "fold1", "fold2"), weights, strict=True))
    answer = next(trained_ensemble(config, given, chosen).predict_images(tiny_competition.test.iloc[:1]))
    assert (answer.prob == expected).all()
