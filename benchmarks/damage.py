"""What becomes of a run when its files and processes are harmed: flips, cuts, exchanges, kills, signals, doubles.

A tiny run of the demo is finished once. For every trial a copy of it is harmed, then the stages from a random one on
are run, then all of them: they must end without a traceback, in the bytes of the undisturbed run, with nothing left
over. Odd inputs are read by maskfold and by an independent reading. All is drawn from --seed.
"""

from __future__ import annotations

import collections
import random
import shutil
import signal
import time
import warnings
from pathlib import Path
from typing import ClassVar

import torch
from rich.table import Table

from benchmarks.harm.children import REFUSED, TRACEBACK, Ending, after, finish, start
from benchmarks.harm.odd_inputs import changed, outcome, readers
from benchmarks.harm.trial_run import NAMES, TrialRun, damage
from benchmarks.measuring.benchmark import Bench, Settings, say
from maskfold.execution.console import print_table
from maskfold.inference import predict as _loaded
from maskfold.training import fit as _loaded_too

assert _loaded and _loaded_too  # before any fork, so that no trial loads torch again

_KINDS = ("config", "csv", "json", "image", "oof", "checkpoint")
_FAULTS = ("traceback", "dead end", "other bytes", "left over", "hang", "wrong exit code", "differs")
_NOTICED = ("recomputed", "written again", "starts again", "will be computed", "cannot be read")


class Options(Settings):
    """How much is tried."""

    minutes: ClassVar[tuple[float, float]] = (1.5, 60)
    quick: ClassVar[dict[str, object]] = {
        **{"flips": 8, "cuts": 3, "exchanges": 2, "kills": 4, "signals": 3, "pairs": 2, "odd": 20}
    }
    flips: int = 500
    """Single bits flipped in a file below folds, runs, oof or submissions."""
    cuts: int = 100
    """Files truncated."""
    exchanges: int = 50
    """Files replaced by another one of the run."""
    kills: int = 200
    """Stages killed at a random moment."""
    signals: int = 50
    """Stages that get INT, TERM or HUP at a random moment."""
    pairs: int = 50
    """Pairs of the same or neighbouring stages started together."""
    odd: int = 2000
    """Odd inputs: configs, csv, json, images, OOF and checkpoints."""
    seed: int = 0
    """From which every trial is drawn."""
    most_minutes: float = 600
    """After which no further trial is begun; the counts are of those made."""


