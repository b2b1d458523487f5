"""2.5D in training and prediction: what a sample and a batch hold, and that neighbours are augmented alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from maskfold.config import InferenceConfig, ModelConfig, TrainConfig, load_config
from maskfold.data.images.depth import training_intensity
from maskfold.data.opening import open_competition
from maskfold.errors import ConfigError
from maskfold.inference.batches import batch_loader
from maskfold.network.model import build_model, load_model
from maskfold.network.normalisation import IMAGENET, normalisation_of
from maskfold.pixels.intensity import Intensity
from maskfold.training.samples.augmentation import augment, augmentation, check_augmentation
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.sampling import ANY_CLASS, Draw
from support.frames import SIZE, clips_config, frame, write_clips

PLAIN = {"augmentation": "none", "flips": ()}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("clips")
    write_clips(root / "data")
    config = clips_config(root)
    return config, open_competition(config.data, config.in_channels)


def stacked(clip, *indices):
    return np.concatenate([frame(clip, index)[0] for index in indices], axis=2)


def test_config_refuses_neighbours_without_volumes(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("name: x\ndata: {format: mask_folders, root: d}\nmodel: {neighbours: {before: 2}}\n")
    with pytest.raises(ConfigError, match=r"model.neighbours needs to know .* set data.volumes"):
        load_config(path)
    for text, message in (
        ("{name: a, csv: b}", "exactly one of name and csv"),
        ("{name: '(?P<volume>.+)'}", "expected the groups volume and index"),
        ("{name: '(?P<volume>.+'}", "no regular expression"),
    ):
        path.write_text(f"name: x\ndata: {{format: mask_folders, root: d, volumes: {text}}}\n")
        with pytest.raises(ConfigError, match=message):
            load_config(path)


@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_a_sample_holds_the_frames_and_one_mask(clips, cache, tmp_path):
    config, competition = clips
    train = TrainConfig(**PLAIN, cache=cache)
    samples = TrainingDataset(competition.train, competition.masks, train, config.model, 0, 0, tmp_path)
    assert len(samples.cache.photos) == 16, "each file once"
    for row, (clip, *indices) in {0: (0, 0, 0, 1), 6: (1, 1, 2, 3), 15: (3, 2, 3, 3)}.items():
        sample = samples[Draw(0, 0, row, ANY_CLASS)]
        assert np.array_equal(sample.pixels.numpy(), stacked(clip, *indices))
        assert np.array_equal(sample.masks[..., 0].numpy() * 255, frame(clip, row % 4)[1])


def test_a_batch_of_images_holds_the_frames(clips):
    config, competition = clips
    images = competition.test.iloc[[1, 3]]  # a part of a clip, as in a shard
    model = config.model.model_copy(update={"neighbours": config.model.neighbours.model_copy(update={"before": 2})})
    [batch] = batch_loader(images, model, InferenceConfig(), 0, torch.device("cpu"))
    found = batch.pixels.permute(0, 2, 3, 1).numpy()
    assert batch.image_ids == ["4_1", "4_3"]
    assert np.array_equal(found, [stacked(4, 0, 0, 1, 2), stacked(4, 1, 2, 3, 3)])


@pytest.mark.parametrize("preset", ["light", "medium", "heavy", "people"])
@pytest.mark.parametrize("deep", [False, True])
def test_all_frames_are_augmented_alike(preset, deep):
    """Three times the same frame stays three times the same, while the sample changes."""
    one, mask = frame(0, 1)
    intensity = None
    if deep:
        one, intensity = one.astype(np.uint16) * 200, Intensity("uint16", (0,) * 9, (65535,) * 9)
    compose, changed = augmentation(TrainConfig(augmentation=preset)), 0
    for draw in range(12):
        rng = np.random.default_rng(draw)
        pixels, _ = augment(compose, np.tile(one, (1, 1, 3)), mask[..., None] // 255, rng, intensity, 3)
        first, *others = np.split(pixels, 3, axis=2)
        assert pixels.shape == (*SIZE, 9) and all(np.array_equal(first, other) for other in others)
        changed += not np.array_equal(first, one)
    assert changed > 6


def test_augmentations_are_tried_on_the_channels_of_one_image():
    config = TrainConfig(augmentation=({"HueSaturationValue": {}},))
    check_augmentation(config, 3, images=5)
    with pytest.raises(ConfigError, match="1 channels"):
        check_augmentation(TrainConfig(augmentation=({"ChannelDropout": {}},)), 1, images=3)


@pytest.mark.parametrize(("channels", "images"), [(3, 3), (1, 3), (1, 4)])
def test_each_frame_is_normalised_alike_and_weights_come_back(channels, images, tmp_path, clips):
    neighbours = clips[0].model.neighbours.model_copy(update={"before": images - 2})
    config = clips[0].model.model_copy(update={"in_channels": channels, "neighbours": neighbours})
    own = IMAGENET.for_channels(channels)
    assert normalisation_of(config).mean == own.mean * images
    model = build_model(config, 1).eval()
    assert model.mean.tolist() == pytest.approx([255 * number for number in own.mean * images])
    torch.save(model.state_dict(), tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt", config, 1).eval()
    pixels = torch.randint(0, 256, (1, channels * images, 32, 32), dtype=torch.uint8)
    assert torch.equal(loaded(pixels).mask_logits, model(pixels).mask_logits)


def test_the_range_of_an_image_is_that_of_each_frame(clips, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(64, dtype=np.uint16).reshape(4, 8, 2))
    found = training_intensity([tmp_path / "a.npy"], 2, ((0, 10), (5, 20))).repeated(3)
    assert found == Intensity("uint16", (0, 5) * 3, (10, 20) * 3)


def test_settings_without_neighbours_are_those_of_older_runs():
    assert "neighbours" not in ModelConfig().settings()
    found = clips_config(Path("x")).model.settings()["neighbours"]
    assert found == {"before": 1, "after": 1, "step": 1, "at_ends": "repeat"}
