"""Augmentation: presets, free lists, what is refused, and where the random numbers come from."""

from collections import Counter

import numpy as np
import pytest

from maskfold.config import TrainConfig, load_config
from maskfold.errors import ConfigError
from maskfold.training.samples.augmentation import augment, augmentation, check_augmentation
from maskfold.training.samples.transform_lists import TRANSFORMS

PRESETS = ["none", "light", "medium", "heavy", "people"]


def sample_of(channels=3, size=(32, 64)):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size, channels), dtype=np.uint8)
    return image, (rng.random((*size, 4)) < 0.3).astype(np.uint8)


def listed(*entries, **train):
    return TrainConfig(augmentation=tuple(entries), **train)


def problem_of(*entries, channels=3, **train):
    with pytest.raises(ConfigError) as error:
        check_augmentation(listed(*entries, **train), channels)
    return str(error.value)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_every_preset_keeps_shapes_and_binary_masks_and_repeats_with_its_seed(preset, channels):
    image, mask = sample_of(channels)
    compose = augmentation(TrainConfig(augmentation=preset, flips=("horizontal", "vertical")))
    for draw in range(20):
        first = augment(compose, image, mask, np.random.default_rng(draw))
        again = augment(compose, image, mask, np.random.default_rng(draw))
        assert (first[0].shape, first[0].dtype) == (image.shape, np.uint8)
        assert (first[1].shape, first[1].dtype) == (mask.shape, np.uint8)
        assert set(np.unique(first[1])) <= {0, 1}
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_preset_passes_its_own_check(preset, channels):
    check_augmentation(TrainConfig(augmentation=preset), channels)


def test_flips_are_drawn_one_by_one():
    """With one seed for each transform the two flips would always come together."""
    compose = augmentation(TrainConfig(augmentation="none", flips=("horizontal", "vertical")))
    image, mask = np.arange(4, dtype=np.uint8).reshape(2, 2, 1), np.zeros((2, 2, 1), np.uint8)
    corners = Counter(
        int(augment(compose, image, mask, np.random.default_rng(draw))[0][0, 0, 0]) for draw in range(400)
    )
    assert set(corners) == {0, 1, 2, 3}
    assert min(corners.values()) > 70


def test_masks_move_with_the_pixels():
    image, _ = sample_of(channels=1, size=(64, 64))
    image[:] = 0
    image[20:40, 10:30] = 200
    mask = (image > 100).astype(np.uint8)
    compose = augmentation(listed({"Affine": {"translate_px": [-9, 9], "p": 1}}))
    for draw in range(5):
        moved, mask_moved = augment(compose, image, mask, np.random.default_rng(draw))
        assert np.array_equal(moved > 100, mask_moved == 1)


def test_a_free_list_is_read_from_yaml(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        """
name: free
data: {format: rle_csv, root: data/free, class_names: [a]}
train:
  augmentation:
    - HorizontalFlip: {p: 0.5}
    - VerticalFlip:
    - Affine: {rotate: [-5, 5], border_mode: BORDER_REFLECT_101}
    - OneOf: {transforms: [{GaussNoise: {}}, {GaussianBlur: {blur_limit: [3, 5]}}], p: 0.3}
    - SomeOf:
        n: 2
        transforms: [{RandomGamma: {}}, {ToGray: {}}, {Sequential: {transforms: [{Posterize: {}}, {CLAHE: {}}]}}]
"""
    )
    config = load_config(path).train
    check_augmentation(config, 3)
    names = [type(transform).__name__ for transform in augmentation(config).transforms]
    assert names == ["HorizontalFlip", "HorizontalFlip", "VerticalFlip", "Affine", "OneOf", "SomeOf"]


