"""Timing in interleaved rounds: every backend has its turn in each, so that noise hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from maskfold.execution.progress import tracked
from maskfold.speed.process import BackendError

WARM_UP_CALLS = 3  # the first may compile; those after it fill caches and memory pools
_MOST_CALLS = 500  # a round

Entry = TypeVar("Entry", bound=Hashable)


@dataclass(frozen=True)
class Plan:
    """How long is measured: `seconds` for each entry, spread over `rounds`."""

    rounds: int
    seconds: float

    def calls(self, warm_up_ms: Sequence[float]) -> int:
        """Passes a round for an entry whose warm-up passes took so long; at least one. The first may have compiled."""
        each = float(np.median(warm_up_ms[1:] or warm_up_ms))
        return int(np.clip(round(1000 * self.seconds / self.rounds / each), 1, _MOST_CALLS))


def measure(
    timers: Mapping[Entry, Callable[[int], list[float]]], calls: Mapping[Entry, int], rounds: int
) -> tuple[dict[Entry, list[float]], dict[Entry, str]]:
    """The milliseconds of every pass of each entry, and the reason of each entry that failed on the way.

    timers: entry -> a function of the number of passes that returns their milliseconds; calls: entry -> passes a round.
    Every second round goes backwards, so that nobody always follows the same neighbour.
    """
    times: dict[Entry, list[float]] = {entry: [] for entry in timers}
    failed: dict[Entry, str] = {}
    order = list(timers)
    turns = [entry for number in range(rounds) for entry in (order if number % 2 == 0 else order[::-1])]
    for entry in tracked(turns, len(turns), "timing"):
        if entry in failed:
            continue
        try:
            times[entry] += timers[entry](calls[entry])
        except BackendError as error:
            failed[entry] = str(error)
    return {entry: each for entry, each in times.items() if entry not in failed}, failed


def latency(ms: Sequence[float], batch: int) -> dict[str, float | int]:
    """Statistics of the passes over a batch: mean_ms, std_ms (of the sample), p95_ms, images_per_s, passes."""
    return {
        "mean_ms": float(np.mean(ms)),
        "std_ms": float(np.std(ms, ddof=1)) if len(ms) > 1 else 0.0,
        "p95_ms": float(np.percentile(ms, 95)),
        "images_per_s": 1000 * batch / float(np.mean(ms)),
        "passes": len(ms),
    }
