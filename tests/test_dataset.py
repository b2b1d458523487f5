"""Training samples and their order: functions of (seed, fold, epoch, draw, image) alone."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from maskfold.config import ModelConfig, TrainConfig
from maskfold.data.dataset import Draw, EpochSampler, TrainingDataset


def dataset_of(competition, **train):
    config = TrainConfig(crop_size=train.pop("crop_size", (32, 32)), augmentation="heavy", **train)
    return TrainingDataset(competition.train, competition.masks, config, ModelConfig(), seed=1, fold=0)


def test_samples_have_the_crop_size_and_binary_masks(tiny_competition):
    pixels, masks = dataset_of(tiny_competition)[Draw(0, 0, 0)]
    assert (pixels.shape, pixels.dtype) == ((3, 32, 32), torch.uint8)
    assert masks.shape == (2, 32, 32)
    assert set(masks.unique().tolist()) <= {0, 1}


def test_without_a_crop_size_every_image_fits(tiny_competition):
    assert dataset_of(tiny_competition, crop_size=None).crop_size == (64, 96)


def test_a_sample_does_not_depend_on_what_was_drawn_before(tiny_competition):
    dataset = dataset_of(tiny_competition)
    first = dataset[Draw(3, 5, 2)][0]
    _ = dataset[Draw(3, 6, 1)]
    assert torch.equal(dataset[Draw(3, 5, 2)][0], first)
    assert torch.equal(dataset_of(tiny_competition)[Draw(3, 5, 2)][0], first)
    assert not torch.equal(dataset[Draw(4, 5, 2)][0], first)


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_do_not_depend_on_the_number_of_loader_processes(tiny_competition, workers):
    dataset = dataset_of(tiny_competition)
    sampler = EpochSampler(np.ones(12, bool), None, seed=1, fold=0)

    def batches(count):
        return [pixels for pixels, _ in DataLoader(dataset, 4, sampler=sampler, num_workers=count)]

    assert all(torch.equal(a, b) for a, b in zip(batches(0), batches(workers), strict=True))


def test_an_epoch_without_a_share_shows_every_image_once():
    sampler = EpochSampler(np.arange(10) < 3, None, seed=0, fold=0)
    first = [draw.image for draw in sampler]
    assert sorted(first) == list(range(10))
    sampler.set_epoch(1)
    assert [draw.image for draw in sampler] != first


def test_the_share_of_non_empty_images_is_kept_and_none_is_favoured():
    sampler = EpochSampler(np.arange(100) < 20, 0.7, seed=0, fold=0)
    times = Counter(draw.image for draw in sampler)
    shown = [times[image] for image in range(20)]
    assert len(sampler) == sum(times.values()) == 100
    assert sum(shown) == 70
    assert set(shown) == {3, 4}


def test_processes_share_an_epoch_without_overlap():
    whole = list(EpochSampler(np.ones(11, bool), None, 0, 0))
    parts = [list(EpochSampler(np.ones(11, bool), None, 0, 0, rank, 2)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [6, 5]
    assert sorted(parts[0] + parts[1]) == sorted(whole)
