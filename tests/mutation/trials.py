"""Runs tests on a copy of the repository in which one file is changed."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from changes import Change
from imports import compiled_files, test_distances
from reach import Notes, OnlyInOrder, Recorder

REPOSITORY = Path(__file__).resolve().parents[2]
LIBRARY = Path("src/maskfold")
# Imported once, before the processes of the trials split off: importing takes most of a short test's time.
_PRELOADED = ["albumentations", "cv2", "lightning", "numba", "optuna", "pandas", "pyarrow.parquet", "pycocotools.mask"]
_PRELOADED += ["pydantic", "pytest", "segmentation_models_pytorch", "sklearn", "timm", "torch"]

# What a trial ends with: this and pytest's status, so that one that never came to the tests is told from a failed test.
_RAN = 100
_NO_TESTS = 5  # pytest's status
_FEW = 20  # tests that are tried before all
_LONGEST = 3600  # seconds, of all quick tests without a change
_QUICK = ("-m", "not slow")

Result = Literal["noticed", "survived", "timeout"]


@dataclass(frozen=True)
class Outcome:
    """How the tests ended, what failed first, and the seconds it took; tests that run for ever have noticed a change.

    failed: "cut" where the tests ended before all of them had run.
    """

    result: Result
    failed: str
    seconds: float


class Trials:
    """A copy of the repository, without what git ignores, and the tests that run there.

    folder: holds the copy and the notes; those of an earlier start are used again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.code = folder / "repository"
        self.unchanged = folder / "unchanged"  # the library; a start that was killed leaves a changed file in the copy
        if not self.unchanged.is_dir():
            _copy_repository(self.code)
            shutil.copytree(self.code / LIBRARY, folder / "unchanged.part", dirs_exist_ok=True)
            (folder / "unchanged.part").rename(self.unchanged)
        shutil.copytree(self.unchanged, self.code / LIBRARY, dirs_exist_ok=True)
        self.passing: set[str] = set()  # slow tests, without a change
        self.failing: set[str] = set()
        self.compiled = compiled_files(self.code)
        for module in _PRELOADED:
            importlib.import_module(module)

    def notes(self) -> Notes:
        """What each quick test runs with the code as it is. A test that fails so, as it needs more, is left out."""
        folder = self.folder / "notes"
        if not folder.is_dir():
            part = self.folder / "notes.part"
            part.mkdir(exist_ok=True)
            recorder = Recorder(self.code / LIBRARY, part)
            outcome = self._run(["tests"], _LONGEST, self.folder / "numba", recorder, [*_QUICK, "--maxfail=1000"])
            if not (part / "tests.json").is_file():
                raise SystemExit(f"the tests do not run without any change:\n{outcome.failed}")
            part.rename(folder)
        notes = Notes(folder)
        self.failing |= notes.failed
        return notes

    def quick(self, change: Change, notes: Notes, seconds: float) -> Outcome:
        """The outcome of the quick tests with a changed file: those that run the changed line, the quickest first.

        The first of them alone, as most changes end there; what other tests need is then not even imported. Where no
        test is known to run the line (numba's loops, what runs while a module is imported), of all test files that
        reach the module by imports, the nearest first; after these seconds the change counts as survived.
        """
        near = notes.near_tests(self.code / LIBRARY / change.path, change.line)
        if not near:
            return self._until(change, self._reaching(change), seconds, _QUICK)
        outcome = Outcome("survived", "", 0.0)
        for names in filter(None, (near[:_FEW], near[_FEW:])):
            files = list(dict.fromkeys(name.split("::")[0] for name in names))
            found = self._changed(change, files, notes.patience(names), OnlyInOrder(names), _QUICK)
            outcome = replace(found, seconds=outcome.seconds + found.seconds)
            if outcome.result != "survived":
                break
        return outcome

    def slow(self, change: Change, notes: Notes, seconds: float) -> Outcome:
        """The outcome of the slow tests of the files that reach the changed one by imports, the nearest first.

        seconds: then the change counts as survived, although some tests are left.
        """
        tests = [path for path in self._reaching(change) if path in notes.slow]
        if not tests:
            return Outcome("survived", "", 0.0)
        while True:
            outcome = self._until(change, tests, seconds, ["-m", "slow"])
            if outcome.result == "survived" or self._passes_unchanged(outcome.failed.split(" - ")[0]):
                return outcome

    def _until(self, change: Change, tests: Sequence[str], seconds: float, options: Sequence[str]) -> Outcome:
        """The outcome of test files; survived where they have not noticed the change after these seconds."""
        outcome = self._changed(change, tests, seconds, OnlyInOrder(()), options)
        return replace(outcome, result="survived", failed="cut") if outcome.result == "timeout" else outcome

    def _passes_unchanged(self, name: str) -> bool:
        """Whether a slow test passes without a change; one that needs more than the copy does not, and is left out."""
        if name not in self.passing:
            outcome = self._run([name], _LONGEST, self.folder / "numba", OnlyInOrder(()), [])
            if outcome.result != "survived":
                print(f"left out, as it fails without any change: {name}", flush=True)
                self.failing.add(name)
                return False
            self.passing.add(name)
        return True

    def _reaching(self, change: Change) -> list[str]:
        return [path.as_posix() for path in test_distances(self.code, LIBRARY / change.path)]

    def _changed(
        self, change: Change, tests: Sequence[str], timeout: float, plugin: object, options: Sequence[str]
    ) -> Outcome:
        file = self.code / LIBRARY / change.path
        file.write_text(change.source, encoding="utf-8")
        try:
            with TemporaryDirectory(dir=self.folder) as fresh:
                # numba could run what it has compiled from the file as it was, or with a constant as it was.
                numba_folder = Path(fresh) if file in self.compiled else self.folder / "numba"
                return self._run(tests, timeout, numba_folder, plugin, options)
        finally:
            shutil.copyfile(self.unchanged / change.path, file)

    def _run(
        self, tests: Sequence[str], timeout: float, numba_folder: Path, plugin: object, options: Sequence[str]
    ) -> Outcome:
        log = self.folder / "output.txt"
        log.write_text("")
        options = [*options, *(f"--deselect={name}" for name in self.failing)]
        process = multiprocessing.get_context("fork").Process(
            target=_run_pytest, args=(self.code, [*options, *tests], numba_folder, log, plugin)
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
        if status is not None and 0 <= status < _RAN:
            raise RuntimeError(f"the tests did not run; status {status}:\n{output}")
        if status in (_RAN, _RAN + _NO_TESTS):
            return Outcome("survived", "", seconds)
        failed = re.findall(r"^(?:FAILED|ERROR) (.*)$", output, re.MULTILINE) or [output[-2000:]]
        return Outcome("timeout" if status is None else "noticed", failed[0], seconds)


def _copy_repository(target: Path) -> None:
    """Copy what is on disk, without what git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, target / name)


def _run_pytest(code: Path, arguments: list[str], numba_folder: Path, log: Path, plugin: object) -> None:
    """Run pytest in this process, which ends with _RAN and pytest's status."""
    os.setsid()
    os.chdir(code)
    os.environ |= {"NUMBA_CACHE_DIR": str(numba_folder), "PYTHONDONTWRITEBYTECODE": "1"}
    os.environ.pop("PYTHONPATH", None)  # what a test starts must import the copy
    sys.path[:] = [path for path in sys.path if Path(path) not in (REPOSITORY / "src", Path(__file__).parent)]
    vars(sys.modules["__main__"]).pop("__file__", None)  # which processes that a test spawns would run
    sys.dont_write_bytecode = True  # bytecode is told from that of another source by the second and the size alone
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", "--tb=short"]
    status = pytest.main([*options, *arguments], plugins=[plugin])
    sys.stdout.flush()
    os._exit(_RAN + int(status))
