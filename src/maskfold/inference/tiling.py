"""Large images in overlapping tiles, blended where they overlap."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Predict = Callable[[Tensor], tuple[Tensor, Tensor | None]]


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """First pixels of the fewest tiles of `tile` px that cover `length` px and overlap by at least `overlap` px."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def blend_weights(height: int, width: int, overlap: int, device: torch.device) -> Tensor:
    """(height, width) float32 in 0..1: how much a tile's pixels count, less towards its edges over `overlap` px."""

    def ramp(length: int) -> Tensor:
        position = torch.arange(length, dtype=torch.float32, device=device) + 0.5
        return (torch.minimum(position, length - position) / max(1, overlap)).clamp(max=1.0)

    return ramp(height)[:, None] * ramp(width)[None, :]


def predict_tiled(
    predict: Predict, pixels: Tensor, tile_size: tuple[int, int], overlap: int
) -> tuple[Tensor, Tensor | None]:
    """Probabilities of images larger than a tile: the weighted mean where tiles overlap.

    predict: (B, channels, h, w) -> mask probabilities (B, C, h, w) and class probabilities (B, C) or None. pixels:
    (B, channels, H, W). The class probability of an image is the highest of its tiles. An image that fits into one tile
    is predicted whole.
    """
    height, width = pixels.shape[2:]
    if height <= tile_size[0] and width <= tile_size[1]:
        return predict(pixels)
    tile = min(tile_size[0], height), min(tile_size[1], width)
    weights = blend_weights(*tile, overlap, pixels.device)
    mean: Tensor | None = None
    present: Tensor | None = None
    total = torch.zeros(height, width, device=pixels.device)
    for top in tile_starts(height, tile[0], overlap):
        for left in tile_starts(width, tile[1], overlap):
            place = (..., slice(top, top + tile[0]), slice(left, left + tile[1]))
            prob, class_prob = predict(pixels[place])
            if mean is None:
                mean = prob.new_zeros(*prob.shape[:2], height, width)
            mean[place] += prob * weights
            total[place] += weights
            if class_prob is not None:
                present = class_prob if present is None else torch.maximum(present, class_prob)
    assert mean is not None
    return mean.div_(total), present