def test_problems_name_their_entry_and_come_all_together():
    message = problem_of(
        {"HorizontalFlop": {}},
        {"OneOf": {"transforms": [{"GaussNoise": {"sigma": 3}}, {"GaussianBlur": {"blur_limit": "wide"}}]}},
        {"Affine": {"rotat": 5}},
        {"Sequential": {"transforms": ["VerticalFlip"]}},
        {"ShiftScale": {}, "Blur": {}},
    )
    lines = message.split("\n")
    assert "train.augmentation[0]: HorizontalFlop is not a transform" in lines[0]
    assert "HorizontalFlip" in lines[0]
    assert "train.augmentation[1].OneOf.transforms[0].GaussNoise.sigma: unknown parameter" in lines[1]
    assert "train.augmentation[1].OneOf.transforms[1].GaussianBlur: blur_limit:" in lines[2]
    assert "train.augmentation[2].Affine.rotat: unknown parameter; did you mean rotate?" in lines[3]
    assert "train.augmentation[3].Sequential.transforms[0]: expected one" in lines[4]
    assert "train.augmentation[4]: expected one" in lines[5]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"Resize": {"height": 64, "width": 64}}, "changes the size of a sample from 96x160 to 64x64 px"),
        ({"RandomCrop": {"height": 32, "width": 32}}, "changes the size of a sample"),
        ({"RandomRotate90": {"p": 0.01}}, "rotates a sample by 90 degrees"),
        ({"Normalize": {}}, "float32 instead of uint8"),
        ({"ToTensorV2": {}}, "Tensor instead of uint8"),
        ({"BBoxSafeRandomCrop": {}}, "cannot be used on samples of 96x160 px and 3 channels"),
        ({"RandomCrop3D": {"size": [2, 8, 8]}}, "cannot be used on samples"),
        ({"Affine": {"rotate": [40, 50], "fill_mask": 7}}, "writes 7 into masks"),
        ({"Affine": {"mask_interpolation": 1}}, "masks always take the nearest pixel"),
        ({"ImageCompression": {"quality_range": [5, 400]}}, "quality_range"),
        ({"RandomCrop": {}}, "height: Field required"),
        ({"Lambda": {}}, "is not a transform"),
        ({"ReplayCompose": {}}, "is not a transform"),
        ({"OneOf": {}}, "give at least one transform"),
        ({"OneOf": {"transforms": [{"Blur": {}}], "p": 3}}, "expected a probability"),
        ({"OneOf": {"transforms": [{"Blur": {"p": 0}}]}}, "all are 0"),
        ({"SomeOf": {"transforms": [{"Blur": {}}], "n": 2}}, "whole number from 1 to 1"),
        ({"Sequential": {"transforms": {"Blur": {}}}}, "expected a list of transforms"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(entry, words):
    assert words in problem_of(entry, crop_size=(96, 160))


def test_a_turn_fits_square_samples():
    check_augmentation(listed({"RandomRotate90": {}}, crop_size=(96, 96)), 3)


def test_colour_transforms_need_colour():
    check_augmentation(listed({"ISONoise": {}}), 3)
    assert "cannot be used on samples of 224x320 px and 1 channels" in problem_of({"ISONoise": {}}, channels=1)


def test_every_phase_is_checked_once():
    with pytest.raises(ConfigError) as error:
        check_augmentation(
            TrainConfig.model_validate_json(
                '{"then": [{"epochs": 1}, {"epochs": 1, "augmentation": [{"Blurr": {}}]}, {"epochs": 2}]}'
            ),
            3,
        )
    assert str(error.value).count("\n") == 0
    assert str(error.value).startswith("train.then[1].augmentation[0]: Blurr is not a transform")


@pytest.mark.filterwarnings("ignore")  # some transforms advise against themselves
def test_every_transform_of_the_library_repeats_with_its_seed_or_is_refused():
    for name in TRANSFORMS:
        config = listed({name: {}}, crop_size=(64, 64))
        try:
            check_augmentation(config, 3)
        except ConfigError:
            continue
        compose = augmentation(config)
        image, mask = sample_of(size=(64, 64))
        first, again = (augment(compose, image, mask, np.random.default_rng(3)) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)), name
