"""Jobs in worker processes: where they run, what becomes of failures, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskfold.errors import DataError
from maskfold.execution.job import Needs, Place
from support import small_jobs
from support.small_jobs import engine, job

ROOT = Path(__file__).parents[2]


def test_more_jobs_than_places(tmp_path, capsys):
    jobs = [job(small_jobs.write, tmp_path, name) for name in "abc"]
    assert engine(Place(1), Place(1)).run(jobs) == []
    assert [each.artefact.read_text() for each in jobs] == ["done"] * 3
    assert sorted(capsys.readouterr().out.split()) == sorted(["writing", "a", "writing", "b", "writing", "c"])
    assert jobs[0].log.read_text() == "writing a\n"


def test_a_worker_has_the_cores_and_threads_of_its_place(tmp_path):
    core = max(os.sched_getaffinity(0))
    only = job(small_jobs.write_place, tmp_path, "a")
    assert engine(Place(7, (core,))).run([only]) == []
    assert only.artefact.read_text() == f"[{core}] 7"
    assert os.sched_getaffinity(0) >= {core}
    assert os.environ.get("OMP_NUM_THREADS") != "7"


def test_a_job_whose_worker_dies_is_done_again(tmp_path, capsys):
    first, second = job(small_jobs.die_at_first, tmp_path, "a"), job(small_jobs.write, tmp_path, "b")
    assert engine(Place(1)).run([first, second]) == []
    assert first.artefact.read_text() == "second attempt"
    assert second.artefact.read_text() == "done"
    assert "a failed: its process ended with signal 9 (SIGKILL)" in capsys.readouterr().out


@pytest.mark.parametrize(("error", "attempts"), [(DataError("bad"), 1), (OSError("odd"), 3)])
def test_the_rest_goes_on_after_a_failure(tmp_path, error, attempts):
    bad, good = job(small_jobs.fail, tmp_path, "a", error), job(small_jobs.write, tmp_path, "b")
    [failure] = engine(Place(1)).run([bad, good])
    assert failure.job == bad
    assert isinstance(failure.error, type(error))
    assert (tmp_path / "a.attempts").read_text() == "x" * attempts
    assert good.artefact.exists()
    assert "Traceback" in bad.log.read_text()


def test_a_job_that_fits_no_place_is_refused(tmp_path):
    greedy = job(small_jobs.write, tmp_path, "a")
    wants_gpu = type(greedy)(**{**vars(greedy), "needs": Needs(gpus=1)})
    with pytest.raises(AssertionError, match="no place has what a needs"):
        engine(Place(1)).run([wants_gpu])


@pytest.mark.parametrize(("signals", "code"), [([signal.SIGTERM], 130), ([signal.SIGINT] * 2, 130),
                                               ([signal.SIGKILL], -signal.SIGKILL)])  # fmt: skip
def test_workers_end_with_the_first_process(tmp_path, signals, code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}
    script = [sys.executable, str(ROOT / "tests/support/small_jobs.py"), str(tmp_path)]
    process = subprocess.Popen(script, env=environment, stdout=subprocess.DEVNULL)
    files = [tmp_path / "a", tmp_path / "b"]
    _wait_until(lambda: all(file.exists() and file.read_text() for file in files))
    for number in signals:
        process.send_signal(number)
    assert process.wait(60) == code
    _wait_until(lambda: not any(_alive(int(file.read_text())) for file in files))


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _wait_until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
