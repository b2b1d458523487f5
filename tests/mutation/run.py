"""Whether the tests notice: small changes of the code that decides a score or a submission, each against its tests.

usage: python tests/mutation/run.py [ROOM …] [--count N] [--seed N] [--quick] [--list]

ROOM is a folder of src/maskfold (`tuning`), or a folder or file in one (`data/formats`, `training/losses`). A change
runs against the tests in the folder of its room under tests/ (of a file, against those named as it is), and against
those under tests/stages that import the changed module, until one fails; those that run the changed line come first,
the quickest of them before the others. All this on a copy of the repository. Prints every change with its outcome, then
a table in Markdown and the changes that no test noticed. Exits with 1 when the tests fail without any change.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from changes import Change, sample_changes
from trials import LIBRARY, REPOSITORY, Outcome, Trials, imported_modules

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
_LONGEST = 1800  # seconds, of a room's tests without a change


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=f"default: {' '.join(DECIDING)}")
    parser.add_argument("--count", type=int, default=300, help="changes in all, as many of each room; default: 300")
    parser.add_argument("--seed", type=int, default=0, help="of the sample; default: 0")
    parser.add_argument("--quick", action="store_true", help="leave out the tests that are marked as slow")
    parser.add_argument("--list", action="store_true", help="print the changes without running any test")
    return parser.parse_args()


def files_of(room: str) -> list[Path]:
    """The files of a room, below the library. Raises SystemExit for a room that is not there."""
    library = REPOSITORY / LIBRARY
    place = library / room
    found = [place] if place.is_file() else sorted(place.rglob("*.py"))
    files = [path.relative_to(library) for path in found if not _LEFT_OUT & set(path.relative_to(library).parts)]
    if not files:
        rooms = sorted(path.name for path in library.iterdir() if path.is_dir())
        raise SystemExit(f"{place}: no such room; src/maskfold has {', '.join(rooms)}")
    return files


def tests_of(repository: Path, room: str, changed: Path | None = None) -> list[Path]:
    """The test files of a room, below the repository; those named as the changed file first.

    Raises SystemExit for a room without tests.
    """
    tests, place = repository / "tests", Path(room)
    pattern = f"test_{place.stem}*.py" if place.suffix else "test_*.py"
    own = sorted((tests / place.parts[0]).rglob(pattern))
    if not own:
        raise SystemExit(f"{tests / place.parts[0]}: there are no tests of {room}")
    if changed is not None:
        own.sort(key=lambda path: not path.stem.startswith(f"test_{changed.stem}"))
        module = ".".join(["maskfold", *changed.with_suffix("").parts])
        own += [path for path in sorted((tests / "stages").glob("test_*.py")) if module in imported_modules(path)]
    return [path.relative_to(repository) for path in own]


def unchanged_seconds(trials: Trials, rooms: Sequence[str]) -> dict[str, float]:
    """How long the tests of each room take, compiling included. Raises SystemExit when they fail."""
    seconds = {}
    for room in rooms:
        outcome = trials.unchanged(room, tests_of(trials.code, room), _LONGEST)
        if outcome.result != "survived":
            raise SystemExit(f"the tests of {room} fail without any change:\n{outcome.output[-4000:]}")
        seconds[room] = outcome.seconds
        print(f"{room}: its tests pass without a change, in {outcome.seconds:.0f} s", flush=True)
    return seconds


def print_table(outcomes: Sequence[tuple[Change, Outcome]], rooms: Sequence[str]) -> None:
    """Room, changes, noticed and survived; then every change that survived."""
    print("\n| room | changes | noticed | survived |\n|---|---|---|---|")
    for room in [*rooms, "all"]:
        results = [outcome.result for change, outcome in outcomes if room in (change.room, "all")]
        survived = results.count("survived")
        print(f"| {room} | {len(results)} | {len(results) - survived} | {survived} |")
    print("\nSurvived:\n")
    for change, outcome in outcomes:
        if outcome.result == "survived":
            print(f"- {change}")


def main() -> None:
    """Sample the changes, run each, and print the table."""
    args = parse_args()
    rooms = {room: files_of(room) for room in args.rooms or DECIDING}
    changes = sample_changes(REPOSITORY / LIBRARY, rooms, args.count, args.seed)
    if args.list:
        print(*changes, sep="\n")
        return
    outcomes: list[tuple[Change, Outcome]] = []
    with TemporaryDirectory(prefix="maskfold-mutation-") as folder:
        trials = Trials(Path(folder), args.quick)
        seconds = unchanged_seconds(trials, list(rooms))
        for number, change in enumerate(changes, 1):
            tests = tests_of(trials.code, change.room, change.path)
            outcome = trials.changed(change, tests, 300 + 3 * seconds[change.room])
            outcomes.append((change, outcome))
            print(f"{number}/{len(changes)} {outcome.result} in {outcome.seconds:.0f} s: {change}", flush=True)
    print_table(outcomes, list(rooms))


if __name__ == "__main__":
    main()
