"""Images of more than 8 bits through training and prediction: as good as their 8-bit copies, never black."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Experiment, FoldsConfig, InferenceConfig, ModelConfig, RleCsvData, TrainConfig
from maskfold.data.images.decoding import read_image
from maskfold.data.images.depth import training_intensity
from maskfold.errors import ConfigError, DataError
from maskfold.inference.predict import Ensemble
from maskfold.network.model import load_model
from maskfold.pixels.intensity import Intensity
from maskfold.training.checks import check_training
from maskfold.training.fit import train_fold
from maskfold.training.samples.augmentation import check_augmentation
from maskfold.training.samples.dataset import TrainingDataset
from maskfold.training.samples.sampling import Draw

FACTOR = 16  # 12 bits of 16
TWELVE_BITS = Intensity("uint16", (0.0,), (255.0 * FACTOR,))


def config_of(root, name, **train):
    train = {"batch_size": 2, "crop_size": (32, 64), "workers": 0, "accelerator": "cpu", "precision": "32", **train}
    model = {"encoder": "tu-mobilenetv3_small_050", "encoder_weights": None, "decoder_channels": (32, 24, 16, 8, 8)}
    return Experiment(
        name=name,
        output_root=str(root),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        folds=FoldsConfig(count=2),
        model=ModelConfig(**model, in_channels=1),
        train=TrainConfig(**train),
        inference=InferenceConfig(tta=("hflip", "scale1.25")),
    )


@pytest.fixture
def deep(tiny_competition, tmp_path):
    """The tiny competition with 12-bit values in 16-bit files: its own values times 16."""

    def copied(table):
        paths = []
        for path in table["path"]:
            paths.append(path.replace(".png", ".deep.png"))
            cv2.imwrite(paths[-1], cv2.imread(path, cv2.IMREAD_GRAYSCALE).astype(np.uint16) * FACTOR)
        return table.assign(path=paths)

    return replace(tiny_competition, train=copied(tiny_competition.train), test=copied(tiny_competition.test))


def trained(config, competition, intensity):
    folds = pd.DataFrame({"image_id": competition.train["image_id"], "fold": np.arange(12) // 6})
    made_from = Provenance("train", {}, {}, "c0de")
    train_fold(config, competition, folds, 0, made_from, Step("train"), None, intensity)
    return load_model(RunPaths.of(config).model(0), config.model, 2)


def test_12_bits_train_and_predict_as_their_8_bit_copies(tmp_path, tiny_competition, deep):
    options = {"epochs": 4, "augmentation": "none", "learning_rate": 3e-3}
    eight, twelve = config_of(tmp_path, "eight", **options), config_of(tmp_path, "twelve", **options)
    networks = [trained(eight, tiny_competition, None), trained(twelve, deep, TWELVE_BITS)]
    losses = [pd.read_csv(RunPaths.of(config).history_csv(0))["train_loss"] for config in (eight, twelve)]
    assert losses[0].iloc[-1] < losses[0].iloc[0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
    # The same weights see the same image in both forms.
    networks[1].network.load_state_dict(networks[0].network.state_dict())
    pairs = zip((eight, twelve), networks, (tiny_competition, deep), strict=True)
    probs = [
        {each.image_id: each.prob.astype(int) for each in Ensemble.of(config, [network]).predict_images(data.test)}
        for config, network, data in pairs
    ]
    assert max(np.abs(probs[0][name] - probs[1][name]).max() for name in probs[0]) <= 1
    assert max(np.ptp(prob) for prob in probs[0].values()) > 20


def test_the_range_is_kept_with_the_weights_and_guards_them(tmp_path, tiny_competition, deep):
    config = config_of(tmp_path, "x", epochs=1)
    paths = [RunPaths.of(config).root / name for name in deep.train["path"]]
    intensity = training_intensity(paths, 1, "auto")
    assert 0 <= intensity.low[0] < 1 and 2000 < intensity.high[0] <= 255 * FACTOR
    model = trained(config, deep, intensity)
    assert model.intensity == intensity
    with pytest.raises(DataError, match=r"test0.png: stores uint8 values, the network was trained on uint16"):
        next(Ensemble.of(config, [model]).predict_images(tiny_competition.test))
    eight = trained(config_of(tmp_path, "y", epochs=1), tiny_competition, None)
    with pytest.raises(DataError, match=r"test0.png: stores uint16 values, the network was trained on uint8"):
        next(Ensemble.of(config, [eight]).predict_images(deep.test))
    ensemble = Ensemble.of(config, [model])
    images = [read_image(path, 1)[:40, :64] for path in (deep.test["path"][0], tiny_competition.test["path"][0])]
    with pytest.raises(DataError, match=r"different types: uint16 \(a\), uint8 \(b\)"):
        ensemble.prepare(["a", "b"], images)


@pytest.mark.parametrize("mode", ["ram", "disk", "none"])
@pytest.mark.parametrize("augmentation", ["none", "heavy"])
def test_samples_hold_stored_values(tmp_path, deep, mode, augmentation):
    train = TrainConfig(crop_size=(32, 64), cache=mode, augmentation=augmentation)
    dataset = TrainingDataset(deep.train, deep.masks, train, ModelConfig(in_channels=1), 0, 0, tmp_path, TWELVE_BITS)
    assert (dataset.cache.image(0) == read_image(deep.train["path"][0], 1)).all()
    for number in range(12):
        pixels = dataset[Draw(0, number, number, -1)].pixels
        assert (pixels.dtype, tuple(pixels.shape)) == (torch.float32, (32, 64, 1))
        assert pixels.min() >= 0 and 255 < pixels.max() <= 255 * FACTOR
        if augmentation == "none":
            assert (pixels % FACTOR < 0.01).logical_or(pixels % FACTOR > FACTOR - 0.01).all()


@pytest.mark.parametrize("preset", ["none", "light", "medium", "heavy", "people"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_preset_takes_deep_images(preset, channels):
    check_augmentation(TrainConfig(augmentation=preset), channels, deep=True)


def test_a_transform_that_returns_bytes_is_refused_for_deep_images(deep, tmp_path):
    config = config_of(tmp_path, "x", augmentation=({"FromFloat": {"dtype": "uint8"}},))
    with pytest.raises(ConfigError, match=r"FromFloat: gives uint8 instead of float32 pixels"):
        check_training(config, deep, TWELVE_BITS)
