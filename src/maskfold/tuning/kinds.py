"""The kind of rule of a class: from the simplest on, each only where it is better on folds it was not chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskfold.pixels.metrics import scores
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.evaluation import HONEST, TUNED, EvaluatedImages

# Standard errors, over images, by which a cut for each image must beat the rule before: ties go to the simpler rule.
NOISE_ERRORS = 1.0


def choose_kinds(
    metric: str,
    alternatives: Sequence[Sequence[ClassChoice]],
    evaluated: Sequence[EvaluatedImages],
    errors: Sequence[float],
) -> tuple[list[ClassChoice], EvaluatedImages]:
    """For each class one of the alternatives, and for each fold the one that is better on the other folds.

    One after the other they are compared with the best of those before. Rules of all folds may be good where those of
    single folds are not, and calibrations of few positives differ from fold to fold: if the rule of all folds is
    clearly worse than the one before on the images that both were tuned on, the one before is taken.

    alternatives: by kind, the simplest first, a choice a class; evaluated: the same images under each; errors: for each
    kind but the first, the standard errors over images by which its honest gain must be above 0.
    Returns the choices and the images under them.
    """
    chosen, images = list(alternatives[0]), evaluated[0]
    for more, of_more, needed in zip(alternatives[1:], evaluated[1:], errors, strict=True):
        chosen, images = _better_kind(metric, (chosen, more), (images, of_more), needed)
    return chosen, images


def _better_kind(
    metric: str,
    kinds: tuple[Sequence[ClassChoice], Sequence[ClassChoice]],
    evaluated: tuple[EvaluatedImages, EvaluatedImages],
    errors: float,
) -> tuple[list[ClassChoice], EvaluatedImages]:
    """Of two kinds, the simpler first, what `choose_kinds` returns."""
    of_first, of_second = evaluated
    choices, areas = [], []
    for index, (one, other) in enumerate(zip(*kinds, strict=True)):
        pair = of_first.areas[:, index], of_second.areas[:, index]
        honest, tuned = ([scores(metric, *each[:, rule].T) for each in pair] for rule in (HONEST, TUNED))
        whole, without = _which(honest[1] - honest[0], of_first.folds, len(one.without_fold), errors)
        whole = 0 if clearly_better(tuned[0] - tuned[1]) else whole
        both = list(zip(one.without_fold, other.without_fold, strict=True))
        chosen = other if whole else one
        rules = tuple(rules[use] for rules, use in zip(both, without, strict=True))
        choices.append(ClassChoice(chosen.rule, rules, chosen.plateau))
        of_class = pair[whole].copy()
        of_class[:, HONEST] = np.where(without[of_first.folds][:, None], pair[1][:, HONEST], pair[0][:, HONEST])
        areas.append(of_class)
    return choices, replace(of_first, areas=np.stack(areas, axis=1))


def _which(gains: np.ndarray, folds: np.ndarray, count: int, errors: float) -> tuple[int, np.ndarray]:
    """Whether the second kind (1) or the first (0) is used: on all folds together, and (count,) without each.

    gains: (images,) held-out score of the second minus the first; folds: (images,).
    """
    without = [clearly_better(gains[folds != fold], errors) for fold in range(count)]
    return int(clearly_better(gains, errors)), np.array(without, dtype=np.int64)


def clearly_better(gains: np.ndarray, errors: float = NOISE_ERRORS) -> bool:
    """Whether the mean of gains is above 0 by more than `errors` standard errors; of fewer than two images never."""
    if len(gains) < 2:
        return False
    return bool(gains.mean() > errors * gains.std(ddof=1) / np.sqrt(len(gains)))
