"""The exact search for the expected rule of one class: every weight and every limit of emptiness, from the histograms.

A map's cut depends on nothing but its histogram and the calibration, so one look at the histograms of a fold scores all
settings on it. The calibration that is applied to a fold is fitted without that fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskfold.execution.compiled import compiled
from maskfold.pixels.metrics import PLANES, plane_sum
from maskfold.rules.rules import CALIBRATED_ONE, GATE_STEPS, SCORE_STEPS, WEIGHT_STEPS, ExpectedRule, HardGate
from maskfold.tuning.calibration import isotonic, level_counts
from maskfold.tuning.gates import gate_peaks, gated
from maskfold.tuning.tables.score_tables import FoldTables, ScoreTable, total

# Of the expected true area, in sixteenths; the neutral one first, so that it wins where scores are equal.
WEIGHTS = (16, 14, 18, 12, 20, 10, 24, 8, 32)
_SCORE_GRID = np.arange(SCORE_STEPS + 1)
SCORE_OF_METRIC = {"dice": "dice", "iou": "iou", "tgs_precision": "iou"}


@dataclass(frozen=True)
class LimitTables:
    """One fold under one calibration, by gate level: rows are WEIGHTS, columns the limits of emptiness.

    area: limits of the expected true area, those of the area grid; score: limits of the expected score, 0..1024.
    """

    area: list[ScoreTable]
    score: list[ScoreTable]


class ExpectedSearch:
    """The expected rules of one class, chosen on sets of folds."""

    def __init__(self, tables: Sequence[FoldTables], class_index: int, gated: bool) -> None:
        """gated: also try hard gates; the tables then have gate levels."""
        self._tables = tables
        self._class_index = class_index
        self._gated = gated
        self._counts = [level_counts(table, class_index) for table in tables]

    def best(self, folds: Sequence[int]) -> list[tuple[ExpectedRule, float]]:
        """The best rule of every kind (limit of area or score, without and with a gate) on these folds, and its score.

        Each fold is scored under the calibration of the others, a single one under its own; the rule has that of all.
        [] if no pixel of these folds is true.
        """
        calibration = isotonic([self._counts[fold] for fold in folds])
        if not any(calibration):
            return []
        by_fold = []
        for fold in folds:
            others = [self._counts[other] for other in folds if other != fold]
            own = isotonic(others) if others else calibration
            by_fold.append(limit_tables(self._tables[fold], self._class_index, own))
        found = []
        for limit in ("area", "score"):
            levels = [total(list(same)) for same in zip(*(getattr(each, limit) for each in by_fold), strict=True)]
            found.append(self._rule(calibration, limit, total(levels), None))
            if self._gated:
                peaks = gate_peaks(levels)
                best = int(np.argmax(peaks)) + 1
                gate = HardGate(min_class_prob=best / GATE_STEPS)
                found.append(self._rule(calibration, limit, gated(levels, best), gate))
        return found

    def _rule(
        self, calibration: tuple[int, ...], limit: str, table: ScoreTable, gate: HardGate | None
    ) -> tuple[ExpectedRule, float]:
        scores = table.scores()
        row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
        value = int(table.area_grid[column])
        rule = ExpectedRule(
            score="dice" if SCORE_OF_METRIC[table.metric] == "dice" else "iou",
            calibration=calibration,
            total_weight=WEIGHTS[row],
            min_expected_px=value if limit == "area" else 0,
            min_expected_score=value if limit == "score" else 0,
            min_area_px=0,
            gate=gate,
        )
        return rule, float(scores[row, column])


def limit_tables(tables: FoldTables, class_index: int, calibration: Sequence[int]) -> LimitTables:
    """The tables of one class on one fold; calibration: (256,) in 1/65536."""
    levels, planes = tables.images.shape[1], np.array(PLANES[tables.metric])
    weights, grid = np.array(WEIGHTS), tables.area_grid
    area_steps = np.zeros((levels, len(planes), len(weights), len(grid)), dtype=np.int64)
    score_steps = np.zeros((levels, len(planes), len(weights), len(_SCORE_GRID)), dtype=np.int64)
    by_iou = SCORE_OF_METRIC[tables.metric] == "iou"
    for records in tables.histograms.chunks(class_index):
        _add_cuts(
            np.ascontiguousarray(records["histograms"]),
            records["true_area"].astype(np.int64),
            records["gate_level"].astype(np.int64),
            np.array(calibration, dtype=np.int64),
            weights,
            by_iou,
            planes,
            grid,
            area_steps,
            score_steps,
        )
    empty = tables.gate_counts(class_index)
    return LimitTables(
        [_table(table, steps, grid) for table, steps in zip(empty, area_steps, strict=True)],
        [_table(table, steps, _SCORE_GRID) for table, steps in zip(empty, score_steps, strict=True)],
    )


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
    area_steps: np.ndarray,
    score_steps: np.ndarray,
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
