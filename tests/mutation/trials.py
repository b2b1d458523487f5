"""Runs the tests of a room on a copy of the repository in which one file is changed."""

from __future__ import annotations

import ast
import contextlib
import importlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from changes import Change
from reach import NearFirst, Recorder, near_tests

REPOSITORY = Path(__file__).resolve().parents[2]
LIBRARY = Path("src/maskfold")
# Imported once, before the processes of the trials split off: importing takes most of a short test's time.
_PRELOADED = ["albumentations", "cv2", "lightning", "numba", "optuna", "pandas", "pyarrow.parquet", "pycocotools.mask"]
_PRELOADED += ["pydantic", "pytest", "segmentation_models_pytorch", "sklearn", "timm", "torch"]
_COMPILED = b"maskfold.execution.compiled import"  # in the files whose loops numba compiles

# What a trial ends with: this and pytest's status, so that one that never came to the tests is told from a failed test.
_RAN = 100
_NO_TESTS = 5  # pytest's status
_FEW = 20  # tests that are tried before all

Result = Literal["noticed", "survived", "timeout"]


@dataclass(frozen=True)
class Outcome:
    """How the tests ended (a change that makes them run for ever is noticed too), what they printed, and how long."""

    result: Result
    output: str
    seconds: float


class Trials:
    """A copy of the repository as it is on disk, without what git ignores, and the tests that run there.

    quick: leave out the tests that are marked as slow.
    """

    def __init__(self, folder: Path, quick: bool = False) -> None:
        self.folder = folder
        self.options = ["-m", "not slow"] if quick else []
        self.code = folder / "repository"
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
        for name in listed.stdout.decode().split("\0"):
            if name and (REPOSITORY / name).is_file():
                (self.code / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / name, self.code / name)
        self.compiled = _compiled_files(self.code / "src")
        for module in _PRELOADED:
            importlib.import_module(module)

    def unchanged(self, room: str, tests: Sequence[Path], timeout: float) -> Outcome:
        """The outcome of a room's test files, below the repository, with the code as it is; notes what each runs."""
        self._notes(room).mkdir(parents=True)
        return self._run(tests, timeout, self.folder / "numba", Recorder(self.code / LIBRARY, self._notes(room)))

    def changed(self, change: Change, tests: Sequence[Path], timeout: float) -> Outcome:
        """The outcome of test files with a changed file; the tests of the room that run the changed line come first.

        Alone, the quickest of them, as most changes end there; what other tests a room has is then not even imported.
        """
        file = self.code / LIBRARY / change.path
        near = near_tests(self._notes(change.room), file, change.line)
        before = file.read_text(encoding="utf-8")
        file.write_text(change.source, encoding="utf-8")
        try:
            with TemporaryDirectory(dir=self.folder) as fresh:
                # numba could run what it has compiled from the file as it was, or with a constant as it was.
                numba_folder = Path(fresh) if file in self.compiled else self.folder / "numba"
                if near:
                    outcome = self._run(near[:_FEW], timeout, numba_folder, NearFirst(near))
                    if outcome.result != "survived":
                        return outcome
                return self._run(tests, timeout, numba_folder, NearFirst(near[_FEW:]))
        finally:
            file.write_text(before, encoding="utf-8")

    def _notes(self, room: str) -> Path:
        return self.folder / "notes" / room

    def _run(self, tests: Sequence[Path | str], timeout: float, numba_folder: Path, plugin: object) -> Outcome:
        log = self.folder / "output.txt"
        log.write_text("")
        arguments = [*self.options, *map(str, tests)]
        process = multiprocessing.get_context("fork").Process(
            target=_run_pytest, args=(self.code, arguments, numba_folder, log, plugin)
        )
        started = time.monotonic()
        process.start()
        process.join(timeout)
        seconds, status = time.monotonic() - started, process.exitcode
        if status is None:
            assert process.pid is not None
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what its tests have started
            process.join()
        output = log.read_text(encoding="utf-8", errors="replace")
        if status is not None and (0 <= status < _RAN or status == _RAN + _NO_TESTS):
            raise RuntimeError(f"the tests did not run; status {status}:\n{output}")
        result: Result = "timeout" if status is None else "survived" if status == _RAN else "noticed"
        return Outcome(result, output, seconds)


def _run_pytest(code: Path, arguments: list[str], numba_folder: Path, log: Path, plugin: object) -> None:
    """Run pytest in this process, which ends with _RAN and pytest's status."""
    os.setsid()
    os.chdir(code)
    os.environ |= {"NUMBA_CACHE_DIR": str(numba_folder), "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True  # bytecode is told from that of another source by the second and the size alone
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--tb=short"]
    status = pytest.main([*options, *arguments], plugins=[plugin])
    sys.stdout.flush()
    os._exit(_RAN + int(status))


def _compiled_files(source: Path) -> set[Path]:
    """The files that numba compiles, and all that these import: their constants are part of the machine code."""
    found: set[Path] = set()
    waiting = [path for path in source.rglob("*.py") if _COMPILED in path.read_bytes()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in imported_modules(path) for file in _files_of(source, name)]
    return found


def imported_modules(path: Path) -> set[str]:
    """The modules, or names of modules, that a file imports at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def _files_of(source: Path, name: str) -> list[Path]:
    """The file of a module; none where there is no such file."""
    place = source.joinpath(*name.split("."))
    return [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]
