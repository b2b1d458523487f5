"""Jobs of a moment for the tests of both engines; as a script: an engine with two jobs that never end."""

import os
import signal
import sys
import time
from pathlib import Path

from maskfold.errors import DataError
from maskfold.execution.job import Job, Place
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.local import LocalEngine
from maskfold.execution.progress import Progress, report_progress


def job(function, folder, name, *more):
    return Job(name, function, (folder / name, *more), folder / name, folder / f"{name}.log")


def engine(*places):
    return LocalEngine(places, JobsShown("jobs", len(places)), (DataError,))


def installed():
    """What every node of a cluster has."""
    return "the same"


def write(path):
    print(f"writing {path.name}")
    report_progress(Progress(1, 1, "file", "", 0.0))
    path.write_text("done")


def write_place(path):
    path.write_text(f"{sorted(os.sched_getaffinity(0))} {os.environ['OMP_NUM_THREADS']}")


def die_at_first(path):
    """Dies in the first attempt, and finds in the second what the first left."""
    left = path.with_suffix(".left")
    if not left.exists():
        left.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    path.write_text("second attempt")


def fail(path, error):
    with path.with_suffix(".attempts").open("a") as file:
        file.write("x")
    raise error


def never_end(path):
    path.write_text(str(os.getpid()))
    time.sleep(1000)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    try:
        engine(Place(1), Place(1)).run([job(never_end, target, name) for name in ("a", "b")])
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the workers have ended; the second may come as late as here
        sys.exit(130)
