"""Tables under gates of the classification probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskfold.rules.rules import (
    GATE_STEPS,
)
from maskfold.tuning.score_tables import ScoreTable, total
from maskfold.tuning.search import ClassSearch


def _gated(levels: Sequence[ScoreTable], gate: int) -> ScoreTable:
    """The table when everything below gate level `gate` is predicted empty."""
    return total([
        replace(table, sums=np.broadcast_to(table.blank[:, None, None], table.sums.shape)) if level < gate else table
        for level, table in enumerate(levels)
    ])  # fmt: skip


def _gate_peaks(levels: Sequence[ScoreTable]) -> np.ndarray:
    """(32,) the best score under each hard gate 1/32, …, 1: level after level opens, from the highest down."""
    empty = total([replace(table, sums=table.blank[:, None, None]) for table in levels])
    sums = np.broadcast_to(empty.sums, levels[0].sums.shape).copy()
    peaks = np.zeros(GATE_STEPS)
    for gate in range(GATE_STEPS, 0, -1):
        if levels[gate].images:
            sums += levels[gate].sums - levels[gate].blank[:, None, None]
        peaks[gate - 1] = empty.score_of(sums).max()
    return peaks


class SoftGateScores:
    """The scores of soft-gated table rules of one class on a set of folds."""

    def __init__(self, search: ClassSearch, folds: Sequence[int]) -> None:
        self.search = search
        self.levels = {
            kind: [total([tables[fold][level] for fold in folds]) for level in range(GATE_STEPS + 1)]
            for kind, tables in search.tables.items()
        }
        self.whole = {kind: total(levels) for kind, levels in self.levels.items()}

    def score(self, kind: str, threshold: int, min_area_column: int, confident_share: float) -> float:
        """The score of one setting; see `ClassSearch.soft_gate`."""
        _, columns = self.search.soft_gate(min_area_column, confident_share)
        pairs = zip(self.levels[kind], columns, strict=True)
        sums = np.sum([table.sums[:, threshold - 1, column] for table, column in pairs], axis=0)
        return float(self.whole[kind].score_of(sums[:, None])[0])
