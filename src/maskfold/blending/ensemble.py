"""Images through all trained folds, and of a blend through all members, into one prediction an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from maskfold.artefacts.files import folder_fingerprint
from maskfold.artefacts.paths import RunPaths
from maskfold.blending.combining import combine_class_probs, combine_maps
from maskfold.config import Config, ModelConfig
from maskfold.inference.predict import Prediction, predict_images
from maskfold.network.model import SegmentationModel, load_model
from maskfold.network.trained import equal_weights, fold_names

_CHUNK_PX = 2**27  # of the maps of one member that wait for those of the others, one byte each


def predict_ensemble(config: Config, weights: Mapping[str, float], images: pd.DataFrame) -> Iterator[Prediction]:
    """Stream the predictions of a table of images (image_id, path, height, width).

    weights: fold0 -> weight, or of a blend member -> weight. Each member of a blend predicts as it predicted its OOF:
    with its own views and sizes, the mean over its folds rounded to 8 bits before the members are combined.
    """
    if config.blend is None:
        yield from _predict_run(config, weights, images)
        return
    members = [member for member in config.blend.members if weights[member.name] > 0]
    shares = [weights[member.name] for member in members]
    for chunk in _chunks(images, len(config.data.class_names)):
        answers = [
            {answer.image_id: answer for answer in _predict_run(member, equal_weights(member), chunk)}
            for member in members
        ]
        for image_id in chunk["image_id"]:
            parts = [answer[image_id] for answer in answers]
            prob = combine_maps([part.prob for part in parts], shares, config.blend.combine)
            yield Prediction(image_id, prob, combine_class_probs([part.class_prob for part in parts], shares))


def _predict_run(config: Config, weights: Mapping[str, float], images: pd.DataFrame) -> Iterator[Prediction]:
    """One experiment's weighted mean over its folds."""
    paths, names = RunPaths.of(config), fold_names(config)
    files = tuple(paths.model(fold) for fold in range(len(names)))
    models = _models(files, folder_fingerprint([*files]), config.model, len(config.data.class_names))
    yield from predict_images(models, [weights[name] for name in names], images, config)


@cache
def _models(files: tuple[Path, ...], _: str, model: ModelConfig, class_count: int) -> list[SegmentationModel]:
    """Trained models, loaded once a process, and again when their files are others, as the fingerprint tells."""
    return [load_model(file, model, class_count) for file in files]


def _chunks(images: pd.DataFrame, class_count: int) -> Iterator[pd.DataFrame]:
    """The table in pieces of at most _CHUNK_PX, or of one image."""
    start, pixels = 0, 0
    for row, added in enumerate((images["height"] * images["width"] * class_count).tolist()):
        if row > start and pixels + added > _CHUNK_PX:
            yield images.iloc[start:row]
            start, pixels = row, 0
        pixels += added
    if start < len(images):
        yield images.iloc[start:]
