"""The plain recipe of a good notebook: one network, no folds, no tuning, threshold 0.5.

smp's network as the config has it, with the same pretrained encoder if there is one; BCE + Dice, AdamW with half the
rate for the encoder, one-cycle, flips and light augmentation, images decoded once and kept in memory, channels_last,
bf16 where it is fast, predictions averaged with those of the mirrored image. Images are resized and cropped as the
config says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measuring.benchmark import say
from maskfold.config import Experiment
from maskfold.data.competition import MaskSource
from maskfold.data.images.decoding import read_image
from maskfold.inference.runtime import fast_bf16
from maskfold.network.model import build_model
from maskfold.pixels.geometry import network_size

_RATE = 1e-3  # of the decoder; the encoder has half of it
_WARM_UP = 0.15  # of the training
_STRIDE = 32
_MEAN = np.array([0.485, 0.456, 0.406], np.float32) * 255
_STD = np.array([0.229, 0.224, 0.225], np.float32) * 255


class Budget(NamedTuple):
    """When a training ends: after some seconds on the clock, or after some steps."""

    seconds: float = float("inf")
    steps: float = float("inf")


class PlainRecipe:
    """A network with its images in memory: train it, then predict."""

    def __init__(self, config: Experiment, images: pd.DataFrame, masks: MaskSource, classes: int) -> None:
        """images: image_id, path, height and width of the training images; masks: their (C, H, W) masks."""
        self.config, self.classes = config, classes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = fast_bf16(self.device)
        self.batch_size = config.train.batch_size
        self.rng = np.random.default_rng(config.seed)
        torch.manual_seed(config.seed)
        self.pixels = [self.resized(_rgb(path)) for path in images["path"]]
        self.truth = [
            self.resized(np.ascontiguousarray(masks(name).transpose(1, 2, 0)), cv2.INTER_NEAREST)
            for name in images["image_id"]
        ]
        self.crop = config.train.crop_size or _padded(np.max([image.shape[:2] for image in self.pixels], axis=0))
        self.augment = A.Compose(
            [
                A.PadIfNeeded(*self.crop, border_mode=cv2.BORDER_REFLECT_101),
                A.RandomCrop(*self.crop),
                *([A.HorizontalFlip(p=0.5)] if "horizontal" in config.train.flips else []),
                *([A.VerticalFlip(p=0.5)] if "vertical" in config.train.flips else []),
                A.Affine(scale=(0.85, 1.15), translate_percent=0.06, rotate=(-10, 10), p=0.5),
                A.RandomBrightnessContrast(p=0.5),
            ],
            seed=config.seed,
        )
        self.network = self._network().to(self.device).to(memory_format=torch.channels_last)
        named = list(self.network.named_parameters())
        encoder = [each for name, each in named if name.startswith("encoder.")]
        rest = [each for name, each in named if not name.startswith("encoder.")]
        self.optimizer = torch.optim.AdamW([{"params": encoder}, {"params": rest}], weight_decay=1e-2)
        self.dice = smp.losses.DiceLoss(smp.losses.MULTILABEL_MODE)

    def _network(self) -> nn.Module:
        """The config's architecture; only the encoder's weights are those of ours."""
        model = self.config.model
        decoder = {} if model.decoder_channels is None else {"decoder_channels": model.decoder_channels}
        network = smp.create_model(
            model.architecture, model.encoder, encoder_weights=None, classes=self.classes, **decoder
        )
        if model.encoder_weights is not None:
            pretrained = build_model(model, self.classes).network.encoder
            assert isinstance(pretrained, nn.Module)
            network.encoder.load_state_dict(pretrained.state_dict())
        return network

    def resized(self, image: np.ndarray, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
        """(H, W, channels) as model.resize asks."""
        height, width = network_size(image.shape[0], image.shape[1], self.config.model.resize)
        if (height, width) == image.shape[:2]:
            return image
        return cv2.resize(image, (width, height), interpolation=interpolation).reshape(height, width, -1)

    def train(self, budget: Budget, show: bool = True) -> int:
        """Train until the budget is spent; returns the number of images seen."""
        self.network.train()
        started, steps, shown = time.monotonic(), 0, 0
        batches = self._batches()
        while (done := max((time.monotonic() - started) / budget.seconds, steps / budget.steps)) < 1:
            for group, share in zip(self.optimizer.param_groups, (0.5, 1.0), strict=True):
                group["lr"] = _RATE * share * _one_cycle(done)
            self.step(*next(batches))
            steps += 1
            if show and int(4 * done) > shown:
                shown = int(4 * done)
                say(f"plain recipe: {done:.0%}, {steps * self.batch_size / len(self.pixels):.1f} epochs")
        return steps * self.batch_size

    def step(self, pixels: Tensor, truth: Tensor) -> None:
        """One step of the optimiser. pixels: (B, 3, h, w) float; truth: (B, C, h, w) in {0, 1}."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network(pixels)
        logits = logits.float()
        loss = 0.5 * F.binary_cross_entropy_with_logits(logits, truth) + 0.5 * self.dice(logits, truth)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches without end."""
        while True:
            order = self.rng.permutation(len(self.pixels))
            for first in range(0, max(1, len(order) - self.batch_size + 1), self.batch_size):
                chosen = order[first : first + self.batch_size]
                drawn = [self.augment(image=self.pixels[k], mask=self.truth[k]) for k in chosen]
                masks = np.stack([each["mask"] for each in drawn]).transpose(0, 3, 1, 2)
                yield self._tensor([each["image"] for each in drawn]), torch.from_numpy(masks).float().to(self.device)

    def _tensor(self, images: list[np.ndarray]) -> Tensor:
        pixels = ((np.stack(images).astype(np.float32) - _MEAN) / _STD).transpose(0, 3, 1, 2)
        return torch.from_numpy(pixels).to(self.device, memory_format=torch.channels_last)

    def predict(self, path: str) -> np.ndarray:
        """(C, H, W) probabilities of one image at its own size."""
        original = _rgb(path)
        image = self.resized(original)
        height, width = image.shape[:2]
        bottom, right = (side - own for side, own in zip(_padded((height, width)), (height, width), strict=True))
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REFLECT_101)
        pixels = self._tensor([padded])
        self.network.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            one, mirrored = self.network(pixels), self.network(pixels.flip(3)).flip(3)
        prob = (one.float().sigmoid() + mirrored.float().sigmoid())[..., :height, :width] / 2
        return F.interpolate(prob, original.shape[:2], mode="bilinear")[0].cpu().numpy()


def _rgb(path: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    return read_image(Path(path), 3)


def _padded(size: tuple[int, int] | np.ndarray) -> tuple[int, int]:
    """(height, width), each rounded up to what the network takes."""
    height, width = (-(-int(side) // _STRIDE) * _STRIDE for side in size)
    return height, width


def _one_cycle(done: float) -> float:
    """Factor on the learning rate at a share of the training: up along half a cosine, then down."""
    if done < _WARM_UP:
        return float(0.04 + 0.96 * (1 - np.cos(np.pi * done / _WARM_UP)) / 2)
    return float((1 + np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2)
