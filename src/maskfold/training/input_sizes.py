"""Checks the input sizes that a config gives its network before a training: some encoders take few sizes only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from maskfold.config import Config, Experiment
from maskfold.errors import ConfigError
from maskfold.inference.tta import tta_views
from maskfold.network.architectures import UNFIT
from maskfold.network.model import SegmentationModel
from maskfold.pixels.geometry import padded_size

Size = tuple[int, int]  # (height, width) in px


def check_network_sizes(model: SegmentationModel, config: Experiment, crop_sizes: Iterable[Size]) -> None:
    """Run an image of every size that training and inference will use through the network.

    crop_sizes: of the training phases. Without model.resize.size nothing is tried, because build_model has shown that
    the network takes other sizes than its own. Raises ConfigError naming the size and the key it comes from.
    """
    resize = config.model.resize
    if resize is None or resize.size is None:
        return
    problems = []
    tried: set[Size] = set()
    was_training = model.training
    model.eval()
    for key, size in [*(("train.crop_size", size) for size in crop_sizes), *_inference_sizes(config, resize.size)]:
        if size in tried:
            continue
        tried.add(size)
        try:
            with torch.no_grad():
                model(torch.zeros(1, config.model.input_channels, *size, dtype=torch.uint8))
        except UNFIT as error:
            problems.append(
                f"{key}: {config.model.encoder} does not work at {size[0]}x{size[1]} px (height x width), only at some "
                f"sizes; the images are resized to {resize.size[0]}x{resize.size[1]} (model.resize.size): {error}"
            )
    model.train(was_training)
    if problems:
        raise ConfigError("\n".join(problems))


def _inference_sizes(config: Config, resized: Size) -> Iterator[tuple[str, Size]]:
    """Each size of a view or a tile of an image, with the key that sets it."""
    whole, tile = padded_size(*resized, config.inference.pad_multiple), config.inference.tile_size
    tiled = tile is not None and (tile[0] < whole[0] or tile[1] < whole[1])
    base, key = (tile, "inference.tile_size") if tile is not None and tiled else (whole, "inference.pad_multiple")
    yield key, base
    for view in tta_views(config.inference.tta, base, config.inference.view_weights):
        height, width = view.see(torch.zeros(1, 1, *base, dtype=torch.uint8)).shape[2:]
        yield "inference.tta", (height, width)
