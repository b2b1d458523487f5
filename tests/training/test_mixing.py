"""Samples of several images: labels travel with pixels, and everything is a function of (seed, fold, epoch, draw)."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.utils.data import DataLoader

from maskfold.artefacts.paths import RunPaths
from maskfold.config import LossConfig, MixingConfig, ModelConfig, TrainConfig, TrainPhase
from maskfold.errors import ConfigError
from maskfold.network.model import Outputs
from maskfold.training.checks import check_training
from maskfold.training.datamodule import FoldData
from maskfold.training.fit import train_fold
from maskfold.training.losses.combined import SegmentationLoss
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.mixing import Mix, Source, draw_mixes, join, paste_object
from maskfold.training.samples.sampling import Draw, EpochSampler, PseudoRows
from support.trainings import MADE_FROM, config_of, halves

CLASSES = ("bright", "dark")


def sample(value, classes=2, ignored=(), size=(8, 12)):
    """A sample of one value: class 0 in its upper half, and ignored pixels in some rows."""
    planes = np.zeros((*size, classes + 1), np.uint8)
    planes[: size[0] // 2, :, 0] = value > 100
    planes[list(ignored), :, -1] = 1
    return np.full((*size, 3), value, np.uint8), planes


def test_a_pasted_object_brings_its_pixels_and_all_its_labels():
    pixels, planes = sample(10, ignored=range(8))  # nothing of it is labelled
    donor_pixels, donor_planes = np.full((6, 6, 3), 200, np.uint8), np.zeros((6, 6, 3), np.uint8)
    donor_pixels[2, 1:4] = (50, 60, 70)
    donor_planes[2, 1:4, 1] = 1  # the object: three pixels in a row,
    donor_planes[2, 3, 0] = 1  # the last of which shows the other class as well
    paste_object(pixels, planes, (donor_pixels, donor_planes), 1, (), np.random.default_rng(0))
    [row], columns = np.unique(np.nonzero(planes[..., 1])[0]), np.nonzero(planes[..., 1])[1]
    assert np.array_equal(columns, columns[0] + np.arange(3))
    assert (pixels[row, columns] == (50, 60, 70)).all()
    assert planes[row, columns, 0].tolist() == [0, 0, 1]
    assert not planes[row, columns, 2].any() and planes[..., 2].sum() == 8 * 12 - 3  # the object alone is labelled
    assert (pixels == 10).all(axis=2).sum() == 8 * 12 - 3


def test_objects_are_connected_areas_mirrored_as_the_flips_allow():
    donor_pixels, donor_planes = np.zeros((9, 9, 1), np.uint8), np.zeros((9, 9, 2), np.uint8)
    donor_pixels[0, :3, 0], donor_planes[0, :3, 1] = (1, 2, 3), 1
    donor_pixels[5:8, 5, 0], donor_planes[5:8, 5, 1] = (4, 5, 6), 1
    seen = set()
    for seed in range(60):
        pixels, planes = np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 2), np.uint8)
        paste_object(pixels, planes, (donor_pixels, donor_planes), 1, ("horizontal",), np.random.default_rng(seed))
        seen.add(tuple(pixels[planes[..., 1] == 1, 0].tolist()))
    assert seen == {(1, 2, 3), (3, 2, 1), (4, 5, 6)}  # the column is never turned upside down


def test_of_a_large_object_a_part_is_pasted_and_of_an_absent_one_nothing():
    donor = np.full((50, 50, 1), 9, np.uint8), np.ones((50, 50, 2), np.uint8)
    pixels, planes = np.zeros((4, 6, 1), np.uint8), np.zeros((4, 6, 2), np.uint8)
    paste_object(pixels, planes, donor, 0, (), np.random.default_rng(0))
    assert (pixels == 9).all() and planes.all()
    pixels, planes = np.zeros((4, 6, 1), np.uint8), np.zeros((4, 6, 2), np.uint8)
    paste_object(pixels, planes, (donor[0], donor[1] * 0), 0, (), np.random.default_rng(0))
    assert not pixels.any() and not planes.any()


def test_cutmix_puts_a_rectangle_of_another_sample_in_its_place():
    areas = []
    for seed in range(200):
        one, other = sample(200, ignored=[7]), sample(50, ignored=[0])
        pixels, planes = join("cutmix", [one, other], 0.4, 2, np.random.default_rng(seed))
        theirs = (pixels == 50).all(axis=2)
        rows, columns = np.nonzero(theirs.any(axis=1))[0], np.nonzero(theirs.any(axis=0))[0]
        assert theirs.sum() == len(rows) * len(columns)
        assert np.array_equal(planes, np.where(theirs[..., None], other[1], one[1]))
        areas.append(theirs.mean())
    assert min(areas) < 0.02 and max(areas) > 0.9 and np.mean(areas) == pytest.approx(0.5, abs=0.06)


def test_mixup_is_the_mean_of_pixels_and_masks_and_ignores_what_either_does():
    one, other = sample(200, ignored=[7]), sample(50, ignored=[0])
    share = float(np.random.default_rng(3).beta(0.4, 0.4))
    pixels, planes = join("mixup", [one, other], 0.4, 2, np.random.default_rng(3))
    assert pixels.dtype == np.uint8 and (pixels == round(50 + 150 * share)).all()
    assert planes.dtype == np.float32
    assert planes[:4, :, 0] == pytest.approx(np.full((4, 12), share)) and not planes[4:, :, 0].any()
    assert planes[:, 0, 2].tolist() == [1, 0, 0, 0, 0, 0, 0, 1]


def test_a_mosaic_has_a_quarter_of_each_of_four_samples():
    samples = [sample(value) for value in (10, 20, 130, 140)]
    for seed in range(20):
        pixels, planes = join("mosaic", samples, 0.4, 2, np.random.default_rng(seed))
        corners = [pixels[0, 0, 0], pixels[0, -1, 0], pixels[-1, 0, 0], pixels[-1, -1, 0]]
        assert corners == [10, 20, 130, 140]
        y, x = int((pixels[:, 0, 0] == 10).sum()), int((pixels[0, :, 0] == 10).sum())
        assert 2 <= y <= 6 and 3 <= x <= 9
        assert (pixels[:y, x:] == 20).all() and (pixels[y:, :x] == 130).all() and (pixels[y:, x:] == 140).all()
        assert not planes[:y].any() and planes[y:4, :, 0].all()  # values above 100 show class 0 in rows 0 to 3


def test_donors_show_the_class_and_every_class_is_as_frequent():
    presence = np.zeros((100, 2), bool)
    presence[:90, 0], presence[97:, 1] = True, True  # 90 images show class 0, three class 1
    draws = [Source(97 if row % 2 else 0, -1) for row in range(2000)]
    mixing = MixingConfig(copy_paste=0.5, copy_paste_objects=3)
    mixes = draw_mixes(mixing, draws, presence, CLASSES, np.random.default_rng(0))
    donors = [donor for mix in mixes for donor in mix.donors]
    assert all(presence[donor.image, donor.target] for donor in donors)
    assert all(donor.image != draw.image for draw, mix in zip(draws, mixes, strict=True) for donor in mix.donors)
    assert np.mean([donor.target for donor in donors]) == pytest.approx(0.5, abs=0.03)
    counts = np.bincount([len(mix.donors) for mix in mixes]) / len(mixes)
    assert counts == pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6], abs=0.03)
    rare = draw_mixes(MixingConfig(copy_paste=1.0, copy_paste_classes=("dark",)), draws, presence, CLASSES, rng())
    assert {donor.target for mix in rare for donor in mix.donors} == {1}
    nothing = draw_mixes(MixingConfig(copy_paste=1.0), draws, presence & False, CLASSES, rng())
    assert not any(mix.donors for mix in nothing)


def rng():
    return np.random.default_rng(1)


def test_the_shares_of_the_kinds_are_those_of_the_config_and_partners_are_other_draws():
    mixing = MixingConfig(cutmix=0.2, mixup=0.3, mosaic=0.1)
    draws = [Source(7, 1), Source(9, -1)]
    mixes = draw_mixes(mixing, draws * 2000, np.ones((10, 2), bool), CLASSES, rng())
    partners = {None: 0, "cutmix": 1, "mixup": 1, "mosaic": 3}
    for kind, share in {"cutmix": 0.2, "mixup": 0.3, "mosaic": 0.1, None: 0.4}.items():
        assert np.mean([mix.kind == kind for mix in mixes]) == pytest.approx(share, abs=0.03)
    assert all(len(mix.partners) == partners[mix.kind] and set(mix.partners) <= set(draws) for mix in mixes)


def sampler_of(presence, mixing, rank=0, world=1, pseudo=None, **train):
    return EpochSampler(presence, TrainConfig(mixing=mixing, **train), 1, 0, rank, world, pseudo, CLASSES)


MIXED = MixingConfig(copy_paste=0.7, cutmix=0.3, mixup=0.3, mosaic=0.3)


def test_mixing_changes_no_draw_is_the_same_for_several_processes_and_ends_with_its_phase():
    presence = np.random.default_rng(0).random((12, 2)) < 0.5
    plain, mixed = list(sampler_of(presence, MixingConfig())), list(sampler_of(presence, MIXED))
    assert [draw[:4] for draw in plain] == [draw[:4] for draw in mixed]
    assert all(draw.mix == Mix() for draw in plain) and any(draw.mix.donors for draw in mixed)
    shares = [list(sampler_of(presence, MIXED, rank, 2)) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1], key=lambda draw: draw.number) == mixed
    phased = sampler_of(presence, MIXED, epochs=1, then=(TrainPhase(epochs=1, mixing=MixingConfig()),))
    phased.set_epoch(1)
    assert all(draw.mix == Mix() for draw in phased)


def test_pseudo_labelled_images_give_no_objects():
    sampler = sampler_of(np.ones((12, 2), bool), MixingConfig(copy_paste=1.0), pseudo=PseudoRows(8, 0.9))
    assert {donor.image for draw in sampler for donor in draw.mix.donors} <= set(range(4))


def dataset_of(competition, ignored=None, **train):
    config = TrainConfig(**{"crop_size": (32, 32), "augmentation": "heavy", **train})
    return TrainingDataset(competition.train, competition.masks, config, ModelConfig(), 1, 0, ignored=ignored)


def test_samples_do_not_depend_on_the_number_of_loader_processes(tiny_competition):
    dataset = dataset_of(tiny_competition, mixing=MIXED)
    sampler = sampler_of(np.ones((12, 2), bool), MIXED)

    def batches(count):
        return list(DataLoader(dataset, 4, sampler=sampler, num_workers=count))

    for here, there in zip(batches(0), batches(2), strict=True):
        assert here.masks.dtype == torch.float32 and here.masks.min() >= 0 and here.masks.max() <= 1
        assert torch.equal(here.pixels, there.pixels) and torch.equal(here.masks, there.masks)


def test_an_image_without_a_mix_is_as_it_would_be_without_mixing(tiny_competition):
    plain, mixed = (dataset_of(tiny_competition, mixing=mixing) for mixing in (MixingConfig(), MIXED))
    draw = Draw(3, 5, 2, -1)
    assert torch.equal(plain[draw].pixels, mixed[draw].pixels)
    assert torch.equal(plain[draw].masks.float(), mixed[draw].masks)
    pasted = mixed[draw._replace(mix=Mix((Source(1, 1),)))]
    assert not torch.equal(pasted.pixels, mixed[draw].pixels) and pasted.masks[..., 1].any()


def test_void_pixels_of_partners_stay_void(tiny_competition):
    def ignored(image_id):
        """All pixels of image 1, none of the others."""
        shape = tiny_competition.masks(image_id).shape[1:]
        return np.full(shape, image_id == tiny_competition.train["image_id"][1], np.uint8)

    dataset = dataset_of(tiny_competition, ignored, augmentation="none", mixing=MixingConfig(cutmix=1.0))
    sample = dataset[Draw(0, 0, 0, -1, Mix((), "cutmix", (Source(1, -1),)))]
    alone = dataset[Draw(0, 0, 0, -1)]
    changed = (sample.pixels != alone.pixels).any(dim=2)
    assert changed.any() and bool(sample.masks[..., 2][changed].all()) and not alone.masks[..., 2].any()


@pytest.mark.parametrize("term", ["bce", "focal", "dice", "tversky", "log_dice", "dice_cross_entropy"])
def test_no_prediction_costs_less_than_the_soft_truth_itself(term):
    terms = {"bce": 0.0, "dice": 0.0, "tversky_alpha": 0.5, term: 1.0}
    loss, truth = SegmentationLoss(LossConfig(**terms)), torch.full((1, 1, 4, 4), 0.3)
    costs = [loss(Outputs(torch.full_like(truth, p).logit(), None), truth).item() for p in (0.1, 0.2, 0.3, 0.4, 0.7)]
    assert costs[2] == min(costs) and costs.count(costs[2]) == 1


def test_losses_of_soft_masks_by_hand():
    logits, truth = torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.25, 1.0]]]])
    dice = SegmentationLoss(LossConfig(bce=0.0, dice=1.0))(Outputs(logits, None), truth)
    assert dice.item() == pytest.approx(1 - 2 * (0.25 + 0.5) / (1.0 + 1.25))
    focal = SegmentationLoss(LossConfig(bce=0.0, dice=0.0, focal=1.0))(Outputs(logits, None), truth)
    assert focal.item() == pytest.approx(np.log(2) * (0.25**2 + 0.5**2) / 2)


def test_a_network_trains_on_mixed_samples_and_the_weights_repeat(tmp_path, tiny_competition):
    weights = []
    for name in ("one", "two"):
        config = config_of(tmp_path, name, epochs=2, mixing=MIXED)
        train_fold(config, tiny_competition, halves(tiny_competition), 0, MADE_FROM)
        weights.append(torch.load(RunPaths.of(config).model(0), weights_only=True))
        assert (RunPaths.of(config).training(0) / "samples.png").is_file()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    data = FoldData(config, tiny_competition, halves(tiny_competition), 0, 0)
    shown = data.first_samples(8)
    assert all(masks.dtype == np.uint8 and masks.max() <= 1 for _, masks in shown)


def test_what_cannot_be_mixed_is_refused(tmp_path, tiny_competition):
    config = config_of(tmp_path, mixing=MixingConfig(copy_paste=0.5, copy_paste_classes=("dark", "drak")))
    with pytest.raises(ConfigError, match=r"train\.mixing\.copy_paste_classes: unknown drak; .* bright, dark"):
        check_training(config, tiny_competition, None)
    later = config_of(tmp_path, then=(TrainPhase(epochs=1, mixing=MixingConfig(copy_paste_classes=("x",))),))
    with pytest.raises(ConfigError, match=r"train\.then\[0\]\.mixing"):
        check_training(later, replace(tiny_competition), None)
    with pytest.raises(ValidationError, match=r"sum to 1\.2"):
        MixingConfig(cutmix=0.6, mosaic=0.6)
    with pytest.raises(ValidationError, match="lovasz_symmetric cannot take"):
        TrainConfig(mixing=MixingConfig(mixup=0.1), loss=LossConfig(lovasz_symmetric=1.0))


def test_runs_without_mixing_have_the_record_of_before():
    assert "mixing" not in TrainConfig().settings()
    assert TrainConfig(mixing=MIXED).settings()["mixing"]["cutmix"] == 0.3
    assert "mixing" not in TrainConfig(then=(TrainPhase(epochs=1),)).settings()["then"][0]
