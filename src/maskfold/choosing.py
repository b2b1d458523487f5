"""Chooses the rule of a class: once on all folds, and for the honest score once without each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from maskfold.config import TuningConfig
from maskfold.postprocess import Plateau
from maskfold.rule_areas import AnyRule
from maskfold.search import ClassSearch
from maskfold.study import memory_study, run_study
from maskfold.surface import FoldTables


@dataclass(frozen=True)
class ClassChoice:
    """The rule chosen for a class on all folds, and for each fold the one chosen without it."""

    rule: AnyRule
    without_fold: tuple[AnyRule, ...]
    plateau: Plateau | None


def choose_rule(tables: Sequence[FoldTables], tuning: TuningConfig, seed: int, study: optuna.Study) -> ClassChoice:
    """The rule of one class from its exact tables (the only class in them) on all folds, in order.

    study: keeps the trials of the choice on all folds; those without a fold, made the same way, are not kept.
    """
    search = ClassSearch(tables, 0, tuning)
    studies = [study, *(memory_study() for _ in tables)]
    chosen = [
        run_study(one, search, folds, exact, tuning.trials, seed)
        for one, folds, exact in zip(studies, search.fold_sets, search.exact(), strict=True)
    ]
    return ClassChoice(chosen[0].rule, tuple(candidate.rule for candidate in chosen[1:]), chosen[0].plateau)
