"""What an expected rule scores at every weight and every limit of emptiness on one fold, from its maps' histograms.

A map's cut depends on nothing but its histogram and what was fitted on other folds, so one look at the histograms
scores all settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskfold.config.tuning import CUT_BY_IMAGE
from maskfold.execution.compiled import compiled
from maskfold.pixels.metrics import PLANES, plane_sum
from maskfold.rules.expected import knows_class_prob, presence_signs, presence_steps
from maskfold.rules.rules import CALIBRATED_ONE, PRESENCE_SIGNS, SCORE_STEPS, WEIGHT_STEPS
from maskfold.tuning.tables.score_tables import FoldTables, ScoreTable

# Of the expected true area, in sixteenths; the neutral one first, so that it wins where scores are equal.
WEIGHTS = (16, 14, 18, 12, 20, 10, 24, 8, 32)
_SCORE_GRID = np.arange(SCORE_STEPS + 1)


@dataclass(frozen=True)
class LimitTables:
    """One fold under one calibration, by gate level: rows are WEIGHTS, columns the limits of emptiness.

    area: limits of the expected true area, those of the area grid; score: limits of the expected score, 0..1024;
    presence: limits of presence, 0..1024, [] without a model of it.
    """

    area: list[ScoreTable]
    score: list[ScoreTable]
    presence: list[ScoreTable]


def limit_tables(
    tables: FoldTables, class_index: int, calibration: Sequence[int], presence: tuple[int, ...] | None = None
) -> LimitTables:
    """The tables of one class on one fold; calibration, presence: as an ExpectedRule has them."""
    levels, planes = tables.images.shape[1], np.array(PLANES[tables.metric])
    weights, grid = np.array(WEIGHTS), tables.area_grid
    shape = (levels, len(planes), len(weights))
    area_steps = np.zeros((*shape, len(grid)), dtype=np.int64)
    score_steps, presence_sums = (np.zeros((*shape, SCORE_STEPS + 1), dtype=np.int64) for _ in range(2))
    by_level, score = np.array(calibration, dtype=np.int64), CUT_BY_IMAGE[tables.metric]
    for records in tables.histograms.chunks(class_index):
        histograms = np.ascontiguousarray(records["histograms"])
        steps = np.zeros(len(records), dtype=np.int64)
        if presence is not None:
            steps = presence_steps(_signs(records, by_level, score, knows_class_prob(presence)), presence)
        _add_cuts(
            histograms,
            records["true_area"].astype(np.int64),
            records["gate_level"].astype(np.int64),
            by_level,
            weights,
            score == "iou",
            planes,
            grid,
            steps,
            area_steps,
            score_steps,
            presence_sums,
        )
    empty = tables.gate_counts(class_index)

    def made(steps: np.ndarray, limits: np.ndarray) -> list[ScoreTable]:
        return [_table(table, of_level, limits) for table, of_level in zip(empty, steps, strict=True)]

    return LimitTables(
        made(area_steps, grid),
        made(score_steps, _SCORE_GRID),
        made(presence_sums, _SCORE_GRID) if presence is not None else [],
    )


def map_signs(
    tables: FoldTables, class_index: int, calibration: Sequence[int], gated: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The signs of presence of one class's maps on one fold, and what each mask scores more than an empty one.

    gated: whether the classification head is one of them. (n, signs) int64 of `presence_signs`, and (n,) int64 of the
    first plane of the metric, for the neutral weight.
    """
    by_level, score = np.array(calibration, dtype=np.int64), CUT_BY_IMAGE[tables.metric]
    plane = PLANES[tables.metric][0]
    signs, gains = [np.zeros((0, PRESENCE_SIGNS + gated), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for records in tables.histograms.chunks(class_index):
        histograms = np.ascontiguousarray(records["histograms"])
        signs.append(_signs(records, by_level, score, gated))
        gains.append(_neutral_gains(histograms, records["true_area"].astype(np.int64), by_level, score == "iou", plane))
    return np.concatenate(signs), np.concatenate(gains)


def _signs(records: np.ndarray, calibration: np.ndarray, score: str, gated: bool) -> np.ndarray:
    """The signs of presence of maps as `MapHistograms` keeps them; gated: with the classification head."""
    return presence_signs(records["histograms"][:, 0], calibration, score, records["gate_level"] if gated else None)


def _table(counts: ScoreTable, steps: np.ndarray, limits: np.ndarray) -> ScoreTable:
    """One gate level: a limit keeps the maps in its own column and in those of all larger ones."""
    sums = steps[..., ::-1].cumsum(axis=-1)[..., ::-1] + counts.blank[:, None, None]
    return replace(counts, sums=sums, area_grid=limits)


@compiled
def _add_cuts(
    histograms: np.ndarray,
    true_area: np.ndarray,
    gate_level: np.ndarray,
    calibration: np.ndarray,
    weights: np.ndarray,
    by_iou: bool,
    planes: np.ndarray,
    grid: np.ndarray,
    presence: np.ndarray,
    area_steps: np.ndarray,
    score_steps: np.ndarray,
    presence_sums: np.ndarray,
) -> None:
    """Add what each map gains over the empty mask to the last columns that keep it; histograms: (n, 2 or 3, 256)."""
    limits = grid * CALIBRATED_ONE
    for one_map in range(len(histograms)):
        counts, level = histograms[one_map], gate_level[one_map]
        expected = np.sum(counts[0] * calibration)
        if expected == 0:
            continue
        area_column = np.searchsorted(limits, expected, side="right") - 1
        for row in range(len(weights)):
            score, predicted, overlap = _best_cut(counts, calibration, weights[row] * expected, by_iou)
            score_column = min(int(score * SCORE_STEPS), SCORE_STEPS)  # a small weight makes scores above 1
            for index, plane in enumerate(planes):
                gain = plane_sum(plane, overlap, predicted, true_area[one_map])
                gain -= plane_sum(plane, 0, 0, true_area[one_map])
                area_steps[level, index, row, area_column] += gain
                score_steps[level, index, row, score_column] += gain
                presence_sums[level, index, row, presence[one_map]] += gain


@compiled
def _neutral_gains(
    histograms: np.ndarray, true_area: np.ndarray, calibration: np.ndarray, by_iou: bool, plane: int
) -> np.ndarray:
    """(n,) int64: what each map's best cut adds to a plane over the empty mask; histograms: (n, 2 or 3, 256)."""
    gains = np.zeros(len(histograms), dtype=np.int64)
    for one_map in range(len(histograms)):
        counts = histograms[one_map]
        expected = np.sum(counts[0] * calibration)
        if expected > 0:
            _, predicted, overlap = _best_cut(counts, calibration, WEIGHT_STEPS * expected, by_iou)
            gains[one_map] = plane_sum(plane, overlap, predicted, true_area[one_map])
            gains[one_map] -= plane_sum(plane, 0, 0, true_area[one_map])
    return gains


@compiled
def _best_cut(counts: np.ndarray, calibration: np.ndarray, weighted_total: int, by_iou: bool) -> tuple[float, int, int]:
    """The expected score of the best cut of a map, its area and its true overlap; `rules.expected` says how.

    Ignored pixels take part in the choice of the cut, as in a test image, but not in the area that is scored.
    """
    best, best_predicted, best_overlap = 0.0, 0, 0
    predicted, overlap, ignored, expected_overlap = 0, 0, 0, 0
    for level in range(255, 0, -1):
        if counts[0, level] == 0:
            continue
        predicted += counts[0, level]
        overlap += counts[1, level]
        if len(counts) == 3:
            ignored += counts[2, level]
        expected_overlap += counts[0, level] * calibration[level]
        if by_iou:
            union = WEIGHT_STEPS * (predicted * CALIBRATED_ONE - expected_overlap) + weighted_total
            score = WEIGHT_STEPS * expected_overlap / union
        else:
            both = WEIGHT_STEPS * predicted * CALIBRATED_ONE + weighted_total
            score = 2 * WEIGHT_STEPS * expected_overlap / both
        if score > best:
            best, best_predicted, best_overlap = score, predicted - ignored, overlap
    return best, best_predicted, best_overlap
