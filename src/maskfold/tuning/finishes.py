"""Hole filling and keeping only the largest components: tried after the chosen rules, kept where they clearly help.

They do not decompose into tables, so they are applied, on a sample of the OOF images that bounds the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.data.competition import Competition
from maskfold.execution.jobs import available_cores
from maskfold.oof.with_truth import LabelledOof, iter_with_truth, largest_map_px
from maskfold.pixels.metrics import class_score, scores
from maskfold.rules.rules import AnyRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.rule_areas import rule_areas

Finish = dict[str, Any]

# The plain rule first, so that it stays where nothing beats it.
FINISHES: tuple[Finish, ...] = (
    {},
    {"fill_holes": True},
    {"largest_k": 1},
    {"largest_k": 2},
    {"largest_k": 1, "fill_holes": True},
)
SAMPLE_PX = 2**26  # of all maps together; 40 Severstal images, or all of a small competition
_NOISE_ERRORS = 2.0  # standard errors a finish must gain on the sample


@dataclass(frozen=True)
class Tried:
    """A finish that was tried on the rule chosen on all folds: the rule with it, and its score on the sample."""

    rule: AnyRule
    score: float


def choose_finishes(
    oof_files: Sequence[Path], competition: Competition, metric: str, choices: Sequence[ClassChoice]
) -> tuple[list[ClassChoice], list[list[Tried]]]:
    """Each class's rules with the finish that helps them, if any, and what was tried.

    oof_files: that of each fold. The finish of the rule chosen without a fold is chosen without that fold too. Where
    classes exclude each other, holes are not filled, as they may hold another class.
    """
    finishes = [more for more in FINISHES if not (competition.exclusive and "fill_holes" in more)]
    rules = [all_rules(choice, finishes) for choice in choices]
    folds, areas = [], []
    for fold, path in enumerate(oof_files):
        sample = _within(iter_with_truth(path, fold, competition), SAMPLE_PX // len(oof_files))
        for _, of_image in rule_areas(sample, rules, largest_map_px(competition), available_cores()):
            folds.append(fold)
            areas.append(of_image)
    pairs = [
        _finished(metric, choice, finishes, np.stack(areas)[:, index], np.array(folds))
        for index, choice in enumerate(choices)
    ]
    return [choice for choice, _ in pairs], [tried for _, tried in pairs]


def all_rules(choice: ClassChoice, finishes: Sequence[Finish] = FINISHES) -> list[AnyRule]:
    """The rule chosen on all folds and those chosen without each, with every finish."""
    return [rule.model_copy(update=more) for rule in (choice.rule, *choice.without_fold) for more in finishes]


def _within(images: Iterable[LabelledOof], pixels: int) -> Iterator[LabelledOof]:
    """The first images, at least one, whose maps together have about this many pixels."""
    for image in images:
        yield image
        pixels -= image.oof.prob.size
        if pixels <= 0:
            return


def _finished(
    metric: str, choice: ClassChoice, finishes: Sequence[Finish], areas: np.ndarray, folds: np.ndarray
) -> tuple[ClassChoice, list[Tried]]:
    """One class: areas (images, rules as in `all_rules`, 3), folds (images,)."""
    rules = (choice.rule, *choice.without_fold)
    by_rule = areas.reshape(len(areas), len(rules), len(finishes), 3)
    chosen_on = [np.ones(len(folds), dtype=bool), *(folds != fold for fold in range(len(choice.without_fold)))]
    best = [_best_finish(metric, by_rule[mask, index]) for index, mask in enumerate(chosen_on)]
    finished = [rule.model_copy(update=finishes[finish]) for rule, finish in zip(rules, best, strict=True)]
    tried = [
        Tried(choice.rule.model_copy(update=more), class_score(metric, *by_rule[:, 0, finish].T))
        for finish, more in enumerate(finishes)
        if finish
    ]
    return ClassChoice(finished[0], tuple(finished[1:]), choice.plateau), tried


def _best_finish(metric: str, areas: np.ndarray) -> int:
    """Index of the finish to use: areas (images, finishes, 3)."""
    of_finishes = np.stack([scores(metric, *areas[:, finish].T) for finish in range(areas.shape[1])])
    gains = of_finishes - of_finishes[0]
    errors = gains.std(axis=1) / np.sqrt(gains.shape[1])
    clear = np.where(gains.mean(axis=1) > _NOISE_ERRORS * errors, gains.mean(axis=1), 0.0)
    return int(np.argmax(clear))
