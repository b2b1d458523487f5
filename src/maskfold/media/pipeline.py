"""Reading, preparing, predicting and drawing in parallel threads, in order, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from maskfold.execution.jobs import available_cores, read_ahead
from maskfold.inference.predict import Prediction
from maskfold.media.photos import Picture
from maskfold.media.predictor import Predictor


def drawing_threads() -> int:
    """Threads to draw in: OpenCV and NumPy release the interpreter while they work."""
    return max(2, min(8, available_cores() // 2))


def groups(pictures: Iterable[Picture], predictor: Predictor) -> Iterator[list[Picture]]:
    """Neighbouring pictures of one size, as many as go through the networks at once."""
    group: list[Picture] = []
    for picture in pictures:
        if group and picture.seen.shape != group[0].seen.shape:
            yield group
            group = []
        group.append(picture)
        if len(group) >= predictor.pictures_a_batch(*picture.seen.shape[:2]):
            yield group
            group = []
    if group:
        yield group


def predicted(pictures: Iterable[Picture], predictor: Predictor) -> Iterator[tuple[Picture, Prediction]]:
    """Every picture with its prediction, in order; decoding and resizing run while the models predict."""
    ready = ((group, predictor.prepare(group)) for group in read_ahead(groups(pictures, predictor)))
    for group, batches in read_ahead(ready):
        yield from zip(group, predictor.predict(batches), strict=True)


class Smoother:
    """A moving average of probabilities over frames, against flicker.

    share: weight of the previous average, 0 (off) to below 1. A frame of another size
    starts again.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._prob: np.ndarray | None = None  # float32, 0..255
        self._class_prob: np.ndarray | None = None

    def __call__(self, prediction: Prediction) -> Prediction:
        """The smoothed prediction of the next frame."""
        name, prob, class_prob = prediction
        if self.share == 0:
            return prediction
        if self._prob is None or self._prob.shape != prob.shape:
            self._prob, self._class_prob = prob.astype(np.float32), class_prob
            return prediction
        self._prob += (1 - self.share) * (prob - self._prob)
        if class_prob is not None and self._class_prob is not None:
            self._class_prob = self._class_prob + np.float32(1 - self.share) * (class_prob - self._class_prob)
        return Prediction(name, np.rint(self._prob).astype(np.uint8), self._class_prob)
