"""A trained run that predicts pictures in memory, with the rules that were tuned for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import ValidationError

from maskfold.blending.ensemble import MemberEnsemble, trained_ensemble
from maskfold.config import Config, InferenceConfig, Resize
from maskfold.errors import UsageError
from maskfold.inference.batches import ImageBatch
from maskfold.inference.predict import Ensemble, Prediction
from maskfold.media.neighbours import neighbours_of
from maskfold.media.photos import Picture
from maskfold.media.request import Request
from maskfold.pixels.geometry import network_size, padded_size
from maskfold.rules.applying import apply_rules
from maskfold.rules.tuned import TunedArtefact

# A Unet keeps some kilobytes a pixel in memory: 4 megapixels of resnet34 take about 6 GB, 50 would take 70.
WHOLE_PX = 2**22
TILE_SIZE, TILE_OVERLAP = (1024, 1024), 128
BATCH_PX = 2**24  # of one batch, as pictures and as the network sees them


class Predictor:
    """From pictures to masks, for photos and video frames alike."""

    def __init__(self, config: Config, tuned: TunedArtefact, request: Request) -> None:
        """Load the weights. Raises UsageError for unknown folds or views, StaleError for bad weights."""
        self.tuned, self.exclusive = tuned, config.data.exclusive
        self.ensemble = _requested(config, tuned, request)
        self.neighbours, self.channels = neighbours_of(config), self.ensemble.members[0].model.in_channels
        self.batch_size = request.batch or config.inference.batch_size

    def pictures_a_batch(self, height: int, width: int) -> int:
        """How many pictures of a size (px) are predicted at once: as configured, fewer if they are large."""
        largest = max(height * width, *(_network_px(member, height, width) for member in self.ensemble.members))
        return max(1, min(self.batch_size, BATCH_PX // largest))

    def prepare(self, pictures: Sequence[Picture]) -> list[ImageBatch]:
        """Pictures of one size as each member of the ensemble sees them."""
        return self.ensemble.prepare([picture.name for picture in pictures], [picture.seen for picture in pictures])

    def predict(self, batches: Sequence[ImageBatch]) -> list[Prediction]:
        """The probabilities of prepared pictures, in their order; large pictures are predicted in tiles."""
        members = [_tiled(member, batch) for member, batch in zip(self.ensemble.members, batches, strict=True)]
        return replace(self.ensemble, members=members).predict(batches)

    def masks(self, prediction: Prediction) -> np.ndarray:
        """(C, H, W) uint8 in {0, 1}: the tuned rules on one prediction, as make_submission applies them."""
        return apply_rules(prediction.prob, self.tuned.rules, prediction.class_prob, self.exclusive)


def _requested(config: Config, tuned: TunedArtefact, request: Request) -> MemberEnsemble:
    """The trained models of a run with the request's folds, views and size."""
    chosen = None if request.folds is None else list(dict.fromkeys(request.folds))
    for run in config.experiments:
        unknown = [fold for fold in chosen or [] if fold not in range(run.folds.models)]
        if unknown or chosen == []:
            last = run.folds.models - 1
            raise UsageError(f"--folds: {run.name} has the folds 0 to {last}, found {unknown or 'none'}")
    ensemble = trained_ensemble(config, tuned.ensemble_weights, chosen, tuned.checkpoints)
    members = []
    for member in ensemble.members:
        model = member.model
        if request.network_side is not None:
            model = model.model_copy(update={"resize": Resize(longest_side=request.network_side)})
        members.append(replace(member, model=model, inference=_views(member.inference, request)))
    return replace(ensemble, members=members)


def _views(inference: InferenceConfig, request: Request) -> InferenceConfig:
    """The config's inference with the views of --tta."""
    if request.tta is None:
        return inference
    try:
        return InferenceConfig.model_validate(inference.model_dump() | {"tta": request.tta, "view_weights": None})
    except ValidationError as error:
        raise UsageError(f"--tta: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _network_px(member: Ensemble, height: int, width: int) -> int:
    """The pixels of a picture as a member's networks see it."""
    size = network_size(height, width, member.model.resize)
    return int(np.prod(padded_size(*size, member.inference.pad_multiple)))


def _tiled(member: Ensemble, batch: ImageBatch) -> Ensemble:
    """The member, predicting in tiles if the images of a batch are large and the config has no tiles."""
    height, width = batch.pixels.shape[2:]
    if member.inference.tile_size is not None or height * width <= WHOLE_PX:
        return member
    tiles = {"tile_size": TILE_SIZE, "tile_overlap": TILE_OVERLAP}
    return replace(member, inference=member.inference.model_copy(update=tiles))
