"""The rule of a class: the best exact optimum, or a sampled soft gate that beats the peak of every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from maskfold.config import TuningConfig
from maskfold.rules.rules import AnyRule
from maskfold.rules.tuned import Plateau
from maskfold.tuning.gates import SoftGateScores, soft_gate
from maskfold.tuning.search import Candidate, ClassSearch
from maskfold.tuning.study import memory_study, record_exact, sample_soft_gates
from maskfold.tuning.tables.score_tables import FoldTables


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
        best_candidate(one, search, folds, exact, tuning.trials, seed)
        for one, folds, exact in zip(studies, search.fold_sets, search.exact(), strict=True)
    ]
    return ClassChoice(chosen[0].rule, tuple(candidate.rule for candidate in chosen[1:]), chosen[0].plateau)


def best_candidate(
    study: optuna.Study, search: ClassSearch, folds: Sequence[int], exact: Sequence[Candidate], trials: int, seed: int
) -> Candidate:
    """The best candidate on these folds, the first (which is the simplest) of equal ones.

    exact: the optima of these folds; trials: how many sampled trials the study holds in the end, in addition to those.
    """
    record_exact(study, search, exact)
    best = max(exact, key=lambda candidate: candidate.score)
    if not (search.gated and search.tables):
        return best
    top = sample_soft_gates(study, SoftGateScores(search.tables, search.grid, folds), trials, seed)
    if top is None or top.value is None or top.value <= max(candidate.best for candidate in exact):
        return best
    gate, _ = soft_gate(search.grid, top.params["area_column"], top.params["confident_share"])
    rule = search.rule(top.params["rule"], top.params["threshold"], top.params["area_column"])
    return Candidate(rule.model_copy(update={"gate": gate}), top.value, top.value)
