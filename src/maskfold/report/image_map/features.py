"""What the encoder of a trained network makes of an image: the mean of its deepest map."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from maskfold.config import Experiment
from maskfold.errors import InferenceError
from maskfold.inference.batches import batch_loader
from maskfold.inference.runtime import Runtime
from maskfold.network.model import CheckpointMean, SegmentationModel
from maskfold.network.normalisation import IMAGENET


class _DeepestMean(nn.Module):
    """The encoder of a network, whose result looks like masks of one pixel."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, normalised: Tensor) -> Tensor:
        """(B, F, 1, 1): the mean over the places of the deepest map."""
        found = self.encoder(normalised)
        found = found[0] if isinstance(found, tuple) else found  # ViTs give their prefix tokens besides
        deepest = found[-1]
        if not isinstance(deepest, Tensor) or deepest.ndim != 4:
            raise InferenceError("the encoder of this network gives no maps, so there is no image map of its run")
        return deepest.float().mean(dim=(2, 3), keepdim=True)


def feature_model(model: SegmentationModel) -> SegmentationModel:
    """A network without its decoder: `mask_logits` of an image are the (F, 1, 1) features of its encoder.

    Of several checkpoints in one the first is taken. Raises InferenceError for a network without an encoder.
    """
    network = model.network.networks[0] if isinstance(model.network, CheckpointMean) else model.network
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise InferenceError("this network has no attribute `encoder`, so there is no image map of its run")
    found = SegmentationModel(_DeepestMean(encoder), IMAGENET)
    found.normalise_as({"mean": model.mean, "std": model.std})
    found.scale_as(model.intensity)
    return found


def image_features(
    model: SegmentationModel, config: Experiment, images: pd.DataFrame
) -> Iterator[tuple[list[str], np.ndarray]]:
    """The images of each batch and their features, (B, F) float32, at the size that the run predicts at, without views.

    images: image_id, path, height, width. The order is that of the batches.
    """
    runtime = Runtime.of(config)
    encoder = feature_model(model).to(runtime.device).eval()
    for batch in batch_loader(images, config.model, config.inference, config.train.workers, runtime.device):
        with torch.inference_mode(), runtime.autocast():
            pixels = batch.pixels.to(runtime.device, non_blocking=True)
            found = encoder(pixels.contiguous(memory_format=torch.channels_last)).mask_logits
        yield batch.image_ids, found.flatten(1).float().cpu().numpy()
