"""Augmentation of training samples: the presets."""

from __future__ import annotations

import albumentations as A
import cv2

from maskfold.config import ConfigError, TrainConfig


def augmentation(config: TrainConfig) -> A.Compose:
    """The augmentation of a config, for `image` (H, W, channels) uint8 and `mask` (H, W, C) uint8 in {0, 1}."""
    if not isinstance(config.augmentation, str):
        raise ConfigError("train.augmentation: a list of transforms is not read yet; name a preset")
    transforms = _flips(config) + _PRESETS[config.augmentation]()
    return A.Compose(transforms, strict=True, mask_interpolation=cv2.INTER_NEAREST)


def _flips(config: TrainConfig) -> list[A.BasicTransform]:
    flips: list[A.BasicTransform] = []
    if "horizontal" in config.flips:
        flips.append(A.HorizontalFlip(p=0.5))
    if "vertical" in config.flips:
        flips.append(A.VerticalFlip(p=0.5))
    return flips


def _light() -> list[A.BasicTransform]:
    return [A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=0.5)]


def _medium() -> list[A.BasicTransform]:
    return [
        A.Affine(
            scale=(0.85, 1.2),
            translate_percent=(-0.06, 0.06),
            rotate=(-10, 10),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.5,
        ),
        A.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0.25, p=0.5),
        A.OneOf([A.GaussNoise(std_range=(0.01, 0.05)), A.GaussianBlur(blur_limit=(3, 5))], p=0.2),
    ]


def _heavy() -> list[A.BasicTransform]:
    return [
        A.Affine(
            scale=(0.7, 1.4),
            translate_percent=(-0.1, 0.1),
            rotate=(-20, 20),
            shear=(-5, 5),
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.7,
        ),
        A.OneOf([A.ElasticTransform(alpha=20, sigma=6), A.GridDistortion()], p=0.2),
        A.RandomBrightnessContrast(brightness_limit=0.35, contrast_limit=0.35, p=0.6),
        A.RandomGamma(gamma_limit=(70, 140), p=0.3),
        A.OneOf([A.GaussNoise(std_range=(0.01, 0.08)), A.GaussianBlur(blur_limit=(3, 7))], p=0.3),
        A.ImageCompression(quality_range=(50, 95), p=0.2),
    ]


def _people() -> list[A.BasicTransform]:
    return [
        A.Affine(
            scale=(0.8, 1.25),
            translate_percent=(-0.0625, 0.0625),
            rotate=(-15, 15),
            keep_ratio=True,
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.5,
        ),
        A.ElasticTransform(alpha=150, sigma=8, border_mode=cv2.BORDER_REFLECT_101, p=0.15),
        A.RandomBrightnessContrast(brightness_limit=0.25, contrast_limit=0.25, p=0.5),
        A.ImageCompression(quality_range=(40, 95), p=0.3),
    ]


_PRESETS = {"none": list, "light": _light, "medium": _medium, "heavy": _heavy, "people": _people}
