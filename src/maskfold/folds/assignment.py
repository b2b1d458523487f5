"""Puts units (images, or groups of images) into folds so that many counts come out as wanted at once."""

from __future__ import annotations

import numpy as np

_STARTS = 12  # local searches from different random orders; the best one counts
_MORE_STARTS = 100  # at most, while single images could still come within one of even and do not
_ROUNDS = 200  # of a local search, at most; it stops by itself long before
SEARCHED = 600  # units of which every pair is tried; of more a sample of so many in each round, as pairs are squares


def assign_units(
    features: np.ndarray, weights: np.ndarray, fixed: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The fold of every unit, (units,) int.

    features: (units, F) what each unit adds to each count; weights: (F,) how much an uneven count matters; fixed:
    (units,) the fold of units that are placed already, -1 for those to place; shares: (folds,) of everything that each
    fold is to have, summing to 1. The cost of a count is the square of its distance from that, relative to an even
    count, so that a rare class weighs as much as a common one. Units go in one by one, largest first, then single units
    move and pairs swap while that helps.
    """
    even = np.maximum(features.sum(axis=0) / len(shares), 1e-9)
    free = np.flatnonzero(fixed < 0)
    result = fixed.copy()
    if not len(free):
        return result
    # A group is more than one image, and no search brings it within one of even.
    single = float(features.max()) <= 1
    best = (np.inf, np.inf)  # how far beyond one of even the worst count is, then the cost
    for start in range(_MORE_STARTS if single else _STARTS):
        if start >= _STARTS and best[0] <= 0:
            break
        scaled = features / even * np.sqrt(weights)
        target = np.sqrt(weights) * (shares * len(shares))[:, None]
        sums = np.zeros((len(shares), features.shape[1]))
        np.add.at(sums, fixed[fixed >= 0], scaled[fixed >= 0])
        folds, sums = _greedy(scaled[free], sums, target, rng)
        _improve(scaled[free], folds, sums, target, rng)
        off = np.abs(sums - target).max(axis=0) * even / np.sqrt(weights)
        found = (max(0.0, float(off.max()) - 1 - 1e-9) if single else 0.0, float(((sums - target) ** 2).sum()))
        if found < (best[0], best[1] - 1e-12):
            best, result[free] = found, folds
        if start >= _STARTS - 1 and single:
            weights = np.where(off > 1 + 1e-9, weights * 2, weights)
    return result


def _greedy(
    units: np.ndarray, sums: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Each unit, large ones first, goes where the cost grows least; returns folds and their sums (count, F)."""
    folds = np.zeros(len(units), dtype=np.int64)
    size = np.linalg.norm(units, axis=1) * rng.uniform(0.8, 1.25, len(units))
    for unit in np.argsort(-size, kind="stable"):
        growth = (2 * (sums - target) + units[unit]) @ units[unit]
        folds[unit] = int(np.argmin(growth))
        sums[folds[unit]] += units[unit]
    return folds, sums


def _improve(
    units: np.ndarray, folds: np.ndarray, sums: np.ndarray, target: np.ndarray, rng: np.random.Generator
) -> None:
    """Move single units and swap pairs between folds, best first, while the cost falls; changes its arguments."""
    for _ in range(_ROUNDS):
        gain, change = _best_move(units, folds, sums, target)
        if gain > -1e-12:
            some = np.arange(len(units))
            if len(units) > SEARCHED:
                some = rng.choice(len(units), SEARCHED, replace=False)
            gain, change = _best_swap(units[some], folds[some], sums, target)
            change = [(int(some[unit]), fold) for unit, fold in change]
        if gain > -1e-12:
            return
        for unit, fold in change:
            sums[folds[unit]] -= units[unit]
            sums[fold] += units[unit]
            folds[unit] = fold


def _best_move(
    units: np.ndarray, folds: np.ndarray, sums: np.ndarray, target: np.ndarray
) -> tuple[float, list[tuple[int, int]]]:
    """The move of one unit to another fold that changes the cost most to the better."""
    over = sums - target
    # |over_new + u|^2 + |over_old - u|^2 against |over_new|^2 + |over_old|^2
    along = units @ over.T
    change = 2 * (along - along[np.arange(len(units)), folds][:, None]) + 2 * (units**2).sum(axis=1)[:, None]
    change[np.arange(len(units)), folds] = 0
    unit, fold = np.unravel_index(int(np.argmin(change)), change.shape)
    return float(change[unit, fold]), [(int(unit), int(fold))]


def _best_swap(
    units: np.ndarray, folds: np.ndarray, sums: np.ndarray, target: np.ndarray
) -> tuple[float, list[tuple[int, int]]]:
    """The swap of two units of different folds that changes the cost most to the better."""
    over = sums - target
    along = units @ over.T
    own = along[np.arange(len(units)), folds]
    across = along[:, folds]  # across[i, j]: unit i along the excess of unit j's fold
    squared = (units**2).sum(axis=1)
    distance = squared[:, None] + squared[None, :] - 2 * units @ units.T
    change = 2 * (across + across.T - own[:, None] - own[None, :]) + 2 * distance
    change[folds[:, None] == folds[None, :]] = 0
    first, second = np.unravel_index(int(np.argmin(change)), change.shape)
    return float(change[first, second]), [(int(first), int(folds[second])), (int(second), int(folds[first]))]
