"""OOF predictions of Severstal's size, simulated from masks: the stream that exact_tuning measures on.

Every map is a function of (seed, image, class): the soft-edged, slightly displaced truth at a random confidence (now
and then missed), sometimes a false positive in the shape of another image's defect, and low noise, half smooth and half
grainy, over a quarter of the pixels.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.drawn.steel_masks import CLASSES, HEIGHT, WIDTH, steel_masks
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config, Experiment
from maskfold.data.competition import Competition
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.oof.store import OofImage, OofWriter
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.rle import decode

_POOL = (1024, 4096)


class SeverstalOof:
    """Simulated OOF images in any order, without a disk."""

    def __init__(self, labels: Path | None, seed: int = 0, active_share: float = 0.25) -> None:
        """labels: see steel_masks; active_share: of the pixels above zero by noise."""
        self.seed = seed
        self.active_share = active_share
        self.image_ids, self.runs = steel_masks(labels)
        self.shapes = list(self.runs.values())

    @cached_property
    def noise(self) -> np.ndarray:
        """(1024, 4096) uint8: noise that is above zero in `active_share` of the pixels and rarely above 60."""
        rng = np.random.default_rng([self.seed, 2**20])
        coarse = rng.standard_normal((_POOL[0] // 16, _POOL[1] // 16)).astype(np.float32)
        smooth = cv2.resize(coarse, _POOL[::-1], interpolation=cv2.INTER_CUBIC)
        smooth -= np.quantile(smooth, 1 - self.active_share)
        grain = 1 + 0.2 * rng.standard_normal(_POOL).astype(np.float32) * (np.arange(_POOL[1]) % 512 < 256)
        return np.clip(np.ceil(smooth * grain * 28), 0, 120).astype(np.uint8) * (smooth > 0)

    def image(self, index: int) -> LabelledOof:
        """One image: (4, 256, 1600) probabilities and truth; images beyond those with labels are mirrored copies."""
        truth = self.truth(index)
        prob = np.stack([self._prob(index, class_id, truth[class_id]) for class_id in range(CLASSES)])
        return LabelledOof(OofImage(f"{index:05d}", index % 5, prob, None), truth)

    def truth(self, index: int) -> np.ndarray:
        """The truth of one image: (4, 256, 1600) uint8."""
        repeat, source = divmod(index, len(self.image_ids))
        image_id = self.image_ids[source]
        return np.stack([self._mask(self.runs.get((image_id, class_id)), repeat) for class_id in range(CLASSES)])

    def _prob(self, index: int, class_id: int, truth: np.ndarray) -> np.ndarray:
        """The probabilities of one class, (256, 1600) uint8."""
        rng = np.random.default_rng([self.seed, index, class_id])
        top, left = rng.integers(_POOL[0] - HEIGHT), rng.integers(_POOL[1] - WIDTH)
        prob = self.noise[top : top + HEIGHT, left : left + WIDTH].copy()
        if truth.any():
            confidence = rng.uniform(0.5, 1.0) if rng.random() > 0.08 else rng.uniform(0.1, 0.4)
            prob = cv2.max(prob, _soft(truth, confidence, rng))
        if rng.random() < 0.12:
            shape = self._mask(self.shapes[rng.integers(len(self.shapes))], int(rng.integers(4)))
            keep = np.zeros_like(shape)
            start = rng.integers(WIDTH - 100)
            keep[:, start : start + rng.integers(20, 100)] = 1
            prob = cv2.max(prob, _soft(shape * keep, rng.uniform(0.3, 0.8), rng))
        return prob

    def _mask(self, runs: str | None, flips: int) -> np.ndarray:
        if runs is None:
            return np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        mask = decode(runs, HEIGHT, WIDTH)
        return np.ascontiguousarray(mask[:: -1 if flips & 1 else 1, :: -1 if flips & 2 else 1])


def _soft(mask: np.ndarray, confidence: float, rng: np.random.Generator) -> np.ndarray:
    """The mask with soft edges, moved by a few pixels: (H, W) uint8."""
    shift = np.array([[1, 0, rng.integers(-4, 5)], [0, 1, rng.integers(-4, 5)]], dtype=np.float32)
    moved = cv2.warpAffine(mask * np.uint8(round(255 * confidence)), shift, (WIDTH, HEIGHT))
    return cv2.GaussianBlur(moved, (0, 0), float(rng.uniform(1.5, 5)))


def simulated_config(folder: Path) -> Config:
    """A run below `folder` that is tuned as shipped."""
    names = tuple(str(number + 1) for number in range(CLASSES))
    data = {"format": "rle_csv", "root": str(folder), "class_names": names}
    return Experiment.model_validate({"name": "simulated", "output_root": str(folder), "data": data})


def simulated_competition(source: SeverstalOof, images: int) -> Competition:
    """The first images of the simulated OOF and their truth."""
    train = pd.DataFrame({"image_id": [f"{index:05d}" for index in range(images)]})
    train = train.assign(path="", height=HEIGHT, width=WIDTH)
    names = simulated_config(Path()).data.class_names or ()
    return Competition(names, train, train.iloc[:0], lambda image_id: source.truth(int(image_id)))


def write_oof(config: Config, source: SeverstalOof, images: int) -> None:
    """The OOF store of the first images."""
    with ExitStack() as stack:
        paths = [RunPaths.of(config).oof_parquet(fold) for fold in range(config.folds.count)]
        writers = [stack.enter_context(OofWriter(path, CLASSES)) for path in paths]
        for image in map_threads(source.image, range(images), available_cores()):
            writers[image.oof.fold].write(image.oof.image_id, image.oof.fold, image.oof.prob)
