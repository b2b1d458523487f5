"""Run benchmarks: every claim about speed, memory and quality, measured on this machine.

Each makes the data it needs; real data is used if a folder is given. Without NAME all are run, one after the other,
each in a process of its own. Ends in one table: claim, value, bar, whether it holds. The exit code is 1 if a claim
does not hold or a benchmark fails.

    python benchmarks/run.py --quick                            all, in small: about 12 minutes on two cores
    python benchmarks/run.py run_lengths exact_tuning           two, in full
    python benchmarks/run.py run_lengths --help                 the options of one
    python benchmarks/run.py exact_tuning --images 12568 --labels /data/severstal
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.table import Table

from benchmarks.measuring.benchmark import Bench, Claim, Settings, number
from benchmarks.measuring.options import add_options, chosen_settings
from maskfold.execution.console import print_table
from maskfold.execution.unread import ended_with_its_reader

_FOLDER = Path(__file__).resolve().parent
NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem not in ("__init__", "run")))


class Outcome(NamedTuple):
    """What a benchmark found. error: empty unless it failed."""

    name: str
    seconds: float
    claims: list[Claim]
    left_out: list[str]
    error: str

    def as_json(self) -> str:
        """As another process writes it."""
        return json.dumps({**self._asdict(), "claims": [claim.model_dump() for claim in self.claims]})

    @classmethod
    def of_json(cls, text: str) -> Outcome:
        """As another process wrote it."""
        values = json.loads(text)
        return cls(**{**values, "claims": [Claim(**claim) for claim in values["claims"]]})


def settings_of(name: str) -> type[Settings]:
    """The options of a benchmark; imports it."""
    found: type[Settings] = importlib.import_module(f"benchmarks.{name}").Options
    return found


def run_here(name: str, settings: Settings, shared: Path) -> Outcome:
    """Run one benchmark in this process."""
    started, error = time.monotonic(), ""
    with tempfile.TemporaryDirectory(prefix="maskfold-benchmark-") as folder:
        bench = Bench(Path(folder), shared)
        try:
            importlib.import_module(f"benchmarks.{name}").run(settings, bench)
        except Exception as caught:  # one that fails must not stop the others
            traceback.print_exc()
            error = str(caught).splitlines()[0] if str(caught) else type(caught).__name__
    return Outcome(name, time.monotonic() - started, bench.claims, bench.left_out, error)


def run_apart(name: str, quick: bool, shared: Path) -> Outcome:
    """Run one benchmark in a process of its own, its output on the screen."""
    outcome, started = shared / f"{name}.json", time.monotonic()
    command = [sys.executable, __file__, name, *(["--quick"] if quick else [])]
    code = subprocess.run([*command, "--shared", str(shared), "--outcome", str(outcome)]).returncode
    if outcome.exists():
        return Outcome.of_json(outcome.read_text(encoding="utf-8"))
    return Outcome(name, time.monotonic() - started, [], [], f"the process ended with code {code}")


def print_outcomes(outcomes: list[Outcome]) -> bool:
    """The table of all claims; returns whether all hold and nothing failed."""
    table = Table("benchmark", "claim", "value", "bar", "holds")
    for outcome in outcomes:
        for claim in outcome.claims:
            bar = f"{claim.relation} {number(claim.bar)}"
            table.add_row(outcome.name, claim.text, number(claim.value), bar, "yes" if claim.holds else "NO")
        if outcome.error:
            table.add_row(outcome.name, "(failed)", "", "", "NO")
    for column in table.columns[2:4]:
        column.justify = "right"
    print()
    print_table(table)
    for outcome in outcomes:
        for line in outcome.left_out:
            print(f"{outcome.name} left out: {line}")
        if outcome.error:
            print(f"{outcome.name} failed: {outcome.error}")
    claims = [claim for outcome in outcomes for claim in outcome.claims]
    held, failed = sum(claim.holds for claim in claims), sum(bool(outcome.error) for outcome in outcomes)
    minutes, processor = sum(outcome.seconds for outcome in outcomes) / 60, sum(os.times()[:4]) / 60
    spent = f"{minutes:.1f} minutes, {processor:.1f} of CPU time"
    print(f"{held} of {len(claims)} claims hold, {failed} benchmarks failed; {spent}")
    return held == len(claims) and not failed


def _known(name: str) -> str:
    """A benchmark's name. Raises ArgumentTypeError with the nearest one."""
    if name in NAMES:
        return name
    near = difflib.get_close_matches(name, NAMES, n=1)
    raise argparse.ArgumentTypeError(f"no benchmark {name}; {f'did you mean {near[0]}?' if near else ', '.join(NAMES)}")


def parse_args(arguments: list[str]) -> tuple[argparse.Namespace, Settings | None]:
    """The command line, and the options of the benchmark if there is only one."""
    names = [each for each in arguments if each in NAMES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", type=_known, help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="small data, few rounds: the figures are rough")
    parser.add_argument("--shared", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--outcome", type=Path, help=argparse.SUPPRESS)
    if len(names) != 1:
        return parser.parse_args(arguments), None
    kind = settings_of(names[0])
    parser.description = importlib.import_module(f"benchmarks.{names[0]}").__doc__
    add_options(parser.add_argument_group(f"options of {names[0]}"), kind)
    args = parser.parse_args(arguments)
    return args, chosen_settings(args, kind)


def main() -> int:
    """Run what was asked for."""
    args, settings = parse_args(sys.argv[1:])
    if settings is not None and args.outcome is not None:
        args.outcome.write_text(run_here(args.names[0], settings, args.shared).as_json(), encoding="utf-8")
        return 0
    with tempfile.TemporaryDirectory(prefix="maskfold-benchmarks-") as folder:
        if settings is not None:
            announce(args.names, args.quick)
            return 0 if print_outcomes([run_here(args.names[0], settings, Path(folder))]) else 1
        names = args.names or NAMES
        announce(names, args.quick)
        outcomes = []
        for place, name in enumerate(names, 1):
            print(f"\n[{place}/{len(names)}] {name}", flush=True)
            outcomes.append(run_apart(name, args.quick, Path(folder)))
            print(f"  {outcomes[-1].seconds:.0f} s", flush=True)
    return 0 if print_outcomes(outcomes) else 1


def announce(names: Any, quick: bool) -> None:
    """Say before anything starts how long it takes."""
    minutes = {name: settings_of(name).minutes[0 if quick else 1] for name in names}
    each = ", ".join(f"{name} {value:g}" for name, value in minutes.items())
    print(f"About {sum(minutes.values()):.0f} minutes on two quiet cores ({each})", flush=True)
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(f"The machine is busy (load {load:.1f}, {cores} cores): this takes longer, and speeds are unreliable")


if __name__ == "__main__":
    with ended_with_its_reader():
        try:
            sys.exit(main())
        except KeyboardInterrupt:
            sys.exit("stopped")
