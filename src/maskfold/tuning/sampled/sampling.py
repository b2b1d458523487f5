"""The search of one class: settings asked for, pass by pass, on all folds and on each set that leaves one fold out.

A set of folds learns only from its own scores, so the rule that is chosen without a fold has seen nothing of it:
neither when its settings were proposed nor when it was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.trial import TrialState

from maskfold.mask_metrics.rows import exact_sums, ratio
from maskfold.rules.rules import DEFAULT_RULE, AnyRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.sampled.space import Params, Space
from maskfold.tuning.study import memory_study

A_PASS = 25  # settings that are proposed at once, before their scores are known

Sums = Mapping[AnyRule, np.ndarray]  # rule -> (folds, 2) float64, the sums of the pairs of each fold's images


@dataclass
class _FoldSet:
    """One set of folds: its study, the rules that are its candidates, in order, and the settings without a score."""

    folds: list[int]
    study: optuna.Study
    candidates: list[AnyRule]
    asked: list[optuna.Trial] = field(default_factory=list)


class ClassSampling:
    """Samples the settings of one class."""

    def __init__(self, space: Space, folds: int, seed: Sequence[int], start: ClassChoice) -> None:
        """start: rules to begin with, e.g. the exact optimum for Dice: chosen on all folds, and without each."""
        self.space = space
        self._seed = list(seed)
        self._sums: dict[AnyRule, np.ndarray] = {}
        sets = [list(range(folds)), *([fold for fold in range(folds) if fold != out] for out in range(folds))]
        first = (start.rule, *start.without_fold)
        self._sets = [
            _FoldSet(each, memory_study(), [DEFAULT_RULE, rule]) for each, rule in zip(sets, first, strict=True)
        ]
        self._coarse = space.coarse()
        for each in self._sets:
            each.candidates += [space.rule(params) for params in self._coarse]

    def wanted(self, number: int, count: int) -> list[AnyRule]:
        """The rules that pass `number` must apply, each once: first the coarse grid, later `count` for each set."""
        if number:
            for index, each in enumerate(self._sets):
                seed = np.random.SeedSequence([*self._seed, index, number]).generate_state(1)
                # Lying about what is not known yet keeps the settings of a pass apart.
                each.study.sampler = optuna.samplers.TPESampler(seed=int(seed[0]), constant_liar=True)
                each.asked = [each.study.ask(self.space.distributions()) for _ in range(count)]
                each.candidates += [self.space.rule(trial.params) for trial in each.asked]
        rules = dict.fromkeys(rule for each in self._sets for rule in each.candidates)
        return [rule for rule in rules if rule not in self._sums]

    def learn(self, sums: Sums) -> None:
        """Take the scores of the rules that were wanted."""
        self._sums |= sums
        for each in self._sets:
            if not each.study.get_trials(deepcopy=False):
                each.study.add_trials([self._finished(each, params) for params in self._coarse])
            for trial in each.asked:
                rule = self.space.rule(trial.params)
                trial.set_user_attr("rule", rule.model_dump_json())
                each.study.tell(trial, self._score(each, rule))
            each.asked = []

    def _finished(self, each: _FoldSet, params: Params) -> optuna.trial.FrozenTrial:
        rule = self.space.rule(params)
        return optuna.create_trial(
            state=TrialState.COMPLETE,
            value=self._score(each, rule),
            params=params,
            distributions=self.space.distributions(),
            user_attrs={"rule": rule.model_dump_json()},
        )

    def _score(self, each: _FoldSet, rule: AnyRule) -> float:
        return float(ratio(*exact_sums(self._sums[rule][each.folds])))

    @property
    def coarse(self) -> int:
        """How many settings the coarse grid has."""
        return len(self._coarse)

    @property
    def tried(self) -> int:
        """How many different rules were applied."""
        return len(self._sums)

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """The settings that were tried on all folds, with their rules."""
        return self._sets[0].study.get_trials(deepcopy=False)

    def choice(self) -> ClassChoice:
        """The best candidate of each set, of equal ones the first."""
        best, *without = map(self._best, self._sets)
        return ClassChoice(best, tuple(without), None)

    def _best(self, each: _FoldSet) -> AnyRule:
        return max(each.candidates, key=lambda rule: self._score(each, rule))
