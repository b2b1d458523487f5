"""Whether the tests notice: small changes of the code that decides a score or a submission, each against all tests.

usage: python tests/mutation/run.py FOLDER [ROOM …] [--count N] [--seed N] [--quick] [--seconds N] [--list]

ROOM is a folder of src/maskfold (`tuning`), or a folder or file in one (`data/formats`, `training/losses`). First all
quick tests run once without a change, to note which lines each runs. Then every change runs against the quick tests
that run its line, the quickest first, until one fails; what survives runs against the slow tests of all files that
reach the changed one by imports, the nearest first. All this on a copy of the repository in FOLDER, which also keeps
every outcome: the same command goes on where an earlier one was ended; an empty folder begins anew. Prints every change
with its outcome, then a table in Markdown and the changes that no test noticed. Exits with 1 when tests fail without
any change.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from changes import Change, sample_changes
from trials import Outcome, Trials

DECIDING = ["pixels", "rules", "data", "folds", "inference", "training/losses", "oof", "tuning", "blending"]
DECIDING += ["submission"]
# These decide neither scores nor submissions: they print, draw, or make the demo's images.
_LEFT_OUT = {
    "__init__.py",
    "balance.py",
    "comparison.py",
    "demo",
    "overlays.py",
    "printing.py",
    "surface_picture.py",
    "text.py",
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for the copy, notes and outcomes")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"default: {' '.join(DECIDING)}")
    parser.add_argument("--count", type=int, default=300, help="changes in all, as many of each room; default: 300")
    parser.add_argument("--seed", type=int, default=0, help="of the sample; default: 0")
    parser.add_argument("--quick", action="store_true", help="leave out the tests that are marked as slow")
    parser.add_argument(
        "--seconds", type=float, default=120, help="for tests that are not known to run its line; default: 120"
    )
    parser.add_argument("--list", action="store_true", help="print the changes without running any test")
    return parser.parse_args()


def files_of(library: Path, room: str) -> list[Path]:
    """The files of a room, below the library. Raises SystemExit for a room that is not there."""
    place = library / room
    found = [place] if place.is_file() else sorted(place.rglob("*.py"))
    files = [path.relative_to(library) for path in found if not _LEFT_OUT & set(path.relative_to(library).parts)]
    if not files:
        rooms = sorted(path.name for path in library.iterdir() if path.is_dir())
        raise SystemExit(f"{place}: no such room; src/maskfold has {', '.join(rooms)}")
    return files


class Results:
    """Changes and how the quick and the slow tests ended, kept in a file so that a later start goes on from there."""

    def __init__(self, file: Path) -> None:
        self.file = file
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        self._found: dict[tuple[str, str], Outcome] = {}
        for line in lines:
            kept = json.loads(line)
            key = kept.pop("change"), kept.pop("tests")
            self._found[key] = Outcome(**kept)

    def get(self, change: Change, tests: str) -> Outcome | None:
        """An outcome that an earlier start has found; tests: `quick` or `slow`."""
        return self._found.get((str(change), tests))

    def add(self, change: Change, tests: str, outcome: Outcome) -> None:
        """Keep an outcome."""
        self._found[str(change), tests] = outcome
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"change": str(change), "tests": tests} | asdict(outcome)) + "\n")

    def last(self, change: Change) -> Outcome:
        """What a change that has run ended with."""
        return self._found.get((str(change), "slow")) or self._found[str(change), "quick"]


def run_all(changes: Sequence[Change], results: Results, tests: str, run: Callable[[Change], Outcome]) -> None:
    """Run the changes that no earlier start has run, and print each with the time that the others will take."""
    left = [change for change in changes if results.get(change, tests) is None]
    started = time.monotonic()
    for number, change in enumerate(left, 1):
        outcome = run(change)
        results.add(change, tests, outcome)
        minutes = (time.monotonic() - started) / number * (len(left) - number) / 60
        head = f"{tests} tests, {number}/{len(left)}, {minutes:.0f} min left: {outcome.result}"
        print(f"{head} in {outcome.seconds:.0f} s: {change} {outcome.failed[:150]}", flush=True)


def print_table(results: Results, changes: Sequence[Change], rooms: Sequence[str]) -> None:
    """Room, changes, noticed and survived; then every change that survived."""
    print("\n| room | changes | noticed | survived |\n|---|---:|---:|---:|")
    for room in [*rooms, "all"]:
        outcomes = [results.last(change) for change in changes if room in (change.room, "all")]
        survived = sum(outcome.result == "survived" for outcome in outcomes)
        print(f"| {room} | {len(outcomes)} | {len(outcomes) - survived} | {survived} |")
    print("\nSurvived:\n")
    for change in changes:
        outcome = results.last(change)
        if outcome.result == "survived":
            print(f"- {change}{' (not all of its tests ran)' if outcome.failed else ''}")


def main() -> None:
    """Sample the changes, run each, and print the table."""
    args = parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    trials = Trials(args.folder.resolve())
    rooms = {room: files_of(trials.unchanged, room) for room in args.rooms or DECIDING}
    changes = sample_changes(trials.unchanged, rooms, args.count, args.seed)
    if args.list:
        print(*changes, sep="\n")
        return
    notes = trials.notes()
    results = Results(args.folder / "results.jsonl")
    run_all(changes, results, "quick", lambda change: trials.quick(change, notes, args.seconds))
    if not args.quick:
        survived = [change for change in changes if results.last(change).result == "survived"]
        run_all(survived, results, "slow", lambda change: trials.slow(change, notes, args.seconds))
    print_table(results, changes, list(rooms))


if __name__ == "__main__":
    main()
