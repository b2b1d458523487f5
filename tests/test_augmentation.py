"""Augmentation: presets, free lists and what is refused."""

import numpy as np
import pytest

from maskfold.config import TrainConfig
from maskfold.data.augmentation import augmentation


@pytest.mark.parametrize("preset", ["none", "light", "medium", "heavy", "people"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_preset_keeps_shapes_and_binary_masks_and_repeats_with_its_seed(preset, channels):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (32, 64, channels), dtype=np.uint8)
    mask = (rng.random((32, 64, 4)) < 0.3).astype(np.uint8)
    compose = augmentation(TrainConfig(augmentation=preset, flips=("horizontal", "vertical")))
    samples = []
    for _ in range(2):
        compose.set_random_seed(7)
        samples.append(compose(image=image, mask=mask))
    assert samples[0]["image"].shape == image.shape
    assert samples[0]["mask"].shape == mask.shape
    assert set(np.unique(samples[0]["mask"])) <= {0, 1}
    assert all(np.array_equal(samples[0][key], samples[1][key]) for key in ("image", "mask"))
