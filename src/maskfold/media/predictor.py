"""A trained run that answers pictures in memory: its networks, and the rules that were tuned for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ValidationError

from maskfold.artefacts.paths import RunPaths
from maskfold.blending.combining import combine_class_probs, combine_maps
from maskfold.config import Config, InferenceConfig, ModelConfig, Resize
from maskfold.config.experiment import experiments
from maskfold.errors import UsageError
from maskfold.inference.batches import ImageBatch, image_batch
from maskfold.inference.predict import Ensemble, Prediction
from maskfold.inference.runtime import Runtime
from maskfold.media.photos import Picture
from maskfold.media.request import Request
from maskfold.network.model import load_model
from maskfold.network.trained import equal_weights, fold_names
from maskfold.pixels.geometry import network_size, padded_size
from maskfold.rules.applying import apply_rules
from maskfold.rules.tuned import TunedArtefact

# A Unet keeps some kilobytes a pixel alive: 4 megapixels of resnet34 take about 6 GB, 50 would take 70.
WHOLE_PX = 2**22
TILE_SIZE, TILE_OVERLAP = (1024, 1024), 128
BATCH_PX = 2**24  # of one batch, as pictures and as the network sees them


@dataclass(frozen=True)
class Member:
    """One experiment's networks, how they see pictures, and how much they count in a blend."""

    ensemble: Ensemble
    model: ModelConfig
    weight: float

    def batch(self, pictures: Sequence[Picture]) -> ImageBatch:
        """Pictures of one size, ready for the networks."""
        names = [picture.name for picture in pictures]
        seen = [picture.seen for picture in pictures]
        return image_batch(names, seen, self.model, self.ensemble.inference.pad_multiple)

    def network_px(self, height: int, width: int) -> int:
        """The pixels of a picture as the networks see it."""
        size = network_size(height, width, self.model.resize)
        return int(np.prod(padded_size(*size, self.ensemble.inference.pad_multiple)))

    def predict(self, batch: ImageBatch) -> list[Prediction]:
        """The answers; what is too large to go through whole goes in tiles, whatever the config says."""
        height, width = batch.pixels.shape[2:]
        ensemble = self.ensemble
        if ensemble.inference.tile_size is None and height * width > WHOLE_PX:
            tiles = {"tile_size": TILE_SIZE, "tile_overlap": TILE_OVERLAP}
            ensemble = replace(ensemble, inference=ensemble.inference.model_copy(update=tiles))
        return ensemble.predict(batch)


class Predictor:
    """The only way from pictures to masks here, for photos and frames alike."""

    def __init__(self, config: Config, tuned: TunedArtefact, request: Request) -> None:
        """Load the weights. Raises UsageError for folds or views that there are not, StaleError for bad weights."""
        self.tuned = tuned
        self.combine = None if config.blend is None else config.blend.combine
        self.channels = config.model.in_channels if config.blend is None else config.blend.members[0].model.in_channels
        self.members = [
            _member(run, tuned.ensemble_weights, request, 1.0)
            if config.blend is None
            else _member(run, equal_weights(run), request, tuned.ensemble_weights[run.name])
            for run in experiments(config)
            if config.blend is None or tuned.ensemble_weights[run.name] > 0
        ]
        self.batch_size = request.batch or config.inference.batch_size

    def pictures_a_batch(self, height: int, width: int) -> int:
        """How many pictures of a size go through at once: as configured, fewer where they are large."""
        largest = max(height * width, *(member.network_px(height, width) for member in self.members))
        return max(1, min(self.batch_size, BATCH_PX // largest))

    def prepare(self, pictures: Sequence[Picture]) -> list[ImageBatch]:
        """Pictures of one size as each member sees them."""
        return [member.batch(pictures) for member in self.members]

    def predict(self, batches: Sequence[ImageBatch]) -> list[Prediction]:
        """The probabilities of prepared pictures, in their order."""
        answers = [member.predict(batch) for member, batch in zip(self.members, batches, strict=True)]
        if self.combine is None:
            return answers[0]
        shares = [member.weight for member in self.members]
        return [
            Prediction(
                parts[0].image_id,
                combine_maps([part.prob for part in parts], shares, self.combine),
                combine_class_probs([part.class_prob for part in parts], shares),
            )
            for parts in zip(*answers, strict=True)
        ]

    def masks(self, prediction: Prediction) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1}: the tuned rules on one prediction, as make_submission applies them."""
        return apply_rules(prediction.prob, self.tuned.rules, prediction.class_prob)


def _member(run: Config, fold_weights: Mapping[str, float], request: Request, weight: float) -> Member:
    """One experiment with the request's folds, views and size; fold_weights: fold0 -> weight, summing to 1."""
    folds = list(range(run.folds.models)) if request.folds is None else list(dict.fromkeys(request.folds))
    unknown = [fold for fold in folds if fold not in range(run.folds.models)]
    if unknown or not folds:
        raise UsageError(f"--folds: {run.name} has the folds 0 to {run.folds.models - 1}, found {unknown or 'none'}")
    names = fold_names(run)
    weights = [fold_weights[names[fold]] for fold in folds]
    if request.folds is not None:
        weights = [value / sum(weights) for value in weights] if sum(weights) else [1 / len(folds)] * len(folds)
    paths, runtime = RunPaths.of(run), Runtime.of(run)
    models = [load_model(paths.model(fold), run.model, len(run.data.class_names or ())) for fold in folds]
    ready = [model.to(runtime.device).eval() for model in models]
    model = run.model
    if request.network_side is not None:
        model = model.model_copy(update={"resize": Resize(longest_side=request.network_side)})
    return Member(Ensemble(ready, weights, _views(run.inference, request), runtime), model, weight)


def _views(inference: InferenceConfig, request: Request) -> InferenceConfig:
    """The config's inference with the views of --tta."""
    if request.tta is None:
        return inference
    try:
        return InferenceConfig.model_validate(inference.model_dump() | {"tta": request.tta})
    except ValidationError as error:
        raise UsageError(f"--tta: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
