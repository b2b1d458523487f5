"""From test images to the rows of a submission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import cv2
import pandas as pd

from maskfold.config import Config
from maskfold.execution.progress import tracked
from maskfold.pixels.rle import Order
from maskfold.rules.applying import apply_rules
from maskfold.rules.tuned import TunedArtefact
from maskfold.submission.writing import AnswerRow, encode_image

if TYPE_CHECKING:
    from maskfold.inference.predict import Prediction


def answer_images(config: Config, tuned: TunedArtefact, images: pd.DataFrame, title: str) -> Iterator[AnswerRow]:
    """From image files to run lengths with all folds, image by image as they are asked for, batch by batch.

    Of a blend with all folds of its members. images: image_id, path, height, width. The models stay loaded for the next
    call of this process.
    """
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.blending.ensemble import predict_ensemble

    predictions = predict_ensemble(config, tuned.ensemble_weights, images)
    return _answer_rows(tracked(predictions, len(images), title), tuned, config.submission.order)


def _answer_rows(predictions: Iterable[Prediction], tuned: TunedArtefact, order: Order) -> Iterator[AnswerRow]:
    """Post-processed and encoded predictions; the score of a mask is its mean probability."""
    for image_id, prob_maps, class_prob in predictions:
        masks = apply_rules(prob_maps, tuned.rules, class_prob)
        texts = encode_image(masks, order)
        for index, (prob, mask, text) in enumerate(zip(prob_maps, masks, texts, strict=True)):
            yield AnswerRow(image_id, index, text, cv2.mean(prob, mask=mask)[0] / 255)
