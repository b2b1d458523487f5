"""Tables under gates of the classification probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskfold.rules.rules import (
    GATE_STEPS,
)
from maskfold.tuning.score_tables import ScoreTable, total


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
