"""The settings of one class: which there are, the exact optimum of the plain rules, and the score of any other one.

Everything is a look-up in exact tables, so a setting costs microseconds however many images there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from maskfold.config import CUT_BY_IMAGE, TuningConfig
from maskfold.rules.rules import (
    DEFAULT_RULE,
    EMPTY_RULE,
    GATE_STEPS,
    AnyRule,
    ComponentRule,
    HardGate,
    MaskRule,
    TripletRule,
)
from maskfold.rules.tuned import Plateau
from maskfold.tuning.expected import ExpectedSearch
from maskfold.tuning.gates import gate_peaks, gated
from maskfold.tuning.mask_and_triplet import (
    Triplet,
    best_triplets,
    mask_tables,
    triplet_table,
)
from maskfold.tuning.plateau import Choice, choose
from maskfold.tuning.tables.score_tables import FoldTables, ScoreTable, total

TableKind = Literal["component", "mask"]


@dataclass(frozen=True)
class Candidate:
    """A rule chosen on some folds: its score there, and the score and plateau of the peak it was chosen near.

    peak: threshold and column of the area grid at the peak, for rules that are one place of a table.
    """

    rule: AnyRule
    score: float
    best: float
    plateau: Plateau | None = None
    peak: tuple[int, int] | None = None


class ClassSearch:
    """All exact tables of one class, by fold."""

    def __init__(self, tables: Sequence[FoldTables], class_index: int, tuning: TuningConfig) -> None:
        self.fold_tables = tables
        self.class_index = class_index
        self.tuning = tuning
        self.grid = tables[0].area_grid
        self.gated = tuning.gates and len(tables[0].images[class_index]) > 1
        allowed = ("component", "mask", "triplet") if tuning.rule == "auto" else (tuning.rule,)
        self.triplets_allowed = "triplet" in allowed
        made = {
            "component": lambda table: table.gate_tables(class_index),
            "mask": lambda t: mask_tables(t, class_index),
        }
        # kind -> [fold][gate level]
        self.tables: dict[str, list[list[ScoreTable]]] = {
            kind: [make(table) for table in tables] for kind, make in made.items() if kind in allowed
        }
        # A pooled metric needs no cut of its own for each image: one threshold for all is best.
        by_image = "expected" in allowed and tuning.metric in CUT_BY_IMAGE
        self._expected = ExpectedSearch(tables, class_index, self.gated, tuning.calibration) if by_image else None

    @property
    def fold_sets(self) -> list[list[int]]:
        """All folds, then all but each in turn."""
        folds = list(range(len(self.fold_tables)))
        return [folds, *([fold for fold in folds if fold != out] for out in folds)]

    def exact(self) -> list[list[Candidate]]:
        """For each set of folds, the chosen setting of every plain rule and of every table rule with a hard gate."""
        triplets: list[Triplet | None] = [None] * len(self.fold_sets)
        if self.triplets_allowed:
            triplets = list(best_triplets(self.fold_tables, self.class_index, self.fold_sets))
        found = []
        for folds, triplet in zip(self.fold_sets, triplets, strict=True):
            candidates = [self._plain(kind, folds) for kind in self.tables]
            if triplet is not None:
                candidates.append(self._triplet(triplet, folds))
            if self.gated:
                candidates += [self._hard_gate(kind, folds) for kind in self.tables]
            if self._expected is not None:
                candidates += [Candidate(rule, score, score) for rule, score in self._expected.best(folds)]
            found.append(candidates or [self._nothing_true(folds)])
        return found

    def _nothing_true(self, folds: Sequence[int]) -> Candidate:
        """What is left where no pixel of these folds is true: always empty, or the default where that is as good."""
        table = total([self.fold_tables[fold].table(self.class_index) for fold in folds])
        score = table.at(DEFAULT_RULE.threshold, DEFAULT_RULE.min_area_px)
        if table.all_empty() > score:
            return Candidate(EMPTY_RULE, table.all_empty(), table.all_empty())
        return Candidate(DEFAULT_RULE, score, score)

    def rule(self, kind: str, threshold: int, column: int) -> ComponentRule | MaskRule:
        """The ungated rule at one place of a table."""
        area = int(self.grid[column])
        if kind == "component":
            connectivity = self.tuning.connectivity
            return ComponentRule(threshold=threshold, min_area_px=area, connectivity=connectivity)
        return MaskRule(threshold=threshold, min_area_px=area)

    def _candidate(self, rule: AnyRule, choice: Choice) -> Candidate:
        thresholds, areas = choice.extent(self.grid)
        settings = int(choice.plateau.sum())
        plateau = Plateau(best=choice.best_score, settings=settings, threshold=thresholds, min_area_px=areas)
        peak = (choice.best_row + 1, choice.best_column)
        return Candidate(rule, choice.score, choice.best_score, plateau, peak)

    def _plain(self, kind: str, folds: Sequence[int]) -> Candidate:
        choice = choose([total(self.tables[kind][fold]) for fold in folds])
        return self._candidate(self.rule(kind, choice.threshold, choice.column), choice)

    def _triplet(self, triplet: Triplet, folds: Sequence[int]) -> Candidate:
        tables = [triplet_table(self.fold_tables[fold], self.class_index, triplet.bottom) for fold in folds]
        choice = choose(tables)
        area = int(self.grid[choice.column])
        top = max(choice.threshold, triplet.bottom)
        rule = TripletRule(top_threshold=top, min_area_px=area, bottom_threshold=triplet.bottom)
        return self._candidate(rule, choice)

    def _hard_gate(self, kind: str, folds: Sequence[int]) -> Candidate:
        per_gate = [total([self.tables[kind][fold][level] for fold in folds]) for level in range(GATE_STEPS + 1)]
        peaks = gate_peaks(per_gate)
        equal = np.flatnonzero(peaks == peaks.max()) + 1
        best = int(equal[len(equal) // 2])  # farthest from where it would begin to matter
        choice = choose([gated(self.tables[kind][fold], best) for fold in folds])
        rule = self.rule(kind, choice.threshold, choice.column)
        return self._candidate(rule.model_copy(update={"gate": HardGate(min_class_prob=best / GATE_STEPS)}), choice)
