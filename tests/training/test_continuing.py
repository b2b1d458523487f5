"""A finished training goes on where the longer one that is asked for begins in the same way, to the same weights."""

import pandas as pd
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.config import SamplingConfig, ScheduleConfig, TrainConfig, TrainPhase
from maskfold.training.continuing import is_beginning
from maskfold.training.fit import train_fold
from support.trainings import config_of, halves

CONSTANT = ScheduleConfig(kind="constant", warmup_epochs=0.5)


def train(config, competition):
    made_from = Provenance("train", {"seed": config.seed, "train": config.train.settings()}, {}, "c0de", "fold0")
    train_fold(config, competition, halves(competition), 0, made_from)
    return torch.load(RunPaths.of(config).model(0), weights_only=True)


@pytest.mark.parametrize(
    ("shorter", "longer"),
    [
        ({"epochs": 2}, {"epochs": 2, "then": (TrainPhase(epochs=2, batch_size=3, learning_rate=1e-4),)}),
        ({"epochs": 2, "schedule": CONSTANT, "ema_decay": 0.9}, {"epochs": 4, "schedule": CONSTANT, "ema_decay": 0.9}),
    ],
    ids=["a further phase", "more epochs at a constant rate"],
)
def test_the_longer_training_goes_on_to_the_same_weights(tmp_path, tiny_competition, capsys, shorter, longer):
    common = {"learning_rate": 1e-3, "validate_every": 2}
    undisturbed = train(config_of(tmp_path, "at_once", **common, **longer), tiny_competition)
    config = config_of(tmp_path, "in_two", **common, **shorter)
    first = train(config, tiny_competition)
    capsys.readouterr()
    both = train(config_of(tmp_path, "in_two", **common, **longer), tiny_competition)
    printed = capsys.readouterr().out
    assert "after its 2 epochs, which are the same; the shorter training is kept in" in printed
    assert all(torch.equal(undisturbed[name], both[name]) for name in undisturbed)
    assert any(not torch.equal(first[name], both[name]) for name in first)
    folder = RunPaths.of(config).training(0)
    kept = torch.load(folder.with_name("fold0.previous") / "model.pt", weights_only=True)
    assert all(torch.equal(first[name], kept[name]) for name in first)
    assert pd.read_csv(folder / "history.csv")["epoch"].tolist() == [0, 1, 2, 3]


def test_a_schedule_that_depends_on_the_length_starts_over_and_says_what_would_not(tmp_path, tiny_competition, capsys):
    train(config_of(tmp_path, epochs=1), tiny_competition)
    train(config_of(tmp_path, epochs=2), tiny_competition)
    printed = capsys.readouterr().out
    assert 'add a phase: train.then=[{"epochs": 1}]' in printed
    assert "the previous training is kept in" in printed and "continuing" not in printed


def test_another_seed_starts_over(tmp_path, tiny_competition, capsys):
    train(config_of(tmp_path, epochs=1), tiny_competition)
    longer = config_of(tmp_path, epochs=1, then=(TrainPhase(epochs=1),))
    train(longer.model_copy(update={"seed": 1}), tiny_competition)
    assert "continuing" not in capsys.readouterr().out


def beginning(begun, wanted):
    return is_beginning(TrainConfig(**begun).settings(), TrainConfig(**wanted).settings())


@pytest.mark.parametrize(
    ("begun", "wanted", "expected"),
    [
        ({"epochs": 3}, {"epochs": 3, "then": (TrainPhase(epochs=2),)}, True),
        ({"epochs": 3, "then": (TrainPhase(epochs=2),)}, {"epochs": 3}, False),
        ({"epochs": 3, "then": (TrainPhase(epochs=2),)}, {"epochs": 3, "then": (TrainPhase(epochs=4),)}, False),
        ({"epochs": 3}, {"epochs": 6}, False),
        ({"epochs": 3, "schedule": CONSTANT}, {"epochs": 6, "schedule": CONSTANT}, True),
        ({"epochs": 6, "schedule": CONSTANT}, {"epochs": 3, "schedule": CONSTANT}, False),
        ({"epochs": 3}, {"epochs": 3, "batch_size": 4, "then": (TrainPhase(epochs=2),)}, False),
        (
            {"epochs": 3, "minutes": 5.0, "schedule": CONSTANT},
            {"epochs": 6, "minutes": 5.0, "schedule": CONSTANT},
            False,
        ),
        (
            {"epochs": 3, "early_stopping_patience": 2, "schedule": CONSTANT},
            {"epochs": 6, "early_stopping_patience": 2, "schedule": CONSTANT},
            False,
        ),
    ],
)
def test_what_a_longer_training_begins_with(begun, wanted, expected):
    assert beginning(begun, wanted) is expected


def test_a_warmup_that_is_not_over_depends_on_the_length():
    slow = with_warmup(3)
    assert not beginning({"epochs": 3, "schedule": slow}, {"epochs": 6, "schedule": slow})
    quick = with_warmup(2)
    assert beginning({"epochs": 3, "schedule": quick}, {"epochs": 6, "schedule": quick})


def test_a_share_that_changes_until_the_last_epoch_depends_on_the_length():
    shares = {"schedule": CONSTANT, "sampling": SamplingConfig(non_empty_share=0.8, final_non_empty_share=0.5)}
    assert not beginning({"epochs": 3, **shares}, {"epochs": 6, **shares})
    assert beginning({"epochs": 3, **shares}, {"epochs": 3, **shares, "then": (TrainPhase(epochs=2),)})


def with_warmup(epochs):
    return CONSTANT.model_copy(update={"warmup_epochs": float(epochs)})
