"""The mean of checkpoints, by hand."""

import re
from itertools import combinations

import pytest
import torch
from pydantic import ValidationError

from maskfold.artefacts.paths import RunPaths
from maskfold.config import ModelConfig, TrainConfig
from maskfold.export.weights import write_halved
from maskfold.network.model import build_model, load_model
from maskfold.training.checkpoints import chosen_weights, mean_weights
from maskfold.training.fit import train_fold
from maskfold.training.soups import greedy_soup, validation_score
from support.trainings import MADE_FROM, config_of, halves


def checkpoint(value, **more):
    return {"state_dict": {"model.weight": torch.full((2,), value), "loss.weight": torch.zeros(1)}, **more}


def test_floats_are_averaged_and_counters_are_not():
    states = [
        {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(7)},
        {"w": torch.tensor([3.0, 6.0]), "n": torch.tensor(9)},
    ]
    mean = mean_weights(states)
    assert mean["w"].tolist() == [2.0, 4.0]
    assert mean["n"].item() == 7


def test_best_last_and_top(tmp_path):
    kept = {f"/elsewhere/best-00{epoch}.ckpt": torch.tensor(score) for epoch, score in enumerate((0.5, 0.9, 0.7))}
    callbacks = {"history": {}, "best": {"best_k_models": kept}, "last": {"best_k_models": {}}}
    torch.save(checkpoint(9.0, callbacks=callbacks), tmp_path / "last.ckpt")
    for epoch, value in enumerate((1.0, 2.0, 6.0)):
        torch.save(checkpoint(value), tmp_path / f"best-00{epoch}.ckpt")
    chosen = {select: chosen_weights(tmp_path, select) for select in ("best", "last", "top")}
    assert {select: state["weight"][0].item() for select, state in chosen.items()} == {"best": 2, "last": 9, "top": 3}
    assert list(chosen["best"]) == ["weight"]
    assert [state["weight"][0].item() for state in chosen_weights(tmp_path, "ensemble")] == [2, 6, 1]


@pytest.mark.parametrize(
    ("values", "taken", "mean"),
    [
        ((4.0, 7.0, 2.0, 5.0), (0, 2), 3.0),  # 5.5 is worse than 4, 3 is the target, (4 + 2 + 5) / 3 is worse
        ((3.0, 3.0, 1.0), (0,), 3.0),  # as good is not better
        ((0.0, 4.0, 4.0, 4.0), (0, 1, 2, 3), 3.0),  # 2, 8 / 3, 3
    ],
)
def test_a_greedy_soup_takes_what_makes_it_better(values, taken, mean):
    states = [{"w": torch.full((2,), value)} for value in values]
    soup = greedy_soup(states, lambda state: -abs(state["w"][0].item() - 3))
    assert soup.taken == taken
    assert soup.weights["w"].tolist() == [mean] * 2
    assert (soup.first, soup.last) == (-abs(values[0] - 3), -abs(mean - 3))


def test_a_training_ends_in_a_soup(tiny_competition, tmp_path, capsys):
    """model.pt is the mean of some of the best checkpoints, and scores as the line says."""
    config = config_of(tmp_path, epochs=3, select="soup", top_k=3)
    train_fold(config, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
    printed = re.search(
        r"a soup of (\d) of 3 checkpoints, metric (\S+) \(the best alone (\S+)\)", capsys.readouterr().out
    )
    count, last, first = int(printed[1]), float(printed[2]), float(printed[3])
    paths = RunPaths.of(config)
    states = chosen_weights(paths.training(0), "ensemble")
    found = torch.load(paths.model(0), weights_only=True)
    means = [mean_weights(part) for part in combinations(states, count) if part[0] is states[0]]
    assert any(all(torch.equal(mean[name], value) for name, value in found.items()) for mean in means)
    model = build_model(config.model, 2, with_encoder_weights=False)
    score = validation_score(config, tiny_competition, tiny_competition.train.iloc[:6], model)
    assert score(found) == pytest.approx(last, abs=1e-4) and last >= first
    assert score(states[0]) == pytest.approx(first, abs=1e-4)
    with pytest.raises(ValidationError, match="a soup needs top_k of 2 or more, found 1"):
        TrainConfig(select="soup")


@pytest.mark.parametrize("head", [False, True])
def test_an_ensemble_answers_with_the_mean_probability(head, tmp_path):
    config = ModelConfig(
        encoder="tu-mobilenetv3_small_050",
        encoder_weights=None,
        decoder_channels=(16, 16, 8, 8, 8),
        classification_head=head,
    )
    models = []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(build_model(config, 2))
    torch.save([model.state_dict() for model in models], tmp_path / "model.pt")
    pixels = torch.randint(0, 256, (2, 3, 64, 32), dtype=torch.uint8)
    with torch.inference_mode():
        both = load_model(tmp_path / "model.pt", config, 2).eval()(pixels)
        single = [model.eval()(pixels) for model in models]
    for part, expected in zip(both, zip(*single, strict=True), strict=True):
        if expected[0] is None:
            assert part is None
        else:
            assert torch.allclose(part.sigmoid(), sum(each.sigmoid() for each in expected) / 2, atol=2e-6)
    write_halved(tmp_path / "model.pt", tmp_path / "half.pt")
    assert (tmp_path / "half.pt").stat().st_size < 0.7 * (tmp_path / "model.pt").stat().st_size
    halved = load_model(tmp_path / "half.pt", config, 2).eval()
    assert torch.allclose(halved(pixels).mask_logits.sigmoid(), both.mask_logits.sigmoid(), atol=0.05)


def test_an_ensemble_of_one_is_refused():
    with pytest.raises(ValidationError, match="top_k of 2 or more, found 1"):
        TrainConfig(select="ensemble")
