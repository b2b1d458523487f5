"""Machines that lack something: room on the disk, rights, memory, open files, a home, an encoding."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.harm.children import REFUSED, TRACEBACK, Ending, finish, start
from benchmarks.harm.tally import Tally
from benchmarks.harm.trial_run import TrialRun
from maskfold.config import REPOSITORY

STAGES = ("train", "predict_oof", "tune_thresholds", "make_submission", "make_report")
_NEW_MOUNTS, _PRIVATE, _BIND, _READ_ONLY = 0x20000, 0x44000, 0x1000, 0x1021
_ROOM_BYTES, _MORE_MEMORY_BYTES, _SHARED_KB, _OPEN_FILES = 16 << 10, 48 << 20, 128, 64
_OTHER_BYTES = 75
_BARE = {"HOME": "/nonexistent", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
Prepare = Callable[[TrialRun], None]


def _system(name: str, *arguments: object) -> None:
    """A call of the C library that is 0 where it succeeds."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name} failed")


def _mount(source: str, place: Path, kind: str, flags: int, options: str = "") -> None:
    _system("mount", source.encode(), os.fsencode(place), kind.encode(), flags, options.encode())


def _own_mounts() -> None:
    """Let what this process mounts from now on be seen by itself alone."""
    _system("unshare", _NEW_MOUNTS)
    _mount("none", Path("/"), "none", _PRIVATE)


def _full_disk(trial: TrialRun) -> None:
    _own_mounts()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(trial.work, folder, symlinks=True, dirs_exist_ok=True)
        _mount("none", trial.work, "tmpfs", 0)
        shutil.copytree(folder, trial.work, symlinks=True, dirs_exist_ok=True)
    used = os.statvfs(trial.work)
    size = (used.f_blocks - used.f_bfree) * used.f_frsize + _ROOM_BYTES
    _mount("none", trial.work, "tmpfs", 32, f"size={size}")  # 32: mounted already, now with this limit


def _read_only(trial: TrialRun) -> None:
    _own_mounts()
    _mount(str(trial.work), trial.work, "none", _BIND)
    _mount(str(trial.work), trial.work, "none", _READ_ONLY)


def _small_shared_memory(_trial: TrialRun) -> None:
    _own_mounts()
    _mount("none", Path("/dev/shm"), "tmpfs", 0, f"size={_SHARED_KB}k")


def _few_files(_trial: TrialRun) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def _little_memory(_trial: TrialRun) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _MORE_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _other_temporary_folder(_trial: TrialRun) -> None:
    os.environ["TMPDIR"] = tempfile.tempdir = "/dev/shm"


def _clock_set_back(trial: TrialRun) -> None:
    """All files of the run are from tomorrow."""
    for path in trial.work.rglob("*"):
        status = path.stat()
        os.utime(path, (status.st_atime + 86400, status.st_mtime + 86400))


ENVIRONMENTS: dict[str, Prepare] = {
    f"{_ROOM_BYTES >> 10} KB left on the disk": _full_disk,
    "read-only folder": _read_only,
    f"/dev/shm of {_SHARED_KB} KB, a loader process": _small_shared_memory,
    f"{_OPEN_FILES} open files": _few_files,
    f"{_MORE_MEMORY_BYTES >> 20} MB of memory left": _little_memory,
    "TMPDIR on another file system": _other_temporary_folder,
    "clock set back by a day": _clock_set_back,
}
BARE = "no home, LC_ALL=C, output in latin-1"


def try_environments(trial: TrialRun, tally: Tally) -> None:
    """Run each stage from nothing in each environment: the right result, or one sentence and it works elsewhere."""
    for name, prepare in {**ENVIRONMENTS, BARE: None}.items():
        for stage in STAGES:
            for _ in tally.trials(f"{name}: {stage}", 1):
                trial.restore(exports=False)
                trial.without(stage)
                ending = _bare_script(trial, stage) if prepare is None else _run(trial, stage, prepare)
                tally.add(f"{name}: {stage}", *_judged(trial, stage, ending))


def _run(trial: TrialRun, stage: str, prepare: Prepare) -> Ending:
    """A stage in an environment; its result is compared there, because what is mounted goes with the process."""

    def work() -> None:
        """Prepare, run, compare."""
        config = trial.config()
        if prepare is _small_shared_memory:
            workers = {"workers": 1}
            config = config.model_copy(update={"train": config.train.model_copy(update=workers)})
        prepare(trial)
        trial.run_here([stage], config)
        if different := trial.differing():
            print(f"other bytes: {different}")
            sys.exit(_OTHER_BYTES)

    log = trial.kept.with_name("log")
    return finish(start(work, log), log)


def _bare_script(trial: TrialRun, stage: str) -> Ending:
    """The stage's script, as a person starts it, in a shell that has next to nothing."""
    file = trial.kept.with_name("bare.yaml")
    file.write_text(yaml.safe_dump(trial.config().model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    command = [sys.executable, f"src/{stage}.py", "--config", str(file)]
    environment = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}
    environment |= _BARE | {"PYTHONIOENCODING": "latin-1"}
    result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
    text = (result.stdout + result.stderr).decode("latin-1")
    return Ending(_OTHER_BYTES if result.returncode == 0 and trial.differing() else result.returncode, text)


def _judged(trial: TrialRun, stage: str, ending: Ending) -> tuple[str, str]:
    """How a trial ended, with details."""
    if ending.code is None:
        return "hang", ending.text[-1500:]
    if ending.code == TRACEBACK or "Traceback" in ending.text:
        return "traceback", ending.text[-2500:]
    if ending.code == _OTHER_BYTES:
        return "other bytes", ending.text[-1500:]
    if ending.code == 0:
        return "right result", ""
    if ending.code != REFUSED:
        return "wrong exit code", f"{ending.code}: {ending.text[-1500:]}"
    sentence = ending.text.strip().splitlines()[-1]
    if not sentence.startswith("error: "):
        return "traceback", ending.text[-1500:]
    again = trial.run([stage])
    if again.code != 0 or trial.differing():
        return "dead end", f"{sentence}\n{again.text[-1500:]}"
    left = trial.left_over()
    return ("left over", f"{left}") if left else ("one sentence", sentence)
