"""Chooses the rule of a class: once on all folds, and for the honest score once without each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maskfold.config import TuningConfig
from maskfold.plateau import Choice, choose
from maskfold.postprocess import ComponentRule, Plateau
from maskfold.rule_areas import AnyRule
from maskfold.surface import FoldTables


@dataclass(frozen=True)
class ClassChoice:
    """The rule chosen for a class on all folds, and for each fold the one chosen without it."""

    rule: AnyRule
    without_fold: tuple[AnyRule, ...]
    plateau: Plateau | None


def choose_rule(tables: Sequence[FoldTables], class_index: int, tuning: TuningConfig) -> ClassChoice:
    """The component rule of one class from the exact tables of all folds, in order."""
    per_fold = [table.table(class_index) for table in tables]
    grid = tables[0].area_grid

    def rule_of(choice: Choice) -> ComponentRule:
        min_area_px = int(grid[choice.column])
        return ComponentRule(threshold=choice.threshold, min_area_px=min_area_px, connectivity=tuning.connectivity)

    on_all = choose(per_fold)
    others = [choose([table for k, table in enumerate(per_fold) if k != fold]) for fold in range(len(per_fold))]
    thresholds, min_areas = on_all.extent(grid)
    plateau = Plateau(
        best=on_all.best_score, settings=int(on_all.plateau.sum()), threshold=thresholds, min_area_px=min_areas
    )
    return ClassChoice(rule_of(on_all), tuple(rule_of(choice) for choice in others), plateau)
