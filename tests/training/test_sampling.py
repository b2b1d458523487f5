"""Which images an epoch draws: shares, balance, phases, processes, and a balanced subset."""

from collections import Counter

import numpy as np
import pytest

from maskfold.config import SamplingConfig, SubsetConfig, TrainConfig, TrainPhase
from maskfold.training.samples.sampling import (
    ANY_CLASS,
    EpochSampler,
    draw_images,
    share_at,
    subset_rows,
)

# 100 images: 20 show class 0, 4 of them class 1 too; the others are empty.
PRESENCE = np.zeros((100, 2), bool)
PRESENCE[:20, 0] = True
PRESENCE[:4, 1] = True


def sampler_of(rank=0, world=1, presence=PRESENCE, phases=(), epochs=3, **sampling):
    train = TrainConfig(epochs=epochs, sampling=SamplingConfig(**sampling), then=phases)
    return EpochSampler(presence, train, seed=0, fold=0, rank=rank, world=world)


def test_an_epoch_without_a_share_shows_every_image_once():
    sampler = sampler_of()
    first = [draw.image for draw in sampler]
    assert sorted(first) == list(range(100))
    sampler.set_epoch(1)
    assert [draw.image for draw in sampler] != first
    sampler.set_epoch(0)
    assert [draw.image for draw in sampler] == first


def test_the_share_of_non_empty_images_is_kept_and_none_is_favoured():
    sampler = sampler_of(non_empty_share=0.7)
    times = Counter(draw.image for draw in sampler)
    shown = [times[image] for image in range(20)]
    assert len(sampler) == sum(times.values()) == 100
    assert sum(shown) == 70
    assert set(shown) == {3, 4}


def test_the_share_moves_in_equal_steps_to_its_end():
    sampling = SamplingConfig(non_empty_share=0.8, final_non_empty_share=0.2)
    assert [round(share_at(sampling, epoch, 4), 9) for epoch in range(4)] == [0.8, 0.6, 0.4, 0.2]
    sampler = sampler_of(epochs=4, non_empty_share=0.8, final_non_empty_share=0.2)
    for epoch, expected in enumerate((80, 60, 40, 20)):
        sampler.set_epoch(epoch)
        assert sum(draw.image < 20 for draw in sampler) == expected


@pytest.mark.parametrize(("balance", "of_rare"), [(1.0, 30), (0.5, round(60 * 2 / (2 + 20**0.5)))])
def test_class_balance_draws_the_rare_class_as_often_as_it_says(balance, of_rare):
    sampling = SamplingConfig(non_empty_share=0.6, class_balance=balance)
    images, targets = draw_images(PRESENCE, sampling, 0.6, np.random.default_rng(0))
    assert len(images) == 100
    assert abs((targets == 1).sum() - of_rare) <= 1
    assert (targets == ANY_CLASS).sum() == 40
    for image, target in zip(images, targets, strict=True):
        assert target == ANY_CLASS or PRESENCE[image, target]
    times = Counter(images[targets == 1].tolist())
    assert max(times.values()) - min(times.values()) <= 1


def test_a_class_no_image_shows_is_never_drawn_for():
    presence = np.concatenate([PRESENCE, np.zeros((100, 1), bool)], axis=1)
    _, targets = draw_images(presence, SamplingConfig(class_balance=1.0), None, np.random.default_rng(0))
    assert 2 not in targets
    assert (targets != ANY_CLASS).sum() == 20  # without a share, as many as there are


def test_draws_per_epoch_is_the_length_of_an_epoch():
    for number in (7, 250):
        assert len(list(sampler_of(draws_per_epoch=number))) == len(sampler_of(draws_per_epoch=number)) == number


@pytest.mark.parametrize("count", [11, 12])
def test_processes_cover_an_epoch_together_in_equal_numbers(count):
    presence = PRESENCE[:count]
    whole = list(sampler_of(presence=presence))
    parts = [list(sampler_of(rank, 2, presence=presence)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [6, 6]
    together = sorted([*parts[0], *parts[1]], key=lambda draw: draw.number)
    assert together[:count] == whole
    assert [draw.image for draw in together[count:]] == [draw.image for draw in whole[: 12 - count]]


def test_a_later_phase_draws_by_its_own_sampling():
    phase = TrainPhase(epochs=1, sampling=SamplingConfig(non_empty_share=0.5, draws_per_epoch=10))
    sampler = sampler_of(epochs=2, phases=(phase,))
    sampler.set_epoch(2)
    assert len(sampler) == 10
    assert sum(draw.image < 20 for draw in sampler) == 5


def test_a_subset_holds_so_many_empties_and_at_least_so_many_of_each_class():
    rows = subset_rows(PRESENCE, SubsetConfig(empty=10, per_class=8), seed=0, fold=0)
    chosen = PRESENCE[rows]
    assert (~chosen.any(axis=1)).sum() == 10
    assert chosen[:, 1].sum() == 4  # all there are
    assert chosen[:, 0].sum() == 8  # the four that show both count for both
    assert rows.tolist() == subset_rows(PRESENCE, SubsetConfig(empty=10, per_class=8), 0, 0).tolist()
    assert len(subset_rows(PRESENCE, SubsetConfig(empty=10), 0, 0)) == 30
    assert len(subset_rows(PRESENCE, None, 0, 0)) == 100
