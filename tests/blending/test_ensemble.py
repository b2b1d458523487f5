"""The models of a run as one: weights of chosen models, members one after the other, and tables in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.blending import ensemble
from maskfold.blending.combining import combine_class_probs, combine_maps
from maskfold.blending.ensemble import MemberEnsemble, trained_ensemble
from maskfold.config import Experiment, InferenceConfig, RleCsvData, TrainConfig
from maskfold.errors import StaleError
from maskfold.inference.predict import Ensemble
from maskfold.network.model import Outputs
from support.finished_run import tiny_config
from support.random_run import write_weights


class Ramp(torch.nn.Module):
    """A network whose logits grow with the brightness, for two classes and whether the image shows them."""

    intensity = None
    is_exclusive = False

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, pixels):
        logit = (pixels.float().mean(1, keepdim=True) - 128) * self.gain
        return Outputs(torch.cat([logit, -logit], 1), logit.mean((2, 3)).repeat(1, 2) * self.gain)


CONFIG = Experiment(
    name="x",
    data=RleCsvData(root="x", class_names=("bright", "dark")),
    train=TrainConfig(precision="32", accelerator="cpu", workers=0),
    inference=InferenceConfig(tta=()),
)
MEMBERS = [Ensemble.of(CONFIG, [Ramp(gain)]) for gain in (0.02, 0.05)]


@pytest.mark.parametrize("chunk_px", [1, 2 * (40 * 64 + 64 * 64), 2**27])
@pytest.mark.parametrize("shares", [(0.25, 0.75), (1.0, 0.0)])
def test_members_are_combined_image_by_image_in_pieces_of_any_size(tiny_competition, monkeypatch, chunk_px, shares):
    monkeypatch.setattr(ensemble, "_CHUNK_PX", chunk_px)
    both = MemberEnsemble(MEMBERS, shares, "logit", 2)
    apart = [{p.image_id: p for p in member.predict_images(tiny_competition.test)} for member in MEMBERS]
    found = list(both.predict_images(tiny_competition.test))
    assert [each.image_id for each in found] == tiny_competition.test["image_id"].tolist()
    for each in found:
        parts = [predictions[each.image_id] for predictions in apart]
        assert np.array_equal(each.prob, combine_maps([part.prob for part in parts], shares, "logit"))
        assert np.array_equal(each.class_prob, combine_class_probs([part.class_prob for part in parts], shares))


def test_pieces_are_as_large_as_their_maps_may_be(tiny_competition, monkeypatch):
    sizes = []

    class Counted(Ensemble):
        def predict_images(self, images):
            sizes.append(len(images))
            return super().predict_images(images)

    members = [Counted.of(CONFIG, [Ramp(0.02)]), MEMBERS[1]]
    # Two classes of 40x64, 64x64, 50x90, 40x64 and 64x64 px: 5,120, 8,192, 9,000, 5,120 and 8,192.
    for limit, expected in (
        (13312, [2, 1, 2]),
        (13311, [1, 1, 1, 1, 1]),
        (14120, [2, 2, 1]),
        (35624, [5]),
        (35623, [4, 1]),
    ):
        monkeypatch.setattr(ensemble, "_CHUNK_PX", limit)
        assert len(list(MemberEnsemble(members, (0.5, 0.5), "mean", 2).predict_images(tiny_competition.test))) == 5
        assert sizes == expected
        sizes.clear()


def test_one_ensemble_answers_as_it_is(tiny_competition):
    alone = MemberEnsemble(MEMBERS[:1], [1.0], "mean", 2)
    for found, plain in zip(
        alone.predict_images(tiny_competition.test), MEMBERS[0].predict_images(tiny_competition.test), strict=True
    ):
        assert found.image_id == plain.image_id and np.array_equal(found.prob, plain.prob)


@pytest.fixture
def run(tmp_path):
    config = tiny_config(tmp_path, folds={"count": 3})
    write_weights(config)
    return config


WEIGHTS = {"fold0": 0.5, "fold1": 0.125, "fold2": 0.375}


@pytest.mark.parametrize(
    ("weights", "chosen", "expected"),
    [
        (WEIGHTS, None, [0.5, 0.125, 0.375]),
        (WEIGHTS, (1, 2), [0.25, 0.75]),
        (WEIGHTS, (2, 0), [3 / 7, 4 / 7]),
        ({"fold0": 1.0, "fold1": 0.0, "fold2": 0.0}, (1, 2), [0.5, 0.5]),  # of a sum of 0
    ],
)
def test_models_count_with_their_weights_scaled_to_one(run, weights, chosen, expected):
    [member] = trained_ensemble(run, weights, chosen).members
    assert list(member.weights) == pytest.approx(expected, abs=1e-12)
    for number, model in zip(chosen or range(3), member.models, strict=True):
        stored = torch.load(RunPaths.of(run).model(number))
        assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())


def test_a_model_that_is_missing_is_named(run):
    RunPaths.of(run).model(1).unlink()
    with pytest.raises(StaleError, match=r"fold1/model\.pt: not trained yet; run `python src/train.py --config"):
        trained_ensemble(run, WEIGHTS)
    assert len(trained_ensemble(run, WEIGHTS, (0, 2)).members[0].models) == 2


def test_models_of_a_refit_predict_alone_and_equally_unless_others_are_chosen(tmp_path):
    config = tiny_config(tmp_path, refit={"models": 2})
    write_weights(config)
    weights = {"fold0": 0.25, "fold1": 0.75}
    [member] = trained_ensemble(config, weights).members
    assert list(member.weights) == [0.5, 0.5]
    for number, model in zip((2, 3), member.models, strict=True):
        stored = torch.load(RunPaths.of(config).model(number))
        assert all(torch.equal(value, stored[name]) for name, value in model.state_dict().items())
    [member] = trained_ensemble(config, weights, (0, 1)).members
    assert list(member.weights) == [0.25, 0.75]
