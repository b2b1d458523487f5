"""Test-time augmentation: the views of an image that a network predicts, and the way back to the image's pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch.nn.functional as F
import ttach
from torch import Tensor

from maskfold.config import TTA_SCALE
from maskfold.config.inference import view_names
from maskfold.network.model import STRIDE


@dataclass(frozen=True)
class View:
    """One flip or turn of an image at one scale; weight: how much it counts beside the other views."""

    turn: ttach.Transformer
    scale: float
    weight: float = 1.0

    def see(self, pixels: Tensor) -> Tensor:
        """The view of (B, channels, h, w) uint8 pixels; sides stay multiples of STRIDE; float32 when scaled."""
        turned: Tensor = self.turn.augment_image(pixels)
        if self.scale == 1:
            return turned
        size = [max(STRIDE, round(side * self.scale / STRIDE) * STRIDE) for side in turned.shape[2:]]
        return F.interpolate(turned.float(), size, mode="bilinear", antialias=True)

    def undo(self, prob: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, C, h', w') probabilities of a view, back on the pixels (h, w) = `size` that `see` was given."""
        if self.scale != 1:
            # Only squares are turned by 90 degrees, so `size` is right for the turned image too.
            prob = F.interpolate(prob, size, mode="bilinear", antialias=True)
        undone: Tensor = self.turn.deaugment_mask(prob)
        return undone


def tta_views(names: Sequence[str], size: tuple[int, int], weights: Mapping[str, float] | None = None) -> list[View]:
    """All combinations of the configured flips and turns at every scale, the untouched image first.

    names: as in inference.tta. size: (h, w) in px of the network's input. Only squares are turned by 90
    degrees, because a network trained on wide images has not seen tall ones; others are turned by 180.
    weights: as in inference.view_weights; views without weight are left out. None: all count the same.
    """
    square = size[0] == size[1]
    turns = {
        "hflip": ttach.HorizontalFlip(),
        "vflip": ttach.VerticalFlip(),
        "rot180": ttach.Rotate90(angles=[0, 180]),
        "rot90": ttach.Rotate90(angles=[0, 90, 180, 270] if square else [0, 180]),
    }
    scales = [1.0, *(float(name.removeprefix(TTA_SCALE)) for name in names if name.startswith(TTA_SCALE))]
    composed = ttach.Compose([turns[name] for name in names if not name.startswith(TTA_SCALE)])
    views = [View(turn, scale) for scale in scales for turn in composed]
    if weights is None:
        return views
    weighed = [weights.get(name, 0.0) for name in view_names(names, square)]
    return [replace(view, weight=weight) for view, weight in zip(views, weighed, strict=True) if weight > 0]
