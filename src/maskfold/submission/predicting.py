"""From test images to the rows of a submission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from maskfold.config import Config, SubmissionConfig
from maskfold.execution.progress import tracked
from maskfold.pixels.geometry import resize_masks
from maskfold.pixels.objects import means_of_objects, numbered_objects
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import AnyRule
from maskfold.rules.tuned import TunedArtefact
from maskfold.submission.writing import SubmissionRow, encode_image

if TYPE_CHECKING:
    from maskfold.inference.predict import Prediction


def predict_rows(
    config: Config,
    tuned: TunedArtefact,
    images: pd.DataFrame,
    title: str,
    digests: Mapping[str, str] | None = None,
    after: int = 0,
) -> Iterator[SubmissionRow]:
    """From image files to run lengths, with all folds (and all members of a blend), in batches, as rows are asked for.

    images: image_id, path, height, width; digests: fold0, of a blend <member>/fold0 -> SHA-256 of the weights, where
    they are recorded; after: how many images follow these. The models stay loaded for the next call in this process.
    """
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.blending.ensemble import trained_ensemble

    predictions = trained_ensemble(config, tuned.ensemble_weights, digests=digests or tuned.checkpoints).predict_images(
        images
    )
    found = tracked(predictions, len(images), title, after)
    return submission_rows(found, tuned.rules, config.submission, config.data.exclusive)


def submission_rows(
    predictions: Iterable[Prediction],
    rules: Sequence[AnyRule],
    submission: SubmissionConfig,
    exclusive: bool = False,
) -> Iterator[SubmissionRow]:
    """Post-processed and encoded predictions, resized to `submission.size`; a score is the mean probability.

    rules: of each class, for masks of the image's own size; exclusive: each pixel is of one class at most.
    """
    for image_id, prob_maps, class_prob in predictions:
        masks = apply_rules(prob_maps, rules, class_prob, exclusive)
        submitted = masks if submission.size is None else resize_masks(masks, submission.size, exclusive)
        texts = encode_image(submitted, submission.pixel_order)
        of_objects: list[tuple[float, ...]] = [()] * len(texts)
        if submission.rows == "object":
            of_objects = [_object_scores(*each, submission) for each in zip(prob_maps, submitted, strict=True)]
        for index, (prob, mask, text) in enumerate(zip(prob_maps, masks, texts, strict=True)):
            yield SubmissionRow(image_id, index, text, cv2.mean(prob, mask=mask)[0] / 255, of_objects[index])


def _object_scores(prob: np.ndarray, mask: np.ndarray, submission: SubmissionConfig) -> tuple[float, ...]:
    """The mean probability of each object of a submitted mask; prob: (H, W) uint8 of the image's own size."""
    if prob.shape != mask.shape:
        prob = cv2.resize(prob, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    objects = numbered_objects(mask, submission.pixel_order)
    return tuple(mean / 255 for mean in means_of_objects(prob, objects))
