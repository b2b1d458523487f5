"""How many models of a run are trained at a time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.errors import ConfigError
from maskfold.execution.cores import usable_cores
from maskfold.execution.job import Failure, Job
from maskfold.pixels.geometry import network_size, padded_size
from maskfold.stages.side_by_side import ON_CLUSTER, done_here, gpus_of, kept_workers


def workers_of(config: Experiment, competition: Competition) -> int:
    """How many models of a run are trained at a time on this machine; 0: a cluster does it.

    `auto` measures once, and the run keeps to it. Raises ConfigError where one model is trained by several processes
    itself.
    """
    asked, together = config.run.workers, config.train.devices * config.train.num_nodes
    if config.run.engine == "ray":
        if together > 1:
            raise ConfigError(
                "run.engine=ray trains each model in one process, while train.devices and train.num_nodes give each "
                f"{together}; set both to 1, or run.engine=local"
            )
        return ON_CLUSTER
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
    """The number that was chosen before, else what is measured now."""
    known = kept_workers(config)
    if known is not None:
        return known
    workers = measure()
    with whole_file(RunPaths.of(config).workers_json) as temporary:
        temporary.write_text(json.dumps({"cores": usable_cores(), "workers": workers}), encoding="utf-8")
    return workers


def _measured(config: Experiment, competition: Competition) -> int:
    from maskfold.planning.machine import free_memory  # with torch, as above
    from maskfold.training.steps_side_by_side import candidates, faster_workers

    if not candidates(config.models, usable_cores()):
        return 1

    def run(jobs: Sequence[Job], workers: int) -> list[Failure]:
        """Do some measurements at a time."""
        return done_here("train: measuring", jobs, workers, 0)

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
