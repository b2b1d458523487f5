"""The competition metric on whole validation images at threshold 0.5, epoch by epoch."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch.distributed as dist

from maskfold.mask_metrics.metric import MaskMetric
from maskfold.mask_metrics.rows import AREAS, class_score
from maskfold.pixels.metrics import dice, mask_areas

HALF = 128  # q/255 >= 0.5 for 8-bit probabilities

Item = TypeVar("Item")


class ValidationScores:
    """Collects the areas of every validation image; the scores are means over images, class by class."""

    def __init__(self, metric: str, of_masks: MaskMetric | None = None) -> None:
        """of_masks: the metric where it looks at whole masks, None where it follows from areas."""
        self.metric, self.of_masks = metric, of_masks
        self.areas: list[np.ndarray] = []

    def reset(self) -> None:
        """Drop all images."""
        self.areas = []

    def add(self, prob: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None = None) -> None:
        """One image: prob (C, H, W) uint8, truth (C, H, W) uint8 in {0, 1}; ignored: (H, W), 1 where none is known."""
        rows = [self._row((p >= HALF).astype(np.uint8), t, ignored) for p, t in zip(prob, truth, strict=True)]
        self.areas.append(np.array(rows))

    def _row(self, mask: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None) -> tuple[float, ...]:
        return (mask_areas if self.of_masks is None else self.of_masks.row)(mask, truth, ignored)

    def gather(self) -> None:
        """Add the images that other processes scored, if there are any."""
        self.areas = gathered(self.areas)

    def mean(self) -> float:
        """The metric, averaged over classes."""
        areas = np.stack(self.areas)  # (images, classes, 3), or 5 of whole masks
        return float(np.mean([class_score(self.metric, areas[:, index]) for index in range(areas.shape[1])]))

    def non_empty_dice(self) -> list[float]:
        """Mean Dice over the non-empty images of each class; NaN for a class without any."""
        areas = np.stack(self.areas)
        scores = []
        for index in range(areas.shape[1]):
            shown = areas[areas[:, index, 2] > 0, index]
            scores.append(float(dice(*shown[:, AREAS].T).mean()) if len(shown) else float("nan"))
        return scores


def gathered(items: list[Item]) -> list[Item]:
    """The items of all processes of a distributed training, in the order of the processes."""
    if not dist.is_initialized():
        return items
    parts: list[list[Item]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, items)
    return [item for part in parts for item in part]
