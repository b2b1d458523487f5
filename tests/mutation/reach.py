"""Which tests run which lines of the library, so that a change is tried first on the tests that can notice it."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from coverage import Coverage, CoverageData

_COMPILING = 120  # seconds, of all loops


class Recorder:
    """A plugin of pytest: notes the lines that each test runs, how long it takes, and the files with tests left out.

    source: the library's folder; folder: gets the notes. Loops that numba has compiled leave none.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.left_out: set[str] = set()
        self.failed: set[str] = set()
        self.coverage = Coverage(str(folder / "lines"), source=[str(source)], config_file=False, messages=False)

    def pytest_sessionstart(self) -> None:
        """Start before the tests are imported."""
        self.coverage.start()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """The slow tests, by file."""
        self.left_out |= {item.nodeid.split("::")[0] for item in items}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """What runs from here on belongs to this test."""
        self.coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of set-up, call and tear-down."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write the notes."""
        self.coverage.stop()
        self.coverage.save()
        notes = {"seconds": self.seconds, "left_out": sorted(self.left_out), "failed": sorted(self.failed)}
        (self.folder / "tests.json").write_text(json.dumps(notes), encoding="utf-8")


class OnlyInOrder:
    """A plugin of pytest that runs these tests only, in their order; all tests where none is named."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.rank = {name: rank for rank, name in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Select and sort."""
        if self.rank:
            items[:] = [item for item in items if item.nodeid in self.rank]
            items.sort(key=lambda item: self.rank[item.nodeid])


class Notes:
    """What a Recorder has noted in a folder."""

    def __init__(self, folder: Path) -> None:
        self._lines = CoverageData(str(folder / "lines"))
        self._lines.read()
        notes = json.loads((folder / "tests.json").read_text(encoding="utf-8"))
        self.seconds: dict[str, float] = notes["seconds"]
        self.slow = frozenset(notes["left_out"])  # files
        self.failed = frozenset(notes["failed"])

    def near_tests(self, file: Path, line: int) -> list[str]:
        """The quick tests that run a line of a file, the quickest first. What runs at an import is of no test."""
        tests_by_line = self._lines.contexts_by_lineno(str(file))
        near = _tests(tests_by_line, _statement(file.read_text(encoding="utf-8"), line)) - self.failed
        return sorted(near, key=lambda name: self.seconds.get(name, 0.0))

    def patience(self, tests: Iterable[str]) -> float:
        """After how many seconds tests run for ever: three times as long as without a change, and two minutes."""
        return _COMPILING + 3 * sum(self.seconds.get(name, 0.0) for name in tests)


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
