"""Sides that take turns, so that whatever else the machine does reaches all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks.measuring.benchmark import say


def in_turn(sides: Mapping[str, Callable[[], float]], rounds: int, unit: str = "") -> dict[str, list[float]]:
    """The figures of every side: a b, a b, … and once more a, so that every b has an a before and after it.

    sides: name -> a function that runs once and returns its figure. unit: if given, each figure is
    printed as soon as it is there.
    """
    names = [name for _ in range(rounds) for name in sides] + [next(iter(sides))]
    found: dict[str, list[float]] = {name: [] for name in sides}
    for place, name in enumerate(names, 1):
        found[name].append(sides[name]())
        if unit:
            say(f"{place} of {len(names)}: {name} {found[name][-1]:.2f} {unit}")
    return found


def ratio_to_neighbours(figures: Sequence[float], first: Sequence[float]) -> float:
    """The median of a side's figure over the mean of the first side's before and after it."""
    pairs = zip(figures, first[:-1], first[1:], strict=True)
    return median(own / ((before + after) / 2) for own, before, after in pairs)


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Callable[[], float]:
    """A side that returns the seconds that `work` takes.

    clock: time.process_time for the CPU time of a single thread, which other work on the machine does not lengthen.
    """

    def run() -> float:
        """Seconds of one turn."""
        started = clock()
        work()
        return clock() - started

    return run


def seconds_of(work: Callable[..., object], *arguments: object) -> float:
    """Seconds on the clock of one call."""
    return timed(lambda: work(*arguments))()


def rate(step: Callable[[], None], seconds: float, warm_up: int, at_least: int = 1) -> float:
    """Steps a second of a function on the device, repeated for about `seconds`, but `at_least` times.

    warm_up: steps that do not count.
    """
    for _ in range(warm_up):
        step()
    _wait_for_device()
    started, steps = time.perf_counter(), 0
    while steps < at_least or time.perf_counter() - started < seconds:
        step()
        steps += 1
    _wait_for_device()
    return steps / (time.perf_counter() - started)


def _wait_for_device() -> None:
    import torch  # seconds and memory that only benchmarks of networks need

    if torch.cuda.is_available():
        torch.cuda.synchronize()
