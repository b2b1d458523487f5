"""The tuning surfaces as data: the exact score at every threshold and minimum area, for surface.js to draw."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskfold.drawing.script_data import write_script
from maskfold.rules.rules import ComponentRule
from maskfold.rules.tuned import TunedClass
from maskfold.tuning.tables.score_tables import THRESHOLDS, FoldTables, total


def write_surface(score_tables: Sequence[Path], index: int, entry: TunedClass, folder: Path) -> str:
    """Write the table of a class over all folds; returns the script's name.

    score_tables: the file of each fold; index: of the class.
    The script calls `surface_data(index, {metric, areas, scores, marks})`; scores: 255 rows (thresholds 1/255 to 1) of
    len(areas) little-endian float32, base64; marks: [name, row, column] of the settings to mark.
    """
    table = total([FoldTables.load(file, [index]).table(0) for file in score_tables])
    scores = table.scores()
    peak = np.unravel_index(int(scores.argmax()), scores.shape)
    marks: list[list[object]] = []
    for name, rule in (("default", entry.default_rule), ("tuned", entry.tuned_rule)):
        if isinstance(rule, ComponentRule):
            column = int(np.searchsorted(table.area_grid, 0 if rule.min_area_px == 1 else rule.min_area_px))
            marks.append([name, int(rule.threshold - THRESHOLDS[0]), column])
    marks.append(["best component rule", int(peak[0]), int(peak[1])])
    name = f"surface-{index}.js"
    data = {
        "metric": table.metric,
        "areas": table.area_grid.tolist(),
        "scores": base64.b64encode(scores.astype("<f4").tobytes()).decode(),
        "marks": marks,
    }
    write_script(folder / name, "surface_data", index, data)
    return name
