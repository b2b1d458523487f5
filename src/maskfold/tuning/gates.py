"""Table rules with gates on the classification probability: what each setting of a gate scores, from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from maskfold.rules.rules import GATE_STEPS, SoftGate
from maskfold.tuning.tables.score_tables import ScoreTable, total


def gated(levels: Sequence[ScoreTable], gate: int) -> ScoreTable:
    """The table when everything below gate level `gate` is predicted empty."""
    return total([
        replace(table, sums=np.broadcast_to(table.blank[:, None, None], table.sums.shape)) if level < gate else table
        for level, table in enumerate(levels)
    ])  # fmt: skip


def gate_peaks(levels: Sequence[ScoreTable]) -> np.ndarray:
    """(32,) the best score under each hard gate 1/32, …, 1: level after level opens, from the highest down."""
    empty = total([replace(table, sums=table.blank[:, None, None]) for table in levels])
    sums = np.broadcast_to(empty.sums, levels[0].sums.shape).copy()
    peaks = np.zeros(GATE_STEPS)
    for gate in range(GATE_STEPS, 0, -1):
        if levels[gate].images:
            sums += levels[gate].sums - levels[gate].blank[:, None, None]
        peaks[gate - 1] = empty.score_of(sums).max()
    return peaks


def soft_gate(grid: np.ndarray, area_column: int, confident_share: float) -> tuple[SoftGate, np.ndarray]:
    """A soft gate and the column of the area grid it requires at each of the 33 gate levels.

    The required area falls linearly from that of the column at probability 0 to `confident_share` (0..1) of it at 1.
    """
    levels = np.arange(GATE_STEPS + 1) / GATE_STEPS
    required = grid[area_column] * (1 - (1 - confident_share) * levels)
    columns = np.searchsorted(grid, np.ceil(required))
    return SoftGate(area_px=tuple(int(area) for area in grid[columns])), columns


class SoftGateScores:
    """The scores of soft-gated table rules of one class on a set of folds."""

    def __init__(
        self, tables: Mapping[str, Sequence[Sequence[ScoreTable]]], grid: np.ndarray, folds: Sequence[int]
    ) -> None:
        """tables: kind of rule -> [fold][gate level]; grid: their minimum areas."""
        self._grid = grid
        self._levels = {
            kind: [total([of_kind[fold][level] for fold in folds]) for level in range(GATE_STEPS + 1)]
            for kind, of_kind in tables.items()
        }
        self._whole = {kind: total(levels) for kind, levels in self._levels.items()}

    def score(self, rule: str, threshold: int, area_column: int, confident_share: float) -> float:
        """The score of one setting of a kind of rule; see `soft_gate`."""
        _, columns = soft_gate(self._grid, area_column, confident_share)
        pairs = zip(self._levels[rule], columns, strict=True)
        sums = np.sum([table.sums[:, threshold - 1, column] for table, column in pairs], axis=0)
        return float(self._whole[rule].score_of(sums[:, None])[0])
