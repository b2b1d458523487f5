"""Augmentation of training samples: the presets, and the check that presets and free lists fit the samples.

Flips come from `train.flips`, whatever `train.augmentation` is.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import albumentations as A
import cv2
import numpy as np

from maskfold.config import TrainConfig
from maskfold.errors import ConfigError
from maskfold.pixels.intensity import Intensity
from maskfold.training.samples.transform_lists import Transform, in_one_line, listed_transforms

_DRAWS = 8  # of each transform in the check; one that rotates by 90 degrees half the time passes it once in 2**8
_SIZE = (224, 320)  # px of the samples in the check without train.crop_size


def augmentation(config: TrainConfig) -> A.Compose:
    """The augmentation of a config, for `augment`.

    Raises ConfigError naming every entry of a free list that cannot be built.
    """
    return _compose(config, "train.augmentation")


def augment(
    compose: A.Compose,
    image: np.ndarray,
    mask: np.ndarray,
    rng: np.random.Generator,
    intensity: Intensity | None = None,
    images: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """One augmented sample; every random number comes from `rng`, whatever was drawn before.

    image: (H, W, channels) stored values; mask: (H, W, C) uint8 in {0, 1}; images: how many images the channels are of,
    all of which are augmented alike, by the same random numbers. Returns both in the same size, the image as uint8, or
    as float32 in the range of `intensity` if its values are deeper.
    """
    if intensity is not None and image.dtype != np.uint8:
        # albumentations takes floats as 0..1.
        scaled, mask = augment(compose, intensity.scaled(image), mask, rng, images=images)
        return intensity.unscaled(scaled), mask
    # Not set_random_seed: it gives each transform a generator of its own with one and the same seed, so that all of
    # them draw the same number and flips, turns and colours come together or not at all.
    compose.set_random_state(rng, random.Random(int(rng.integers(2**63))))
    mask = np.ascontiguousarray(mask)
    if images == 1:
        sample = compose(image=np.ascontiguousarray(image), mask=mask)
        return sample["image"], sample["mask"]
    sample = compose(images=np.stack(np.split(image, images, axis=2)), mask=mask)
    return np.concatenate(list(sample["images"]), axis=2), sample["mask"]


def check_augmentation(config: TrainConfig, channels: int, deep: bool = False, images: int = 1) -> None:
    """Build the augmentation of every phase and try each transform on a dummy sample of `channels` channels.

    deep: the sample has float32 values in 0..1, as images of more than 8 bits are augmented; images: as in `augment`,
    of `channels` each.

    Raises ConfigError with all entries that are unknown, have wrong parameters, or do not fit, because they change the
    size or type of a sample or write anything but 0 and 1 into a mask.
    """
    problems: list[str] = []
    tried: list[tuple[Any, Any]] = []
    for number, phase in enumerate(config.phases()):
        if (phase.augmentation, phase.crop_size) in tried:
            continue
        tried.append((phase.augmentation, phase.crop_size))
        key = f"train.then[{number - 1}].augmentation" if number else "train.augmentation"
        try:
            problems += _misfits(_compose(phase, key), key, phase.crop_size or _SIZE, channels, deep, images)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))


def _compose(config: TrainConfig, key: str) -> A.Compose:
    listed = config.augmentation
    transforms = _PRESETS[listed]() if isinstance(listed, str) else listed_transforms(listed, key)
    return A.Compose(_flips(config) + transforms, strict=True, mask_interpolation=cv2.INTER_NEAREST)


def _flips(config: TrainConfig) -> list[Transform]:
    flips: list[Transform] = []
    if "horizontal" in config.flips:
        flips.append(A.HorizontalFlip(p=0.5))
    if "vertical" in config.flips:
        flips.append(A.VerticalFlip(p=0.5))
    return flips


def _misfits(compose: A.Compose, key: str, size: tuple[int, int], channels: int, deep: bool, images: int) -> list[str]:
    """One message for each transform that does not fit samples of `size` with as many images of `channels`."""
    rng = np.random.default_rng(0)
    image: np.ndarray = rng.integers(0, 256, (*size, channels * images), dtype=np.uint8)
    if deep:
        image = image.astype(np.float32) / 255
    mask = np.zeros((*size, 2), dtype=np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2, 0] = 1
    mask[..., 1] = rng.random(size) < 0.5
    problems = [_misfit(transform, image, mask, name, images) for name, transform in _leaves(compose.transforms, key)]
    if not any(problems):
        problems.append(_misfit(compose, image, mask, key, images))
    return [problem for problem in problems if problem]


def _leaves(transforms: Sequence[Transform], key: str) -> Iterator[tuple[str, A.BasicTransform]]:
    """(name for a message, transform) of every transform, in groups or not."""
    for transform in transforms:
        name = f"{key}.{type(transform).__name__}"
        if isinstance(transform, A.BaseCompose):
            yield from _leaves(transform.transforms, name)
        else:
            yield name, transform


def _misfit(transform: Transform, image: np.ndarray, mask: np.ndarray, key: str, images: int) -> str | None:
    """Why a transform does not fit the sample, or None."""
    always = A.OneOf([transform], p=1)  # applies its one transform, whatever the transform's own p
    compose = A.Compose([always], mask_interpolation=cv2.INTER_NEAREST)
    for draw in range(_DRAWS):
        try:
            augmented = augment(compose, image.copy(), mask.copy(), np.random.default_rng(draw), images=images)
        except Exception as error:  # transforms raise errors of every kind when a sample does not suit them
            shape, channels = "x".join(map(str, image.shape[:2])), image.shape[2] // images
            return f"{key}: cannot be used on samples of {shape} px and {channels} channels: {in_one_line(error)}"
        complaint = _image_complaint(image, augmented[0]) or _mask_complaint(mask, augmented[1])
        if complaint:
            return f"{key}: {complaint}"
    return None


def _image_complaint(before: np.ndarray, after: Any) -> str | None:
    if not isinstance(after, np.ndarray) or after.dtype != before.dtype:
        kind = after.dtype if isinstance(after, np.ndarray) else type(after).__name__
        return f"gives {kind} instead of {before.dtype} pixels; the network normalises pixels itself, so leave it out"
    if not np.isfinite(after).all():
        return "gives pixels that are NaN or infinite"
    if after.shape == before.shape:
        return None
    if after.shape[:2] == before.shape[1::-1]:
        return "rotates a sample by 90 degrees; set a square train.crop_size, or leave it out"
    if after.shape[:2] != before.shape[:2]:
        sizes = " to ".join("x".join(map(str, array.shape[:2])) for array in (before, after))
        return f"changes the size of a sample from {sizes} px; train.crop_size and model.resize set it, so leave it out"
    return f"changes the number of channels, {before.shape[2]}; leave it out"


def _mask_complaint(before: np.ndarray, after: np.ndarray) -> str | None:
    if after.shape != before.shape or after.dtype != np.uint8:
        return f"turns a mask of {before.shape} uint8 into {after.shape} {after.dtype}; leave it out"
    if after.max() > 1:
        return f"writes {after.max()} into masks, which may only hold 0 and 1"
    return None


# Milliseconds are those of one 256x256x3 sample with 4 masks on one thread of a server's CPU.


def _light() -> list[Transform]:  # 0.1 ms
    return [_lighting(0.2, p=0.5)]


def _medium() -> list[Transform]:  # 0.6 ms
    return [
        A.Affine(
            scale=(0.85, 1.2),
            translate_percent=(-0.06, 0.06),
            rotate=(-10, 10),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.5,
        ),
        _lighting(0.25, p=0.5),
        A.OneOf([A.GaussNoise(std_range=(0.01, 0.05)), A.GaussianBlur(blur_limit=(3, 5))], p=0.2),
    ]


def _heavy() -> list[Transform]:  # 1.2 ms
    return [
        A.Affine(
            scale=(0.7, 1.4),
            translate_percent=(-0.1, 0.1),
            rotate=(-20, 20),
            shear=(-5, 5),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.7,
        ),
        A.OneOf([_elastic(80), A.GridDistortion(border_mode=cv2.BORDER_REFLECT_101)], p=0.2),
        _lighting(0.35, p=0.6),
        A.RandomGamma(gamma_limit=(70, 140), p=0.3),
        A.OneOf([A.GaussNoise(std_range=(0.01, 0.08)), A.GaussianBlur(blur_limit=(3, 7))], p=0.3),
        A.ImageCompression(quality_range=(50, 95), p=0.2),
    ]


def _people() -> list[Transform]:  # 1.0 ms
    """For photos of people: bodies bend and move but stay upright; photos are compressed and badly lit."""
    return [
        A.Affine(
            scale=(0.8, 1.25),
            translate_percent=(-0.0625, 0.0625),
            rotate=(-15, 15),
            keep_ratio=True,
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.6,
        ),
        _elastic(60, p=0.15),
        _lighting(0.25, p=0.5),
        A.ImageCompression(quality_range=(40, 95), p=0.3),
    ]


def _lighting(limit: float, p: float) -> A.RandomBrightnessContrast:
    """Brightness and contrast; by the mean, as a share of the largest value turns a dark image black."""
    return A.RandomBrightnessContrast(brightness_limit=limit, contrast_limit=limit, brightness_by_max=False, p=p)


def _elastic(alpha: float, p: float = 0.5) -> A.ElasticTransform:
    """Pixels move by about alpha / 60 px, smoothly over 10 px.

    Uniform noise, as albumentations scales Gaussian noise by its largest value, which grows with the sample's size.
    """
    return A.ElasticTransform(
        alpha=alpha, sigma=10, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=p
    )


_PRESETS = {"none": list, "light": _light, "medium": _medium, "heavy": _heavy, "people": _people}
