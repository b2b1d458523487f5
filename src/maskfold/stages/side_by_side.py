"""How many jobs of a run work side by side, where, and what becomes of those that fail."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.errors import ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError
from maskfold.execution.cores import own_cores, usable_cores
from maskfold.execution.job import Failure, Job, places
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.local import LocalEngine
from maskfold.pixels.geometry import network_size, padded_size

_OF_THE_USER = (ConfigError, DataError, InferenceError, StaleError, TrainingError, UsageError)


def do_jobs(stage: str, jobs: Sequence[Job], workers: int, gpus: int) -> None:
    """Do all jobs in worker processes; raises the first error after all others are done.

    stage: in messages; gpus: that the workers share in turn, 0: none. An error that nobody foresaw, or a dead process,
    becomes a TrainingError that names the log.
    """
    failures = _done(stage, jobs, workers, gpus)
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


def _done(stage: str, jobs: Sequence[Job], workers: int, gpus: int) -> list[Failure]:
    where = places(workers, own_cores(), usable_cores(), gpus)
    return LocalEngine(where, JobsShown(stage, len(where)), _OF_THE_USER).run(jobs)


def gpus_of(config: Experiment) -> int:
    """How many GPUs train and predict."""
    import torch  # takes seconds, and a fresh stage does not need it

    if config.train.accelerator == "cpu" or not torch.cuda.is_available():
        return 0
    return torch.cuda.device_count()


def workers_of(config: Experiment, competition: Competition) -> int:
    """How many models of a run are trained at a time; `auto` measures once, and the run keeps to it.

    Raises ConfigError where one model is trained by several processes itself.
    """
    asked, together = config.run.workers, config.train.devices * config.train.num_nodes
    if together > 1:
        if asked in (1, "auto"):
            return 1
        raise ConfigError(
            f"run.workers: {asked} models side by side, while train.devices and train.num_nodes give each {together} "
            "processes; set one of them to 1"
        )
    if isinstance(asked, int):
        return min(asked, config.models)
    gpus = gpus_of(config)
    return min(gpus, config.models) if gpus else _kept(config, lambda: _measured(config, competition))


def _kept(config: Experiment, measure: Callable[[], int]) -> int:
    """The number that was chosen for this run and this many cores before, else what is measured now."""
    path, cores = RunPaths.of(config).workers_json, usable_cores()
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["cores"] == cores and known["models"] == config.models:
            return int(known["workers"])
    except (OSError, ValueError, LookupError, TypeError):
        pass
    workers = measure()
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps({"cores": cores, "models": config.models, "workers": workers}))
    return workers


def _measured(config: Experiment, competition: Competition) -> int:
    from maskfold.planning.machine import free_memory  # with torch, as above
    from maskfold.training.steps_side_by_side import candidates, faster_workers

    if not candidates(config.models, usable_cores()):
        return 1

    def run(jobs: Sequence[Job], workers: int) -> list[Failure]:
        """Do some measurements at a time."""
        return _done("train: measuring", jobs, workers, 0)

    with tempfile.TemporaryDirectory(prefix="maskfold-steps-") as folder:
        size = config.train.crop_size or _largest(config, competition)
        workers, why = faster_workers(config, size, usable_cores(), free_memory(), Path(folder), run)
    how = "one after the other" if workers == 1 else f"{workers} models side by side"
    print(f"train: {how} (run.workers: auto): {why}", flush=True)
    return workers


def _largest(config: Experiment, competition: Competition) -> tuple[int, int]:
    """(height, width) of the padded input, of the largest training image."""
    sizes = zip(competition.train["height"].tolist(), competition.train["width"].tolist(), strict=True)
    height, width = max(
        (network_size(*size, config.model.resize) for size in sizes), key=lambda size: size[0] * size[1]
    )
    return padded_size(height, width, config.inference.pad_multiple)
