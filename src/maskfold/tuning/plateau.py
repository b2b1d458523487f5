"""Choosing a setting from exact tables: the middle of the plateau of settings that noise cannot tell from the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.tuning.tables.score_tables import THRESHOLDS, ScoreTable, total

# Settings whose loss against the best is below this many standard errors of that loss (over folds) count as its equal.
# Measured on simulated Severstal OOF, chosen on 250 images and scored on 2750 others: up to 1 the gain is that of the
# very peak within noise, from 1.5 on it shrinks.
NOISE_ERRORS = 1.0
# Nor may a setting give away more than this share of what the best gains over the default and over always empty:
# few folds that differ much make the standard error meaningless.
GIVEN_AWAY = 0.05


_DEFAULT_ROW = 127  # threshold 128, which is a probability of 0.5


@dataclass(frozen=True)
class Choice:
    """A setting chosen from a table, as row (threshold - 1) and column (index of the area grid), and its plateau."""

    row: int
    column: int
    score: float
    best_row: int
    best_column: int
    best_score: float
    plateau: np.ndarray  # (255, bins) bool

    @property
    def threshold(self) -> int:
        """The chosen threshold."""
        return self.row + 1

    def extent(self, area_grid: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
        """The lowest and highest threshold and minimum area of the plateau."""
        rows, columns = np.nonzero(self.plateau)
        areas = area_grid[columns]
        return (
            (int(THRESHOLDS[rows.min()]), int(THRESHOLDS[rows.max()])),
            (int(areas.min()), int(areas.max())),
        )


def best_setting(table: ScoreTable) -> tuple[int, int]:
    """Row and column of the highest score; of equal ones the lowest threshold, then the smallest minimum area."""
    row, column = np.unravel_index(int(np.argmax(table.scores())), table.sums.shape[1:])
    return int(row), int(column)


def choose(tables: Sequence[ScoreTable], noise_errors: float = NOISE_ERRORS, given_away: float = GIVEN_AWAY) -> Choice:
    """The setting to use, from the tables of the folds it may be chosen on.

    A setting is within noise of the best when its loss is at most `noise_errors` standard errors of that loss, taken
    from how much the loss differs between the folds, and at most a share `given_away` of the gain. Of those that
    connect to the best, the one deepest inside wins.
    """
    whole = total(tables)
    scores = whole.scores()
    best_row, best_column = best_setting(whole)
    loss = scores[best_row, best_column] - scores
    gain = scores[best_row, best_column] - max(scores[_DEFAULT_ROW, 0], whole.all_empty())
    errors = _standard_error(tables, best_row, best_column)
    allowed = np.minimum(noise_errors * errors, given_away * max(gain, 0.0))
    plateau = _connected(loss <= allowed, best_row, best_column)
    depth = cv2.distanceTransform(np.pad(plateau, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    deepest = depth >= depth.max()
    row, column = np.unravel_index(int(np.argmax(np.where(deepest, scores, -1.0))), scores.shape)
    return Choice(
        int(row),
        int(column),
        float(scores[row, column]),
        best_row,
        best_column,
        float(scores[best_row, best_column]),
        plateau,
    )


def _standard_error(tables: Sequence[ScoreTable], row: int, column: int) -> np.ndarray:
    """(255, bins) standard error, over folds, of each setting's loss against the setting at row and column."""
    filled = [table for table in tables if table.images]
    if len(filled) < 2:
        return np.zeros(tables[0].sums.shape[1:])
    losses = np.stack([scores[row, column] - scores for scores in (table.scores() for table in filled)])
    return np.asarray(losses.std(axis=0, ddof=1) / np.sqrt(len(filled)))


def _connected(mask: np.ndarray, row: int, column: int) -> np.ndarray:
    """The 4-connected component of `mask` that holds (row, column)."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return np.asarray(labels == labels[row, column])
