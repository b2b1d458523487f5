"""Two processes at the same stage of the same run: one waits, or is refused; a killed one leaves no lock."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from maskfold.artefacts.lock import NO_WAIT, one_writer
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, RleCsvData
from maskfold.errors import UsageError

HOLDER = """\
import sys, time
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


@pytest.fixture
def holder(config):
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", HOLDER, config.output_root]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "holding\n"
    yield process
    process.kill()
    process.wait()


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
