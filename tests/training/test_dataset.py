"""Training samples and their order: functions of (seed, fold, epoch, draw, image) alone."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from maskfold.config import ModelConfig, SamplingConfig, TrainConfig, TrainPhase
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.sampling import ANY_CLASS, Draw, EpochSampler


def dataset_of(competition, **train):
    config = TrainConfig(**{"crop_size": (32, 32), "augmentation": "heavy", **train})
    return TrainingDataset(competition.train, competition.masks, config, ModelConfig(), seed=1, fold=0)


def test_samples_have_the_crop_size_and_binary_masks(tiny_competition):
    pixels, masks, image = dataset_of(tiny_competition)[Draw(0, 0, 3, ANY_CLASS)]
    assert (pixels.shape, pixels.dtype) == ((32, 32, 3), torch.uint8)
    assert masks.shape == (32, 32, 2)
    assert set(masks.unique().tolist()) <= {0, 1}
    assert image == 3


def test_every_phase_has_its_crop_size(tiny_competition):
    dataset = dataset_of(tiny_competition, epochs=2, then=(TrainPhase(epochs=1, crop_size="whole"),))
    assert [dataset[Draw(epoch, 0, 0, ANY_CLASS)].pixels.shape[:2] for epoch in (1, 2)] == [(32, 32), (64, 96)]


def test_a_crop_made_for_a_class_shows_it(tiny_competition):
    sampling = SamplingConfig(defect_crop_share=1.0)
    dataset = dataset_of(tiny_competition, sampling=sampling, augmentation="none")
    for number in range(20):
        assert dataset[Draw(0, number, 1, 1)].masks[..., 1].any()  # image 1 shows a dark square
        assert dataset[Draw(0, number, 1, 0)].masks[..., 1].any()  # not class 0, so what there is


def test_a_sample_does_not_depend_on_what_was_drawn_before(tiny_competition):
    dataset = dataset_of(tiny_competition)
    first = dataset[Draw(3, 5, 2, ANY_CLASS)].pixels
    _ = dataset[Draw(3, 6, 1, ANY_CLASS)]
    assert torch.equal(dataset[Draw(3, 5, 2, ANY_CLASS)].pixels, first)
    assert torch.equal(dataset_of(tiny_competition)[Draw(3, 5, 2, ANY_CLASS)].pixels, first)
    assert not torch.equal(dataset[Draw(4, 5, 2, ANY_CLASS)].pixels, first)


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_do_not_depend_on_the_number_of_loader_processes(tiny_competition, workers):
    dataset = dataset_of(tiny_competition)
    sampler = EpochSampler(np.ones((12, 2), bool), TrainConfig(), seed=1, fold=0)

    def batches(count):
        return [batch.pixels for batch in DataLoader(dataset, 4, sampler=sampler, num_workers=count)]

    assert all(torch.equal(a, b) for a, b in zip(batches(0), batches(workers), strict=True))
