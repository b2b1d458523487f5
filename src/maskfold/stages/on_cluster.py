"""Jobs of a stage on a Ray cluster: what they need, what every node must have, and the refusals in words."""

from __future__ import annotations

import hashlib
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from maskfold import __version__
from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.commands import ROOT_VARIABLE
from maskfold.config import REPOSITORY, Config
from maskfold.config.places import IN_CHECKOUT, SOURCES
from maskfold.errors import UsageError
from maskfold.execution.cores import LIMIT
from maskfold.execution.job import Failure, Job, Needs
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.processes import ALLOCATOR, worker_variables
from maskfold.requirements import declared, installed_version, lacks

if TYPE_CHECKING:
    from maskfold.execution.ray_cluster import Node

# Where trackers are, not the keys to them: those are on each node, or there are none.
_TRACKERS = (
    *("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"),
    *("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL"),
)
# lightning shall not take a node of a SLURM job for one of several processes of the same training: `interactive` is its
# word for that, and only the rank 0 writes files.
_NO_SLURM = {"SLURM_JOB_NAME": "interactive", "SLURM_PROCID": "0"}


def done_on_cluster(
    stage: str, jobs: Sequence[Job], config: Config, final: tuple[type[Exception], ...]
) -> list[Failure]:
    """Do all jobs on the cluster of run.address; returns those that failed.

    final: errors that a second attempt would meet again. Raises UsageError, before any job, where Ray or the cluster is
    not there, or a node lacks what the jobs need.
    """
    if find_spec("ray") is None:
        raise UsageError(
            f"run.engine=ray needs the package ray, which this Python ({sys.executable}) lacks: `pip install -r "
            "requirements-cluster.txt`, here and on every node; or set run.engine=local"
        )
    from maskfold.execution.ray_cluster import ClusterError, check_nodes, connect, fitting_nodes, nodes
    from maskfold.execution.ray_engine import RayEngine
    from maskfold.execution.ray_job import Expected

    try:
        connect(config.run.address, _places())
        needs = _needs(config, nodes())
        where = fitting_nodes(needs)
        environment = _environment(needs, min(len(jobs), max(node.slots(needs) for node in where)))
        with _marker(RunPaths.of(config)) as marker:
            expected = Expected((marker, resolve(config.data.root)), installation, installation())
            check_nodes(where, expected, environment)
            places = sum(node.slots(needs) for node in where)
            print(f"{stage}: {len(jobs)} jobs on {len(where)} nodes of a Ray cluster, {places} at a time", flush=True)
            engine = RayEngine(JobsShown(stage, places), expected, environment, final)
            return engine.run([replace(job, needs=needs) for job in jobs])
    except ClusterError as error:
        raise UsageError(f"run.engine=ray: {error}") from None


@cache
def installation() -> str:
    """What this process runs, and where it works: alike on all nodes, or the same job would give something else."""
    digest = hashlib.sha256()
    package = SOURCES / "maskfold"
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    found = f"maskfold {__version__} (code {digest.hexdigest()[:12]}), torch {installed_version('torch')}"
    lacking = [f"without {lack.requirement.name}" for lack in lacks(declared(), installed_version) if not lack.found]
    return ", ".join([found, *lacking, f"at work in {REPOSITORY}"])


def _needs(config: Config, nodes: Sequence[Node]) -> Needs:
    """What each job asks for: a GPU where training may use one and some node has one, or where the config insists."""
    asked = {each.train.accelerator for each in config.experiments}
    there = any(node.gpus for node in nodes)
    gpus = int("gpu" in asked or ("auto" in asked and there))
    return Needs(config.run.job_cores, gpus, config.run.job_memory_gb)


def _environment(needs: Needs, side_by_side: int) -> dict[str, str]:
    """The environment of the jobs' processes; side_by_side: how many a node does at a time."""
    own = {name: os.environ.get(name, value) for name, value in ALLOCATOR.items()}
    threads = worker_variables(needs.threads, side_by_side) | {LIMIT: str(needs.threads)}
    trackers = {name: os.environ[name] for name in _TRACKERS if name in os.environ}
    return _places() | own | threads | trackers | _NO_SLURM


def _places() -> dict[str, str]:
    """Where a process finds maskfold, and where it works."""
    found = {"PYTHONPATH": f"{SOURCES}:${{PYTHONPATH}}"} if IN_CHECKOUT else {}
    if ROOT_VARIABLE in os.environ or not IN_CHECKOUT:
        found[ROOT_VARIABLE] = str(REPOSITORY)
    return found


@contextmanager
def _marker(paths: RunPaths) -> Iterator[Path]:
    """A file in the run's folder, of a name that no node has looked for before, as long as the block lasts."""
    marker = paths.run / f".cluster-{uuid.uuid4().hex}"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)
