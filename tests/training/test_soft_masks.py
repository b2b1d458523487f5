"""Soft masks in training: what a sample holds, what it costs, and two epochs from files to scores."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.config import LossConfig, MaskFoldersData, MixingConfig, ModelConfig, Resize, SamplingConfig, TrainConfig
from maskfold.data.opening import open_competition
from maskfold.errors import ConfigError
from maskfold.network.model import Outputs
from maskfold.stages.make_folds import make_folds
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.training.checks import check_training
from maskfold.training.history import read_history
from maskfold.training.losses.combined import SegmentationLoss
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.mixing import Mix, Source
from maskfold.training.samples.sampling import ANY_CLASS, Draw
from support.trainings import config_of

SIZE = (64, 96)


def soft_disc(number):
    """Four annotators' discs of different sizes, averaged: (H, W) uint8."""
    discs = [cv2.circle(np.zeros(SIZE, np.uint8), (30 + 4 * number, 32), 8 + 3 * each, 255, -1) for each in range(4)]
    return np.rint(np.mean(discs, axis=0)).astype(np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("annotators")
    for folder in ("train", "train_mask", "void"):
        (root / folder).mkdir()
    for number in range(6):
        soft = soft_disc(number)
        photo = np.random.default_rng(number).integers(40, 80, (*SIZE, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f"train/{number}.png"), photo + soft[..., None] // 2)
        cv2.imwrite(str(root / f"train_mask/{number}.png"), soft)
        void = np.zeros(SIZE, np.uint8)
        void[:4] = 255
        cv2.imwrite(str(root / f"void/{number}.png"), void)
    return root


def opened(root, **changes):
    return open_competition(MaskFoldersData(root=str(root), test_images=None, soft=True, **changes))


def dataset(competition, model=None, **train):
    config = TrainConfig(**{"augmentation": "none", "flips": (), "cache": "none", **train})
    model = model or ModelConfig()
    ignored = competition.ignored
    return TrainingDataset(competition.train, competition.soft, config, model, 1, 0, ignored=ignored, soft=True)


def test_a_sample_holds_the_probabilities(root):
    sample = dataset(opened(root))[Draw(0, 0, 2, ANY_CLASS, Mix())]
    assert sample.masks.dtype == torch.float32
    assert np.array_equal(sample.masks[..., 0].numpy(), soft_disc(2).astype(np.float32) / 255)
    ignored = dataset(opened(root, ignore_masks="void"))[Draw(0, 0, 2, ANY_CLASS, Mix())]
    assert ignored.masks[..., 1].unique(return_counts=True)[1].tolist() == [60 * 96, 4 * 96]
    assert ignored.masks[:4, :, 0].sum() == 0


def test_a_smaller_sample_holds_the_mean_of_the_area(root):
    sample = dataset(opened(root), ModelConfig(resize=Resize(size=(32, 32))))[Draw(0, 0, 2, ANY_CLASS, Mix())]
    expected = cv2.resize(soft_disc(2), (32, 32), interpolation=cv2.INTER_AREA) / np.float32(255)
    assert np.array_equal(sample.masks[..., 0].numpy(), expected)


def test_crops_and_pasted_objects_are_of_what_is_on_from_a_half(root):
    sampling = SamplingConfig(defect_crop_share=1.0)
    samples = dataset(opened(root), crop_size=(32, 32), sampling=sampling)
    shown = [samples[Draw(0, number, 2, ANY_CLASS, Mix())].masks.max().item() for number in range(10)]
    assert min(shown) >= 0.5
    pasting = dataset(opened(root), mixing=MixingConfig(copy_paste=1.0))
    pasted = pasting[Draw(0, 0, 2, ANY_CLASS, Mix(donors=(Source(4, 0),)))].masks[..., 0].numpy()
    changed = pasted != dataset(opened(root))[Draw(0, 0, 2, ANY_CLASS, Mix())].masks[..., 0].numpy()
    assert changed.any() and pasted[changed].min() >= 0.5


def test_mixup_of_soft_masks_by_hand(root):
    mixing = MixingConfig(mixup=1.0)
    mix = Mix(kind="mixup", partners=(Source(4, ANY_CLASS),))
    mixed = dataset(opened(root), mixing=mixing)[Draw(0, 0, 2, ANY_CLASS, mix)].masks[..., 0].numpy()
    one, other = (soft_disc(number).astype(np.float32) / 255 for number in (2, 4))
    share = ((mixed - other) * (one - other)).sum() / ((one - other) ** 2).sum()
    assert 0 < share < 1
    assert mixed == pytest.approx(share * one + (1 - share) * other, abs=1e-6)


@pytest.mark.parametrize("terms", [{"bce": 1.0}, {"dice": 1.0}, {"focal": 1.0}, {"tversky": 1.0}, {"log_dice": 1.0}])
def test_the_best_prediction_is_the_probability_itself(terms):
    """A truth of 0.25 and 0.75: the loss is least there, not at 0 and 1."""
    loss = SegmentationLoss(LossConfig(**{"bce": 0.0, "dice": 0.0, **terms}))
    truth = torch.tensor([[[[0.25, 0.75]]]])
    costs = {}
    for moved in (-0.2, -0.05, 0.0, 0.05, 0.2):
        logits = torch.logit(truth + moved)
        costs[moved] = loss(Outputs(logits, None), truth).item()
    assert min(costs, key=costs.get) == 0.0


def test_the_cross_entropy_by_hand():
    loss = SegmentationLoss(LossConfig(dice=0.0))
    found = loss(Outputs(torch.zeros(1, 1, 1, 2), None), torch.tensor([[[[0.25, 1.0]]]]))
    assert found.item() == pytest.approx(np.log(2))  # of p = 1/2, whatever the truth
    # Probabilities 3/4 and 1/4 of the truth 1/4: -(ln 3/4 + 3 ln 1/4) / 4.
    found = loss(Outputs(torch.tensor([[[[np.log(3.0)]]]]).float(), None), torch.tensor([[[[0.25]]]]))
    assert found.item() == pytest.approx(-(np.log(3 / 4) + 3 * np.log(1 / 4)) / 4)


@pytest.mark.parametrize("name", ["lovasz", "lovasz_symmetric"])
def test_lovasz_is_refused_for_soft_masks(name, root, tmp_path):
    config = config_of(tmp_path, loss=LossConfig(**{name: 1.0}))
    with pytest.raises(ConfigError, match=rf"train\.loss\.{name}: the labels are soft masks"):
        check_training(config, opened(root), None)


def test_two_epochs_from_files_to_scores(root):
    data = MaskFoldersData(root=str(root), test_images=None, soft=True)
    config = config_of(root / "out", "soft", epochs=2, crop_size=SIZE).model_copy(update={"data": data})
    competition = open_competition(data)
    for stage in (make_folds, train_models, predict_oof):
        stage(config, competition)
    paths = RunPaths.of(config)
    assert paths.oof_parquet(1).is_file()
    # The least loss of soft masks is above 0, as is that of a validation against them.
    assert (read_history(paths.history_csv(0))["valid_loss"] > 0.05).all()


def test_two_epochs_of_soft_classes_that_exclude_each_other(root, tmp_path):
    """The probabilities of two classes, and of neither: the loss is that of the softmax, the masks are the argmax."""
    for folder, share in (("train", None), ("half", 0.5), ("rest", 0.25)):
        (tmp_path / folder).mkdir()
        for number in range(6):
            image = cv2.imread(str(root / ("train" if share is None else "train_mask") / f"{number}.png"))
            image = image if share is None else np.rint(share * image[..., 0]).astype(np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"{number}.png"), image)
    names = {"class_names": ("half", "rest"), "train_masks": ".", "mask_name": "{class}/{stem}", "test_images": None}
    data = MaskFoldersData(root=str(tmp_path), soft=True, exclusive=True, **names)
    config = config_of(tmp_path / "out", "soft", epochs=2, crop_size=SIZE).model_copy(update={"data": data})
    competition = open_competition(data)
    assert competition.masks("2").sum(axis=(1, 2))[1] == 0 < competition.masks("2").sum()
    for stage in (make_folds, train_models, predict_oof):
        stage(config, competition)
    assert (read_history(RunPaths.of(config).history_csv(0))["valid_loss"] > 0.05).all()
