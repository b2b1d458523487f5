"""Two processes at the same stage of the same run: one waits, or is refused; a killed one leaves no lock."""

from __future__ import annotations

import errno
import fcntl
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from maskfold.artefacts import lock
from maskfold.artefacts.lock import NO_WAIT, one_writer
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, RleCsvData
from maskfold.errors import UsageError

HOLDER = """\
import errno, fcntl, sys, time
from maskfold.artefacts import lock

def lacking(*_):
    raise OSError(errno.ENOSYS, "Function not implemented")

if sys.argv[2:] == ["without locks"]:
    fcntl.flock, lock._LEASE_SECONDS = lacking, 1.5
from maskfold.artefacts.lock import one_writer
from maskfold.config import Experiment, RleCsvData

@one_writer("tune_thresholds")
def hold(config):
    print("holding", flush=True)
    time.sleep(60)

hold(Experiment(name="x", output_root=sys.argv[1], data=RleCsvData(root="x", class_names=("a",))))
"""


@pytest.fixture
def config(tmp_path):
    return Experiment(name="x", output_root=str(tmp_path), data=RleCsvData(root="x", class_names=("a",)))


@contextmanager
def holding(config, *how):
    """Another process that holds the lock."""
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", HOLDER, config.output_root, *how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def holder(config):
    with holding(config) as process:
        yield process


@one_writer("tune_thresholds")
def work(config):
    return "done"


def test_without_waiting_the_second_is_refused_and_told_by_whom(config, holder, monkeypatch):
    monkeypatch.setenv(NO_WAIT, "1")
    with pytest.raises(UsageError, match=f"tune_thresholds of the run x is already at work: process {holder.pid} on "):
        work(config)


def test_the_second_waits_until_the_first_has_ended_however_it_ended(config, holder, capsys):
    started = time.monotonic()
    killer = subprocess.Popen(["bash", "-c", f"sleep 1; kill -{signal.SIGKILL.value} {holder.pid}"])
    assert work(config) == "done"
    assert time.monotonic() - started > 0.5
    assert f"tune_thresholds: waiting for process {holder.pid} on " in capsys.readouterr().out
    killer.wait()


def test_where_the_file_system_has_no_locks_one_that_is_no_longer_renewed_is_taken(config, monkeypatch, capsys):
    def lacking(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", lacking)
    monkeypatch.setattr(lock, "_LEASE_SECONDS", 1.5)
    with holding(config, "without locks") as holder:
        monkeypatch.setenv(NO_WAIT, "1")
        time.sleep(2.5)  # renewed meanwhile
        with pytest.raises(UsageError, match=f"already at work: process {holder.pid} on "):
            work(config)
        monkeypatch.delenv(NO_WAIT)
        holder.kill()
        assert work(config) == "done"
        assert f"waiting for process {holder.pid} on " in capsys.readouterr().out


def test_other_stages_and_runs_do_not_wait(config, holder, monkeypatch):
    monkeypatch.setenv(NO_WAIT, "1")
    assert one_writer("make_report")(lambda config: "done")(config) == "done"
    assert work(config.model_copy(update={"name": "y"})) == "done"


def test_the_lock_is_free_again_after_an_error(config):
    @one_writer("tune_thresholds")
    def fails(config):
        raise ValueError

    with pytest.raises(ValueError):
        fails(config)
    assert work(config) == "done"
    assert not list(RunPaths.of(config).lock("x").parent.glob("*.holder"))
