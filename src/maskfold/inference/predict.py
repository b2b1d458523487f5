"""The only way from an image to probabilities: used for validation, OOF, test images, photos and video alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from maskfold.config import Experiment, InferenceConfig, ModelConfig
from maskfold.errors import DataError, InferenceError, StaleError
from maskfold.inference.batches import ImageBatch, batch_loader, image_batch
from maskfold.inference.runtime import Runtime, out_of_memory
from maskfold.inference.tiling import predict_tiled
from maskfold.inference.tta import tta_views
from maskfold.network.model import Outputs, SegmentationModel


class Prediction(NamedTuple):
    """One image's probabilities at its original size.

    prob: (C, H, W) uint8, q stands for q/255; class_prob: (C,) float32 in 0..1, or None without a classification head.
    """

    image_id: str
    prob: np.ndarray
    class_prob: np.ndarray | None


@dataclass(frozen=True)
class Ensemble:
    """Trained networks of one experiment that predict together, and how they see an image.

    models: on the device of `runtime`, in evaluation mode; weights: one a model, summing to 1; workers: loader
    processes, as train.workers.
    """

    models: Sequence[SegmentationModel]
    weights: Sequence[float]
    model: ModelConfig
    inference: InferenceConfig
    runtime: Runtime
    workers: int | None

    @classmethod
    def of(
        cls, config: Experiment, models: Sequence[SegmentationModel], weights: Sequence[float] | None = None
    ) -> Ensemble:
        """The models of an experiment on the device that its config asks for; weights: equal ones unless given.

        Raises StaleError where the classes of a model exclude each other and those of the config do not, or reversed.
        """
        if any(model.is_exclusive != config.data.exclusive for model in models):
            raise StaleError(
                f"{config.name}: its models were trained with another data.exclusive than "
                f"{str(config.data.exclusive).lower()}; run `python src/train.py --config configs/{config.name}.yaml`"
            )
        runtime = Runtime.of(config)
        ready = [model.to(runtime.device).eval() for model in models]
        shares = [1 / len(ready)] * len(ready) if weights is None else weights
        return cls(ready, shares, config.model, config.inference, runtime, config.train.workers)

    def prepare(self, image_ids: list[str], images: Sequence[np.ndarray]) -> ImageBatch:
        """Images of one padded size, (H, W, input_channels) uint8 each, as a batch for `predict`."""
        return image_batch(image_ids, images, self.model, self.inference.pad_multiple)

    def predict_images(self, images: pd.DataFrame) -> Iterator[Prediction]:
        """Stream the predictions of a table of images (image_id, path, height, width); memory does not grow with it.

        The order is that of the batches, not of the table, and is the same in every run.
        """
        for batch in batch_loader(images, self.model, self.inference, self.workers, self.runtime.device):
            yield from self.predict(batch)

    def predict(self, batch: ImageBatch) -> list[Prediction]:
        """The weighted mean probability over models and views, back at the original sizes.

        Raises DataError for images that store values of another type than those that a model was trained on.

        A batch that the GPU has no memory for is halved. Raises InferenceError when a single image does not fit either.
        """
        self._check_type(batch)
        try:
            return self._predict(batch)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if len(batch.image_ids) == 1:
                height, width = batch.pixels.shape[2:]
                raise InferenceError(
                    f"image {batch.image_ids[0]}: GPU out of memory at {height}x{width} px (height x width); set "
                    "inference.tile_size or lower it (now "
                    f"{'null' if self.inference.tile_size is None else list(self.inference.tile_size)})"
                ) from None
        torch.cuda.empty_cache()
        middle = len(batch.image_ids) // 2
        return [*self.predict(batch.part(slice(middle))), *self.predict(batch.part(slice(middle, None)))]

    def _check_type(self, batch: ImageBatch) -> None:
        for model in self.models:
            trained = "uint8" if model.intensity is None else model.intensity.stored
            if trained != batch.stored:
                raise DataError(
                    [
                        f"{batch.image_ids[0]}: stores {batch.stored} values, the network was trained on {trained}, "
                        "whose range differs; convert the image as the training images were made"
                    ]
                )

    def _predict(self, batch: ImageBatch) -> list[Prediction]:
        pixels = batch.pixels.to(self.runtime.device, non_blocking=True)
        size = (pixels.shape[2], pixels.shape[3])
        views = tta_views(self.inference.tta, size, self.inference.view_weights)
        total = sum(view.weight for view in views)
        mask_prob: Tensor | None = None
        class_prob: Tensor | None = None
        with torch.inference_mode(), self.runtime.autocast():
            for view in views:
                seen = view.see(pixels).contiguous(memory_format=torch.channels_last)
                for model, weight in zip(self.models, self.weights, strict=True):
                    prob, present = self._probabilities(model, seen)
                    share = weight * view.weight / total
                    prob = view.undo(prob, size).mul(share)
                    mask_prob = prob if mask_prob is None else mask_prob.add_(prob)
                    if present is not None:
                        class_prob = present * share if class_prob is None else class_prob.add_(present, alpha=share)
        assert mask_prob is not None, "no model to predict with"
        maps = original_size_maps(mask_prob, batch)
        class_rows = [None] * len(maps) if class_prob is None else list(class_prob.cpu().numpy())
        return [Prediction(*row) for row in zip(batch.image_ids, maps, class_rows, strict=True)]

    def _probabilities(self, model: SegmentationModel, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mask probabilities (B, C, h, w) and class probabilities (B, C) or None of one network, tiled if so set."""

        def whole(part: Tensor) -> tuple[Tensor, Tensor | None]:
            """(B, C, H, W) probabilities of a batch, and those of its classes where the network has such a head."""
            outputs = model(part)
            if self.runtime.fp16 and not _finite(outputs):  # its largest value is 65,504
                with torch.autocast(self.runtime.device.type, enabled=False):
                    outputs = model(part)
            # float() first: a sigmoid in bf16 has too few steps near 1 for 8-bit probabilities.
            present = None if outputs.class_logits is None else outputs.class_logits.float().sigmoid()
            return outputs.mask_logits.float().sigmoid(), present

        if self.inference.tile_size is None:
            return whole(pixels)
        return predict_tiled(whole, pixels, self.inference.tile_size, self.inference.tile_overlap)


def _finite(outputs: Outputs) -> bool:
    logits = (outputs.mask_logits, outputs.class_logits)
    return all(bool(torch.isfinite(each).all()) for each in logits if each is not None)


def original_size_maps(prob: Tensor, batch: ImageBatch) -> list[np.ndarray]:
    """(B, C, h, w) probabilities of a batch cropped, resized to the original sizes and quantised to (C, H, W) uint8."""
    maps = []
    for row, inner, size in zip(prob, batch.inner_sizes, batch.sizes, strict=True):
        cropped = row[:, : inner[0], : inner[1]]
        if inner != size:
            cropped = torch.nn.functional.interpolate(cropped[None], size, mode="bilinear", antialias=True)[0]
        # Rounded to nearest, never truncated: 254.6 is 255, and a pixel is on at threshold t iff q >= t.
        maps.append(cropped.mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy())
    return maps
