"""What becomes of a run when its files and processes are harmed: flips, cuts, exchanges, kills, signals, doubles.

A tiny run of the demo is finished once. For every trial a copy of it is harmed, then the stages from a random one on
are run, then all of them: they must end without a traceback, in the bytes of the undisturbed run, with nothing left
over. Odd inputs are read by maskfold and by an independent reading. All is drawn from --seed.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import warnings
from pathlib import Path
from typing import ClassVar

import torch

from benchmarks.harm.children import REFUSED, TRACEBACK, Ending, after, finish, start
from benchmarks.harm.environments import try_environments
from benchmarks.harm.odd_inputs import changed, outcome, readers
from benchmarks.harm.tally import FAULTS, Tally
from benchmarks.harm.trial_run import EXPORT, FOLDERS, NAMES, TrialRun, damage
from benchmarks.measuring.benchmark import Bench, Settings, say
from maskfold.inference import predict as _loaded
from maskfold.training import fit as _loaded_too

assert _loaded and _loaded_too  # before any fork, so that no trial loads torch again

_PARTS = 10
_KINDS = ("config", "csv", "json", "image", "oof", "checkpoint")
_NOTICED = ("recomputed", "written again", "starts again", "will be computed", "cannot be read")


class Options(Settings):
    """How much is tried."""

    minutes: ClassVar[tuple[float, float]] = (1.5, 60)
    quick: ClassVar[dict[str, object]] = {
        "environments": False,
        **{"flips": 8, "cuts": 3, "exchanges": 2, "kills": 4, "signals": 3, "pairs": 2, "odd": 20},
    }
    flips: int = 500
    """Single bits flipped in a file below folds, runs, oof, submissions or exports."""
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
    environments: bool = True
    """Also each stage on machines that lack something: a full disk, few open files, no home."""
    odd: int = 2000
    """Odd inputs: configs, csv, json, images, OOF and checkpoints."""
    seed: int = 0
    """From which every trial is drawn."""
    most_minutes: float = 600
    """After which no further trial is begun; the counts are of those made."""
    made: str = ""
    """A file of the trials made so far, so that the campaign can be made in parts: those in it are not made again."""


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
    if not fault_of(ending, again=True) and "exports" in details:
        exported = trial.run([EXPORT])
        ending = Ending(exported.code, ending.text + exported.text)
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


def try_damage(trial: TrialRun, tally: Tally, how: str, count: int) -> None:
    """Harm a file, run the stages from a random one, which may refuse, then all; a bundle checks itself."""
    for rng in tally.trials(how, count):
        folder = rng.choice(FOLDERS)
        trial.restore(exports=folder == "exports")
        files = trial.files(folder)
        path = rng.choice(files)
        details = damage(how, path, files, rng)
        if not details:
            tally.add(how, "without effect")
            continue
        details = f"{path.relative_to(trial.work)}: {details}"
        later = list(NAMES[rng.randrange(1, len(NAMES)) :])
        ending = trial.check_bundle() if folder == "exports" else trial.run(later)
        if fault := fault_of(ending, again=False):
            tally.add(how, fault, f"{details}\n{ending.text[-1500:]}")
        else:
            settle(trial, tally, how, "refused, healed" if ending.code == REFUSED else "", details, ending.text)


def try_signals(trial: TrialRun, tally: Tally, deed: str, count: int) -> None:
    """End a stage at a random moment of its work, some with a second signal while it cleans up, then run all."""
    numbers = [signal.SIGKILL] if deed == "kill" else [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    log = trial.kept.with_name("log")
    for rng in tally.trials(deed, count):
        stage, number = rng.choice((*NAMES, EXPORT)), rng.choice(numbers)
        trial.restore(exports=stage == EXPORT)
        trial.without(stage)
        child = start(trial.stages([stage]), log)
        after(child, rng.uniform(0, trial.seconds[stage]), number)
        if deed != "kill" and rng.random() < 0.3:
            after(child, rng.uniform(0, 0.5), rng.choice(numbers))
        ending = finish(child, log)
        details = f"{stage}{', exports' * (stage == EXPORT)} got {number.name}, ended with {ending.code}"
        if deed != "kill" and (fault := fault_of(ending, again=False)):
            tally.add(deed, fault, f"{details}\n{ending.text[-1500:]}")
        elif ending.code not in (0, -number if deed == "kill" else 128 + number):
            tally.add(deed, "wrong exit code", f"{details}\n{ending.text[-500:]}")
        else:
            settle(trial, tally, deed, "ended before" if ending.code == 0 else "continued", details)


def try_pairs(trial: TrialRun, tally: Tally, count: int) -> None:
    """Start two stages together, the same or neighbours; the later one may be refused. Then run all."""
    logs = [trial.kept.with_name(f"log{number}") for number in range(2)]
    for rng in tally.trials("pair", count):
        names = (*NAMES, EXPORT)
        first = rng.randrange(len(names))
        pair = [names[first], names[min(len(NAMES), first + rng.randrange(2))]]
        trial.restore(exports=EXPORT in pair)
        for stage in set(pair):
            trial.without(stage)
        children = [start(trial.stages([stage]), log) for stage, log in zip(pair, logs, strict=True)]
        endings = [finish(child, log) for child, log in zip(children, logs, strict=True)]
        faults = [fault_of(ending, again=ending is endings[0] and pair[0] == pair[1]) for ending in endings]
        if any(faults):
            text = "\n".join(ending.text[-1000:] for ending in endings)
            tally.add("pair", next(filter(None, faults)), f"{pair}\n{text}")
        else:
            settle(trial, tally, "pair", "same bytes", f"{pair}{', exports' * (EXPORT in pair)}")


def try_odd_inputs(trial: TrialRun, tally: Tally, count: int, folder: Path) -> None:
    """Read odd inputs of each kind."""
    folder.mkdir()
    shutil.copytree(trial.kept / "data", folder / "data")
    for place, (kind, (good, path, read)) in enumerate(readers(trial, folder).items()):
        path.write_bytes(good)
        if (found := outcome(read, path)) != "accepted":
            raise RuntimeError(f"the undamaged {kind} is not accepted: {found}")
        for rng in tally.trials(f"odd {kind}", (count + len(_KINDS) - 1 - place) // len(_KINDS)):
            odd = changed(good, rng)
            path.write_bytes(odd)
            found, _, what = outcome(read, path).partition(": ")
            tally.add(f"odd {kind}", found, f"{what}: {_difference(good, odd)}")
        path.write_bytes(good)


def _difference(good: bytes, odd: bytes) -> str:
    place = next((i for i, (a, b) in enumerate(zip(good, odd, strict=False)) if a != b), min(len(good), len(odd)))
    return f"at byte {place}: {good[place : place + 40]!r} -> {odd[place : place + 40]!r}"


def run(options: Options, bench: Bench) -> None:
    """Try all, then claim that nothing was wrong."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)  # of forks
    made = Path(options.made).resolve() if options.made else None
    tally = Tally(options.seed, time.monotonic() + 60 * options.most_minutes, made)
    trial = TrialRun.make(bench.folder)
    say("the undisturbed run: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in trial.seconds.items()))
    if options.environments and os.geteuid() == 0:
        try_environments(trial, tally)
    elif options.environments:
        bench.leave_out("environments such as a full disk: only root may mount one; run it as root")
    try_odd_inputs(trial, tally, options.odd, bench.folder / "odd")
    for part in range(1, _PARTS + 1):  # so that a campaign that is ended early has some of each
        try_signals(trial, tally, "signal", options.signals * part // _PARTS)
        for how, count in (("flip", options.flips), ("cut", options.cuts), ("exchange", options.exchanges)):
            try_damage(trial, tally, how, count * part // _PARTS)
        try_signals(trial, tally, "kill", options.kills * part // _PARTS)
        try_pairs(trial, tally, options.pairs * part // _PARTS)
    tally.show()
    for fault in FAULTS:
        bench.claim(f"{fault}, of {sum(tally.counts.values())} trials", tally.total(fault), "=", 0)
