"""Which weights the members of a blend get: equal ones, unless others are better on folds they were not chosen on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import optuna

from maskfold.blending.scores import HonestScore, VectorScores, Weights

Method = Literal["equal", "greedy", "optuna"]

# The honest gain over equal weights must be above this many standard errors of it, taken from how much it differs
# between the folds: of members that differ by chance alone, every second blend would gain a little otherwise.
NOISE_ERRORS = 1.0


class BlendScorer(Protocol):
    """What weights are worth; `scores.BlendScores` on real maps."""

    folds: int

    def of(self, weights: Weights) -> VectorScores:
        """One vector."""
        ...

    def honest(self, of_fold: Sequence[Weights]) -> HonestScore:
        """Fold k under the weights of_fold[k], which were chosen without it."""
        ...


@dataclass(frozen=True)
class ChosenWeights:
    """weights: those to use; candidate: those the search found on all folds, and their honest score; reason: why."""

    weights: Weights
    candidate: Weights
    candidate_honest: float
    adopted: bool
    reason: str


def equal(members: int) -> Weights:
    """The same weight for every member."""
    return (1 / members,) * members


def alone(member: int, members: int) -> Weights:
    """All the weight on one member."""
    return tuple(float(index == member) for index in range(members))


def choose_weights(scorer: BlendScorer, members: int, method: Method, trials: int, seed: int) -> ChosenWeights:
    """Search on all folds, and for the honest score once without each; keep equal weights where that is not better."""
    plain = equal(members)
    reference = scorer.honest([plain] * scorer.folds)
    if method == "equal":
        return ChosenWeights(plain, plain, reference.score, False, "equal weights, as the config says")
    found = [_searched(scorer, index, members, method, trials, seed) for index in range(scorer.folds + 1)]
    honest = scorer.honest(found[1:])
    gain = honest.score - reference.score
    differences = honest.by_fold - reference.by_fold
    noise = NOISE_ERRORS * float(differences.std(ddof=1)) / np.sqrt(len(differences))
    found_gain = f"honest gain {gain:+.4f} over equal weights"
    if found[0] == plain:
        reason = f"{method} found no weights better than equal ones"
    elif gain <= 0:
        reason = f"{found_gain} is not positive; equal weights stay"
    elif gain <= noise:
        reason = f"{found_gain} is within its standard error over the folds, {noise:.4f}; equal weights stay"
    else:
        return ChosenWeights(found[0], found[0], honest.score, True, found_gain)
    return ChosenWeights(plain, found[0], honest.score, False, reason)


def _searched(scorer: BlendScorer, index: int, members: int, method: Method, trials: int, seed: int) -> Weights:
    """The weights chosen on all folds (index 0) or without fold index - 1."""

    def score(weights: Weights) -> float:
        return float(scorer.of(weights).peaks[index])

    return greedy(score, members, trials) if method == "greedy" else sampled(score, members, trials, seed)


def greedy(score: Callable[[Weights], float], members: int, picks: int) -> Weights:
    """Pick member after member, with replacement, each time the one that helps most; the best weights on the way.

    Of equal scores the earlier weights win, and equal weights over all. Caruana et al. 2004, "Ensemble selection from
    libraries of models".
    """
    best, best_score = equal(members), score(equal(members))
    counts = [0] * members
    for pick in range(1, picks + 1):
        options = []
        for member in range(members):
            grown = [count + (index == member) for index, count in enumerate(counts)]
            # Dividing makes 1/2 of 2/4: one vector, scored once.
            weights = tuple(count / pick for count in grown)
            options.append((score(weights), grown, weights))
        gained, counts, weights = max(options, key=lambda option: option[0])  # of equal ones the first member
        if gained > best_score:
            best, best_score = weights, gained
    return best


def sampled(score: Callable[[Weights], float], members: int, trials: int, seed: int) -> Weights:
    """The best of `trials` weights that Optuna draws, after equal weights and each member alone."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    space: dict[str, optuna.distributions.BaseDistribution] = {
        f"member{index}": optuna.distributions.FloatDistribution(0.0, 1.0, step=0.05) for index in range(members)
    }
    known = [(1.0,) * members, *(alone(member, members) for member in range(members))]
    for raw in known:
        study.enqueue_trial(dict(zip(space, raw, strict=True)))
    best, best_score = equal(members), score(equal(members))
    for _ in range(len(known) + trials):
        trial = study.ask(space)
        raw = tuple(trial.params.values())
        if sum(raw) == 0:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            continue
        weights = tuple(value / sum(raw) for value in raw)
        value = score(weights)
        study.tell(trial, value)
        if value > best_score:
            best, best_score = weights, value
    return best
