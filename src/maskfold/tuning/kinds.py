"""A fixed threshold or a cut for each image: whichever is better, class by class, on folds it was not chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskfold.pixels.metrics import scores
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.evaluation import HONEST, TUNED, EvaluatedImages

# Standard errors, over images, by which the expected rule must beat the fixed one: ties go to the simpler rule.
NOISE_ERRORS = 1.0


def choose_kinds(
    metric: str, alternatives: Sequence[Sequence[ClassChoice]], evaluated: Sequence[EvaluatedImages]
) -> tuple[list[ClassChoice], EvaluatedImages]:
    """For each class the fixed or the expected choice, and for each fold the one that is better on the other folds.

    Calibrations of few positives differ from fold to fold, so the expected rule of all folds may be worse than those of
    the folds: if it is clearly worse than the fixed one on the images that both were tuned on, the fixed one is taken.

    alternatives: the fixed choices, one a class, and the expected ones; evaluated: the same images under either.
    Returns the choices and the images under them.
    """
    (fixed, expected), (of_fixed, of_expected) = alternatives, evaluated
    choices, areas = [], []
    for index, (one, other) in enumerate(zip(fixed, expected, strict=True)):
        pair = of_fixed.areas[:, index], of_expected.areas[:, index]
        honest, tuned = ([scores(metric, *each[:, rule].T) for each in pair] for rule in (HONEST, TUNED))
        whole, without = _which(honest[1] - honest[0], of_fixed.folds, len(one.without_fold))
        whole = 0 if clearly_better(tuned[0] - tuned[1]) else whole
        both = list(zip(one.without_fold, other.without_fold, strict=True))
        chosen = other if whole else one
        rules = tuple(rules[use] for rules, use in zip(both, without, strict=True))
        choices.append(ClassChoice(chosen.rule, rules, chosen.plateau))
        of_class = pair[whole].copy()
        of_class[:, HONEST] = np.where(without[of_fixed.folds][:, None], pair[1][:, HONEST], pair[0][:, HONEST])
        areas.append(of_class)
    return choices, replace(of_fixed, areas=np.stack(areas, axis=1))


def _which(gains: np.ndarray, folds: np.ndarray, count: int) -> tuple[int, np.ndarray]:
    """Whether the expected rule (1) or the fixed one (0) is used: on all folds together, and (count,) without each.

    gains: (images,) held-out score of the expected rule minus the fixed one; folds: (images,).
    """
    without = [clearly_better(gains[folds != fold]) for fold in range(count)]
    return int(clearly_better(gains)), np.array(without, dtype=np.int64)


def clearly_better(gains: np.ndarray) -> bool:
    """Whether the mean of gains is above 0 by more than their noise; of fewer than two images never."""
    if len(gains) < 2:
        return False
    return bool(gains.mean() > NOISE_ERRORS * gains.std(ddof=1) / np.sqrt(len(gains)))
