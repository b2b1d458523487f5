"""The exact search for the expected rule of one class: every weight and every limit of emptiness, from the histograms.

The calibration and the model of presence that are applied to a fold are fitted without that fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskfold.config.tuning import CUT_BY_IMAGE, Calibration
from maskfold.rules.rules import GATE_STEPS, ExpectedRule, HardGate
from maskfold.tuning.calibration import calibrated, level_counts
from maskfold.tuning.gates import gate_peaks, gated
from maskfold.tuning.limit_tables import WEIGHTS, limit_tables, map_signs
from maskfold.tuning.presence import fit_presence
from maskfold.tuning.tables.score_tables import FoldTables, ScoreTable, total


@dataclass(frozen=True)
class Fitted:
    """What is fitted on some folds before any setting is tried; see `ExpectedRule`."""

    calibration: tuple[int, ...]
    presence: tuple[int, ...] | None


class ExpectedSearch:
    """The expected rules of one class, chosen on sets of folds."""

    def __init__(
        self, tables: Sequence[FoldTables], class_index: int, gated: bool, calibration: Calibration = "isotonic"
    ) -> None:
        """gated: use the classification head, for presence and for hard gates; the tables then have gate levels.

        calibration: as tuning.calibration.
        """
        self._tables = tables
        self._class_index = class_index
        self._gated = gated
        self._calibration: Calibration = calibration
        self._counts = [level_counts(table, class_index) for table in tables]
        self._fitted: dict[tuple[int, ...], Fitted] = {}

    def best(self, folds: Sequence[int]) -> list[tuple[ExpectedRule, float]]:
        """The best rule of every kind (limit of area, score or presence, each without and with a gate) on these folds.

        Returns each with its score. Each fold is scored under the calibration and the model of presence of the others,
        a single one under its own; the rule has those of all. [] if no pixel of these folds is true.
        """
        fitted = self._fit(tuple(folds))
        if not any(fitted.calibration):
            return []
        by_fold = []
        for fold in folds:
            others = self._fit(tuple(other for other in folds if other != fold) or (fold,))
            by_fold.append(limit_tables(self._tables[fold], self._class_index, others.calibration, others.presence))
        found = []
        for limit in ("area", "score", "presence"):
            tables = [getattr(each, limit) for each in by_fold]
            if limit == "presence" and not (fitted.presence and all(tables)):
                continue  # too few maps, of these folds or of all but one, to learn from
            levels = [total(list(same)) for same in zip(*tables, strict=True)]
            found.append(self._rule(fitted, limit, total(levels), None))
            if self._gated:
                peaks = gate_peaks(levels)
                best = int(np.argmax(peaks)) + 1
                gate = HardGate(min_class_prob=best / GATE_STEPS)
                found.append(self._rule(fitted, limit, gated(levels, best), gate))
        return found

    def _fit(self, folds: tuple[int, ...]) -> Fitted:
        """What is fitted on these folds, once."""
        if folds not in self._fitted:
            calibration = calibrated([self._counts[fold] for fold in folds], self._calibration)
            parts = [map_signs(self._tables[fold], self._class_index, calibration, self._gated) for fold in folds]
            signs, gains = (np.concatenate(same) for same in zip(*parts, strict=True))
            presence = fit_presence(signs, gains) if any(calibration) else None
            self._fitted[folds] = Fitted(calibration, presence)
        return self._fitted[folds]

    def _rule(self, fitted: Fitted, limit: str, table: ScoreTable, gate: HardGate | None) -> tuple[ExpectedRule, float]:
        scores = table.scores()
        row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
        value = int(table.area_grid[column])
        rule = ExpectedRule(
            score=CUT_BY_IMAGE[table.metric],
            calibration=fitted.calibration,
            total_weight=WEIGHTS[row],
            min_expected_px=value if limit == "area" else 0,
            min_expected_score=value if limit == "score" else 0,
            presence=fitted.presence if limit == "presence" else None,
            min_presence=value if limit == "presence" else 0,
            min_area_px=0,
            gate=gate,
        )
        return rule, float(scores[row, column])
