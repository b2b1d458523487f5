"""What a vector of weights is worth on the sampled OOF images: exactly, and honestly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from maskfold.blending.combining import combine_maps
from maskfold.blending.oof_subset import SampledImage
from maskfold.config import Combine, TuningConfig
from maskfold.execution.jobs import available_cores
from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.exclusive import decided_maps
from maskfold.pixels.metrics import FIXED_ONE, POOLED, pooled_scores
from maskfold.tuning.plateau import choose
from maskfold.tuning.tables.score_tables import (
    FoldTables,
    ScoreTable,
    area_grid,
    total,
)
from maskfold.tuning.tables.table_filling import fold_tables

SCORED_BY = {"metric", "connectivity", "dense_areas", "area_growth"}  # keys of tuning that decide these scores

Weights = tuple[float, ...]  # one a member, summing to 1


@dataclass(frozen=True)
class VectorScores:
    """One vector of weights.

    peaks: (folds + 1,) float64, the mean over classes of the best exact setting on all folds, then without each fold.
    held_out: (classes, folds, planes) int64, the sums of each fold at the setting chosen without it.
    """

    peaks: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class HonestScore:
    """The mean over classes of all folds together, and of each alone: (folds,) float64."""

    score: float
    by_fold: np.ndarray


class BlendScores:
    """Scores weights on the sampled images by the component rule, each vector once."""

    def __init__(
        self,
        sample: Sequence[SampledImage],
        combine: Combine,
        tuning: TuningConfig,
        largest_px: int,
        exclusive: bool = False,
    ) -> None:
        """sample: images of folds 0, 1, … in order; largest_px: pixels of the largest map; exclusive: each pixel is of
        one class or none.
        """
        self.folds = sample[-1].fold + 1
        self._by_fold = [[image for image in sample if image.fold == fold] for fold in range(self.folds)]
        self._combine: Combine = combine
        self._tuning, self._exclusive = tuning, exclusive
        self._grid = area_grid(largest_px, tuning.dense_areas, tuning.area_growth)
        self._classes = len(sample[0].truth)
        self._known: dict[Weights, VectorScores] = {}
        # Of the truth alone, so the same for every vector.
        self._images = np.array([len(images) for images in self._by_fold])
        self._true_area = np.array(
            [sum(image.truth.sum(axis=(1, 2), dtype=np.int64) for image in images) for images in self._by_fold]
        ).T

    def of(self, weights: Weights) -> VectorScores:
        """The scores of one vector, remembered."""
        if weights not in self._known:
            folds = [self._tables(images, weights) for images in self._by_fold]
            self._known[weights] = self._scored(folds)
        return self._known[weights]

    def honest(self, of_fold: Sequence[Weights]) -> HonestScore:
        """The score when fold k uses the weights of_fold[k], and settings that were chosen on the other folds."""
        sums = np.stack([self.of(weights).held_out[:, fold] for fold, weights in enumerate(of_fold)], axis=1)
        by_fold = [self._mean(sums[:, [fold]], [fold]) for fold in range(self.folds)]
        return HonestScore(self._mean(sums, list(range(self.folds))), np.array(by_fold))

    def _mean(self, sums: np.ndarray, folds: list[int]) -> float:
        """The mean over classes of the score of some folds: sums (classes, folds, planes) int64."""
        added = sums.sum(axis=1)
        if self._tuning.metric in POOLED:
            areas = self._true_area[:, folds].sum(axis=1)
            return float(pooled_scores(self._tuning.metric, added[:, 0], added[:, 1], areas).mean())
        return float(np.mean(added[:, 0] / (int(self._images[folds].sum()) * FIXED_ONE)))

    def _tables(self, images: Sequence[SampledImage], weights: Weights) -> FoldTables:
        tuning = self._tuning
        return fold_tables(
            self._combined(images, weights),
            tuning.metric,
            self._grid,
            tuning.connectivity,
            self._classes,
            available_cores(),
        )

    def _combined(self, images: Sequence[SampledImage], weights: Weights) -> Iterator[LabelledOof]:
        for image in images:
            prob = combine_maps(list(image.members), weights, self._combine)
            prob = decided_maps(prob) if self._exclusive else prob
            yield LabelledOof(OofImage(image.image_id, image.fold, prob, None), image.truth, image.ignored)

    def _scored(self, folds: Sequence[FoldTables]) -> VectorScores:
        peaks, held_out = [], []
        for index in range(self._classes):
            tables = [fold.table(index) for fold in folds]
            others = [[table for k, table in enumerate(tables) if k != fold] for fold in range(self.folds)]
            peaks.append([float(total(chosen).scores().max()) for chosen in (tables, *others)])
            held_out.append([_sums_at(table, rest) for table, rest in zip(tables, others, strict=True)])
        return VectorScores(np.mean(peaks, axis=0), np.array(held_out))


def _sums_at(table: ScoreTable, others: Sequence[ScoreTable]) -> np.ndarray:
    """(planes,) int64 sums of one fold at the setting chosen on the others."""
    choice = choose(others)
    return table.sums[:, choice.row, choice.column]
