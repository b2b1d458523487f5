"""Jobs of a stage side by side: where they run, and what becomes of those that fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config, Experiment
from maskfold.errors import ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError
from maskfold.execution.cores import own_cores, usable_cores
from maskfold.execution.job import Failure, Job, Needs, places
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.local import LocalEngine

_OF_THE_USER = (ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError)
ON_CLUSTER = 0  # workers of this machine where a cluster does the jobs


def do_jobs(stage: str, jobs: Sequence[Job], config: Config, workers: int) -> None:
    """Do all jobs in worker processes or on a cluster; raises the first error after all others are done.

    stage: in messages; workers: how many on this machine. An error that nobody foresaw, or a dead process, becomes a
    TrainingError that names the log.
    """
    if config.run.engine == "ray":
        from maskfold.stages.on_cluster import done_on_cluster  # Ray is needed only there

        failures = done_on_cluster(stage, jobs, config, _OF_THE_USER)
    else:
        failures = done_here(stage, jobs, workers, max(gpus_of(each) for each in config.experiments))
    if not failures:
        return
    job, error, reason = failures[0]
    others = [failure.job.name for failure in failures[1:]]
    more = f"; {', '.join(others)} failed too" if others else ""
    if isinstance(error, _OF_THE_USER):
        if others:
            print(f"{stage}: {', '.join([job.name, *others])} failed", flush=True)
        raise error
    raise TrainingError(
        f"{job.name}: {reason}; its output is in {display(job.log)}{more}; start the same command again to continue"
    )


def done_here(stage: str, jobs: Sequence[Job], workers: int, gpus: int) -> list[Failure]:
    """Do all jobs in worker processes of this machine; returns those that failed.

    gpus: that the workers share in turn, 0: none.
    """
    where = places(workers, own_cores(), usable_cores(), gpus)
    needs = Needs(gpus=int(gpus > 0))
    return LocalEngine(where, JobsShown(stage, len(where)), _OF_THE_USER).run(
        [replace(job, needs=needs) for job in jobs]
    )


def gpus_of(config: Experiment) -> int:
    """How many GPUs train and predict."""
    import torch  # takes seconds, and a fresh stage does not need it

    if config.train.accelerator == "cpu" or not torch.cuda.is_available():
        return 0
    return torch.cuda.device_count()


def prediction_workers(config: Config, jobs: int) -> int:
    """How many OOF files or shards of test images are predicted at a time on this machine; 0: a cluster does it.

    As many as models are trained at a time; of a blend with `auto`, and before any training, one a GPU or one.
    """
    if config.run.engine == "ray":
        return ON_CLUSTER
    asked = config.run.workers
    if jobs < 2:
        return 1
    if isinstance(asked, int):
        return asked
    gpus = max(gpus_of(each) for each in config.experiments)
    return gpus or kept_workers(config) or 1


def kept_workers(config: Config) -> int | None:
    """The number that `run.workers: auto` chose for this run and this many cores; None: nothing is kept."""
    try:
        known = json.loads(RunPaths.of(config).workers_json.read_text(encoding="utf-8"))
        return int(known["workers"]) if known["cores"] == usable_cores() else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
