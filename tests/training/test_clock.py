"""A training with a time limit: it ends in time, with the end of its schedule, and goes on with the time left."""

import time

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from maskfold.config import ScheduleConfig, TrainConfig, TrainPhase
from maskfold.training.clock import TrainingClock
from maskfold.training.fit import train_fold
from maskfold.training.history import read_history
from maskfold.training.schedule import decoder_rate, rate_over_training
from support.trainings import MADE_FROM, config_of, halves


def test_the_schedule_follows_the_time_where_it_is_ahead_of_the_steps():
    shares = iter([0.0, 0.5, 0.75, 1.0])
    train = TrainConfig(epochs=10, schedule=ScheduleConfig(warmup_epochs=0), minutes=1)
    factor = rate_over_training([train], [10], decoder_rate, lambda: next(shares))
    # Of 100 steps: by steps 0, 10, 90 and 100; by the clock 0, 50, 75 and 100.
    wanted = [0.5 * (1 + np.cos(np.pi * share)) for share in (0, 0.5, 0.9, 1)]
    assert [factor(step) for step in (0, 10, 90, 100)] == pytest.approx(wanted)


def test_a_training_ends_in_time_at_the_end_of_its_schedule(tmp_path, tiny_competition):
    config = config_of(tmp_path, epochs=100_000, minutes=4 / 60, validate_every=None, select="last")
    started = time.monotonic()
    train_fold(config, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
    assert 4 <= time.monotonic() - started < 60
    folder = tmp_path / "runs" / "x" / "fold0"
    history = read_history(folder / "history.csv")
    assert 1 < len(history) < 10_000 and history["valid_metric"].isna().all()
    assert history["learning_rate"].iloc[-1] < 0.05 * history["learning_rate"].max()  # nowhere near 100,000 epochs
    kept = torch.load(folder / "last.ckpt", weights_only=True)["callbacks"]["TrainingClock"]["elapsed"]
    assert kept == pytest.approx(4, abs=1)


def test_without_a_limit_the_time_plays_no_part(tmp_path, tiny_competition):
    config = config_of(tmp_path, epochs=3, validate_every=None, select="last")
    train_fold(config, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
    assert len(read_history(tmp_path / "runs" / "x" / "fold0" / "history.csv")) == 3


def test_a_resumed_training_has_the_time_that_was_left():
    clock = TrainingClock(minutes=1)
    clock.load_state_dict({"elapsed": 45.0})
    assert clock.share == pytest.approx(0.75, abs=0.01)
    clock.load_state_dict({"elapsed": 90.0})
    assert clock.share == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"minutes": 1, "then": (TrainPhase(epochs=1),)},
        {"minutes": 1, "schedule": ScheduleConfig(kind="plateau")},
        {"minutes": 0},
        {"validate_every": None},  # select: best needs validations
        {"validate_every": None, "select": "last", "early_stopping_patience": 2},
    ],
)
def test_what_cannot_go_together_is_refused(settings):
    with pytest.raises(ValidationError):
        TrainConfig(**settings)


def test_no_limit_leaves_the_recorded_settings_as_they_were():
    assert "minutes" not in TrainConfig().settings()
    assert TrainConfig(minutes=2).settings()["minutes"] == 2
