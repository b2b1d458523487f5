"""Seconds and peak memory of every stage of a whole run, and of a second run that finds everything fresh.

Runs each stage as a user does, in a process of its own, into a temporary folder.
"""

from __future__ import annotations

from typing import ClassVar

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import DEMO, Cost, Run, run_stage
from maskfold.commands import STAGES


class Options(Settings):
    """What to run."""

    minutes: ClassVar[tuple[float, float]] = (1.5, 6)
    quick: ClassVar[dict[str, object]] = {"set": ("folds.count=2", "train.epochs=1", "train.workers=0")}
    config: str = DEMO
    """Config of the run."""
    set: tuple[str, ...] = ()
    """Overrides, KEY=VALUE."""


def run(options: Options, bench: Bench) -> None:
    """Run everything twice."""
    made = (f"data.root={bench.folder}/data",) if options.config == DEMO else ()
    whole = Run(options.config, (f"output_root={bench.folder}", *made, *options.set))
    stages = list(STAGES)
    first: dict[str, Cost] = {}
    second: dict[str, Cost] = {}
    for costs in (first, second):
        for stage in stages:
            costs[stage] = run_stage(stage, whole, bench.folder / f"{stage}.log")
            say(f"{'again ' if costs is second else ''}{stage}: {costs[stage].seconds:.1f} s")
    say(f"{'stage':<18}{'seconds':>10}{'peak MiB':>10}{'again, s':>10}")
    for stage, cost in first.items():
        say(f"{stage:<18}{cost.seconds:>10.1f}{cost.peak_mib:>10.0f}{second[stage].seconds:>10.1f}")
    total, again = (sum(cost.seconds for cost in costs.values()) for costs in (first, second))
    say(f"{'all':<18}{total:>10.1f}{'':>10}{again:>10.1f}")
    bench.claim("a second run, all fresh, seconds", again, "≤", 20)
    bench.claim("peak memory of any stage, GiB", max(cost.peak_mib for cost in first.values()) / 1024, "≤", 4)
    if options == Options():
        bench.claim("the demo after set-up, minutes", total / 60, "≤", 7)
