"""The learning rate by hand: warm-up, cosine, one cycle, and phases one after the other."""

import pytest

from maskfold.config import ScheduleConfig, TrainConfig, TrainPhase
from maskfold.training.schedule import decoder_rate, encoder_rate, rate_factor, rate_over_training


def factors(steps, **schedule):
    return [rate_factor(ScheduleConfig(**schedule), step, steps, steps_per_epoch=2) for step in range(steps)]


def test_cosine_after_a_linear_warm_up():
    assert factors(6, kind="cosine", warmup_epochs=1) == pytest.approx([1 / 3, 2 / 3, 1, 0.8535534, 0.5, 0.1464466])


def test_cosine_ends_near_its_final_factor():
    assert factors(2, kind="cosine", warmup_epochs=0, final_factor=0.2) == pytest.approx([1, 0.6])


def test_constant_only_warms_up():
    assert factors(4, kind="constant", warmup_epochs=0.5) == pytest.approx([0.5, 1, 1, 1])


def test_one_cycle_rises_for_three_tenths_and_falls():
    rates = factors(10, kind="one_cycle")
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[3] == pytest.approx(1)
    assert rates[3:] == sorted(rates[3:], reverse=True)


def test_plateau_leaves_the_steps_alone():
    assert factors(3, kind="plateau") == [1, 1, 1]


def test_phases_follow_each_other_with_rates_of_their_own():
    no_warm_up = ScheduleConfig(kind="constant", warmup_epochs=0)
    train = TrainConfig(
        epochs=2,
        learning_rate=1e-2,
        encoder_learning_rate=1e-3,
        schedule=no_warm_up,
        then=(TrainPhase(epochs=1, learning_rate=1e-3), TrainPhase(epochs=1, encoder_learning_rate=5e-4)),
    )
    phases = train.phases()
    decoder = rate_over_training(phases, [2, 3, 1], decoder_rate)
    encoder = rate_over_training(phases, [2, 3, 1], encoder_rate)
    assert [decoder(step) for step in range(9)] == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert [encoder(step) for step in range(9)] == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.5, 0.5])
