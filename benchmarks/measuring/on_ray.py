"""A run on a Ray cluster of several nodes of this machine: its bytes, killed nodes, and a job's overhead."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ray.cluster_utils import Cluster

from benchmarks.measuring.benchmark import Bench, say
from benchmarks.measuring.stages import DEMO, Run, run_stage
from maskfold.config import REPOSITORY
from maskfold.execution.job import Job, Place
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.local import LocalEngine
from maskfold.execution.ray_cluster import connect
from maskfold.execution.ray_engine import RayEngine
from maskfold.execution.ray_job import Expected
from support.ray_nodes import ray_cluster
from support.small_jobs import installed

_STAGES = ("make_folds", "train", "predict_oof", "tune_thresholds", "make_submission")
_SMALL = (
    *("demo={train_images: 24, test_images: 48, width: 192}", "folds.count=2", "train.epochs=6", "train.batch_size=4"),
    *("model.encoder=tu-mobilenetv3_small_050", "train.workers=0", "inference.shard_images=4"),
)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_PATHS = {"PYTHONPATH": os.pathsep.join(str(REPOSITORY / name) for name in ("src", "tests", "."))}


def whole_run(bench: Bench, nodes: int) -> None:
    """Claim that a run on a cluster, one of whose nodes dies in training and one in prediction, has the same files."""
    small = (*_SMALL, f"data.root={bench.folder}/small")
    here, there = (Run(DEMO, (*small, f"output_root={bench.folder / name}")) for name in ("here", "there"))
    run_stage("make_demo_data", here, bench.folder / "make_small_data.log")
    for name in ("here", "there"):
        (bench.folder / name).mkdir(exist_ok=True)  # the data was drawn for one of them
    for stage in _STAGES:
        run_stage(stage, here, bench.folder / "here" / f"{stage}.log", environment=_ONE_THREAD)
    with ray_cluster(nodes) as cluster:
        engine = ("run.engine=ray", f"run.address={cluster.address}")
        run = Run(there.config, (*there.overrides, *engine))
        root = bench.folder / "there"
        begun = {"train": "runs/demo/fold0/history.csv", "make_submission": "runs/demo/submission_shards/*.parquet"}
        for stage in _STAGES:
            killer = _killer(cluster, root, begun[stage]) if stage in begun else None
            cost = run_stage(stage, run, root / f"{stage}.log", environment=_ONE_THREAD)
            say(f"{stage} on {nodes} nodes: {cost.seconds:.0f} s{', one of them killed' if killer else ''}")
            if killer is not None:
                killer.join()
                lines = (root / f"{stage}.log").read_text(encoding="utf-8").splitlines()
                say("; ".join(line for line in lines if "begins again" in line) or "the killed node was idle")
                cluster.add_node(num_cpus=1)
    first, second = _files(bench.folder / "here"), _files(root)
    bench.claim("files of a run on a cluster with two killed nodes that are those of this machine", float(
        first == second), "=", True)  # fmt: skip
    trained = [(root / f"runs/demo/logs/train.fold{fold}.log").read_text().count("done:") for fold in range(2)]
    bench.claim("times that a model was trained to its end, at most", max(trained), "=", 1)


def _killer(cluster: Cluster, root: Path, pattern: str) -> threading.Thread:
    """Kills a node, not the first, when a file of the pattern is there below root."""

    def kill() -> None:
        """Wait, and kill it."""
        end = time.monotonic() + 1200
        while not any(root.glob(pattern)) and time.monotonic() < end:
            time.sleep(0.02)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


def _files(root: Path) -> dict[str, bytes]:
    """Weights, OOF, shards and the submission of a run."""
    names = ("runs/**/*.parquet", "oof/**/*.parquet", "runs/*/*/model.pt", "submissions/*.csv")
    return {path.relative_to(root).as_posix(): path.read_bytes() for name in names for path in root.glob(name)}


def nothing(path: Path) -> None:
    """A job of no work."""
    path.touch()


def overhead(jobs: int, nodes: int, bench: Bench) -> None:
    """Claim what a job of no work takes longer on a cluster than in processes here, once workers have started."""
    few = max(2, jobs // 10)
    local = LocalEngine([Place(1)] * nodes, JobsShown("here", nodes))
    here = _seconds_of_a_job(lambda count: local.run(_jobs(bench.folder, count)), few, jobs)
    with ray_cluster(nodes) as cluster:
        connect(cluster.address, _PATHS)
        expected = Expected((bench.folder,), installed, "the same")
        there = _seconds_of_a_job(
            lambda count: RayEngine(JobsShown("ray", nodes), expected, _PATHS).run(_jobs(bench.folder, count)),
            few,
            jobs,
        )
    bench.claim("milliseconds of a job on a cluster more than in a process here", 1000 * (there - here), "≤", 50)
    say(f"  a job of no work, with its log and its messages: {1000 * here:.1f} ms here, {1000 * there:.1f} ms with Ray")


def _jobs(folder: Path, count: int) -> list[Job]:
    return [Job(f"job {each}", nothing, (folder / f"{each}.txt",), folder / f"{each}.txt", folder / f"{each}.log")
            for each in range(count)]  # fmt: skip


def _seconds_of_a_job(run: Callable[[int], object], few: int, many: int) -> float:
    """Seconds of each job further, so that the start of workers does not count."""
    times = []
    run(few)
    for count in (few, many):
        started = time.monotonic()
        run(count)
        times.append(time.monotonic() - started)
    return (times[1] - times[0]) / (many - few)