class Tally:
    """What the trials ended in: (what was done, how it ended) -> count, and an example of each fault."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.seen: set[tuple[str, str]] = set()

    def late(self) -> bool:
        """Whether no further trial may begin."""
        return time.monotonic() > self.deadline

    def add(self, deed: str, how: str, details: str = "") -> None:
        """Count a trial; the first examples of a fault are printed."""
        self.counts[deed, how] += 1
        if how in _FAULTS and (key := (how, details[-160:])) not in self.seen:
            self.seen.add(key)
            say(f"FAULT {deed}, {how}: {details}")

    def total(self, how: str) -> int:
        """How many trials ended like this."""
        return sum(count for (_, ended), count in self.counts.items() if ended == how)


def fault_of(ending: Ending, again: bool) -> str:
    """The fault that an ending is by itself, "" if it is none; again: of the rerun, which must not refuse."""
    if ending.code is None:
        return "hang"
    if ending.code == TRACEBACK or "Traceback" in ending.text:
        return "traceback"
    return "dead end" if again and ending.code != 0 else ""


def settle(trial: TrialRun, tally: Tally, deed: str, how: str, details: str, text: str = "") -> None:
    """Run all stages on the harmed copy and count how the trial ended.

    how: the ending if there is no fault; text: what was printed before.
    """
    ending = trial.run(list(NAMES))
    fault = fault_of(ending, again=True)
    if fault:
        tally.add(deed, fault, f"{details}\n{ending.text[-1500:]}")
    elif differing := trial.differing():
        tally.add(deed, "other bytes", f"{details}: {', '.join(differing)}\n{ending.text[-1500:]}")
    elif left := trial.left_over():
        tally.add(deed, "left over", f"{details}: {', '.join(left)}")
    else:
        noticed = any(word in text + ending.text for word in _NOTICED)
        tally.add(deed, how or ("healed" if noticed else "without effect"))


def try_damage(trial: TrialRun, tally: Tally, how: str, count: int, rng: random.Random) -> None:
    """Harm a file, run the stages from a random one, which may refuse, then all."""
    for _ in range(count):
        if tally.late():
            return
        trial.restore()
        files = trial.files()
        path = rng.choice(files)
        details = damage(how, path, files, rng)
        if not details:
            tally.add(how, "without effect")
            continue
        details = f"{path.relative_to(trial.work)}: {details}"
        ending = trial.run(list(NAMES[rng.randrange(1, len(NAMES)) :]))
        if fault := fault_of(ending, again=False):
            tally.add(how, fault, f"{details}\n{ending.text[-1500:]}")
        else:
            settle(trial, tally, how, "refused, healed" if ending.code == REFUSED else "", details, ending.text)


def try_signals(trial: TrialRun, tally: Tally, deed: str, count: int, rng: random.Random) -> None:
    """End a stage at a random moment of its work, then run all."""
    numbers = [signal.SIGKILL] if deed == "kill" else [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    log = trial.kept.with_name("log")
    for _ in range(count):
        if tally.late():
            return
        trial.restore()
        stage, number = rng.choice(NAMES), rng.choice(numbers)
        trial.without(stage)
        child = start(trial.stages([stage]), log)
        after(child, rng.uniform(0, trial.seconds[stage]), number)
        ending = finish(child, log)
        details = f"{stage} got {number.name}, ended with {ending.code}"
        if deed != "kill" and (fault := fault_of(ending, again=False)):
            tally.add(deed, fault, f"{details}\n{ending.text[-1500:]}")
        elif ending.code not in (0, -number if deed == "kill" else 128 + number):
            tally.add(deed, "wrong exit code", f"{details}\n{ending.text[-500:]}")
        else:
            settle(trial, tally, deed, "ended before" if ending.code == 0 else "continued", details)


def try_pairs(trial: TrialRun, tally: Tally, count: int, rng: random.Random) -> None:
    """Start two stages together, the same or neighbours; the later one may be refused. Then run all."""
    logs = [trial.kept.with_name(f"log{number}") for number in range(2)]
    for _ in range(count):
        if tally.late():
            return
        trial.restore()
        first = rng.randrange(len(NAMES))
        pair = [NAMES[first], NAMES[min(len(NAMES) - 1, first + rng.randrange(2))]]
        for stage in set(pair):
            trial.without(stage)
        children = [start(trial.stages([stage]), log) for stage, log in zip(pair, logs, strict=True)]
        endings = [finish(child, log) for child, log in zip(children, logs, strict=True)]
        faults = [fault_of(ending, again=ending is endings[0] and pair[0] == pair[1]) for ending in endings]
        if any(faults):
            text = "\n".join(ending.text[-1000:] for ending in endings)
            tally.add("pair", next(filter(None, faults)), f"{pair}\n{text}")
        else:
            settle(trial, tally, "pair", "same bytes", f"{pair}")


def try_odd_inputs(trial: TrialRun, tally: Tally, count: int, folder: Path, rng: random.Random) -> None:
    """Read odd inputs of each kind."""
    folder.mkdir()
    shutil.copytree(trial.kept / "data", folder / "data")
    kinds = readers(trial, folder)
    for kind, (good, path, read) in kinds.items():
        path.write_bytes(good)
        if (found := outcome(read, path)) != "accepted":
            raise RuntimeError(f"the undamaged {kind} is not accepted: {found}")
    for number in range(count):
        if tally.late():
            return
        kind = _KINDS[number % len(_KINDS)]
        good, path, read = kinds[kind]
        odd = changed(good, rng)
        path.write_bytes(odd)
        found, _, what = outcome(read, path).partition(": ")
        tally.add(f"odd {kind}", found, f"{what} seed {number}: {_difference(good, odd)}")


def _difference(good: bytes, odd: bytes) -> str:
    place = next((i for i, (a, b) in enumerate(zip(good, odd, strict=False)) if a != b), min(len(good), len(odd)))
    return f"at byte {place}: {good[place : place + 40]!r} -> {odd[place : place + 40]!r}"


def show(tally: Tally) -> None:
    """Print the counts as a table."""
    endings = sorted({how for _, how in tally.counts}, key=lambda how: (how in _FAULTS, how))
    table = Table("what was done", "trials", *endings)
    for deed in dict.fromkeys(deed for deed, _ in tally.counts):
        counts = [tally.counts[deed, how] for how in endings]
        table.add_row(deed, str(sum(counts)), *map(str, counts))
    print_table(table)


def run(options: Options, bench: Bench) -> None:
    """Try all, then claim that nothing was wrong."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks
    rng = random.Random(options.seed)
    tally = Tally(time.monotonic() + 60 * options.most_minutes)
    trial = TrialRun.make(bench.folder)
    say("the undisturbed run: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in trial.seconds.items()))
    try_odd_inputs(trial, tally, options.odd, bench.folder / "odd", rng)
    for how, count in (("flip", options.flips), ("cut", options.cuts), ("exchange", options.exchanges)):
        try_damage(trial, tally, how, count, rng)
    try_signals(trial, tally, "signal", options.signals, rng)
    try_pairs(trial, tally, options.pairs, rng)
    try_signals(trial, tally, "kill", options.kills, rng)
    show(tally)
    for fault in _FAULTS:
        bench.claim(f"{fault}, of {sum(tally.counts.values())} trials", tally.total(fault), "=", 0)
