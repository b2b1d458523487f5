"""Which tests run which lines of the library, so that a change is tried first on the tests that can notice it."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from coverage import Coverage, CoverageData


class Recorder:
    """A plugin of pytest: notes the lines that each test runs and how long it takes.

    source: the library's folder; folder: gets the two notes. Loops that numba has compiled leave none.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.coverage = Coverage(str(folder / "lines"), source=[str(source)], config_file=False, messages=False)

    def pytest_sessionstart(self) -> None:
        """Start before the tests are imported."""
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What runs from here on belongs to this test."""
        self.coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of set-up, call and tear-down."""
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Write both notes."""
        self.coverage.stop()
        self.coverage.save()
        (self.folder / "seconds.json").write_text(json.dumps(self.seconds), encoding="utf-8")


class NearFirst:
    """A plugin of pytest that runs these tests first, in their order."""

    def __init__(self, near: Sequence[str]) -> None:
        self.rank = {name: rank for rank, name in enumerate(near)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort; what is not named keeps its order."""
        items.sort(key=lambda item: self.rank.get(item.nodeid, len(self.rank)))


def near_tests(folder: Path, file: Path, line: int) -> list[str]:
    """The tests that run a line of a file, the quickest first; where none does, those that run others of the file.

    folder: holds the notes of a Recorder. What runs while a module is imported is of no test.
    """
    notes = CoverageData(str(folder / "lines"))
    notes.read()
    seconds = json.loads((folder / "seconds.json").read_text(encoding="utf-8"))
    tests_by_line = notes.contexts_by_lineno(str(file))
    near = _tests(tests_by_line, _statement(file.read_text(encoding="utf-8"), line))
    return sorted(near or _tests(tests_by_line, tests_by_line), key=lambda name: seconds.get(name, 0.0))


def _tests(tests_by_line: Mapping[int, Iterable[str]], lines: Iterable[int]) -> set[str]:
    return {name for line in lines for name in tests_by_line.get(line, ())} - {""}


def _statement(source: str, line: int) -> range:
    """The lines of the smallest statement around a line; of one with a body, those before the body."""
    found = range(line, line + 1)
    for node in ast.walk(ast.parse(source)):  # from the outside to the inside
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or line
            found = range(node.lineno, max(end, line) + 1)
    return found
