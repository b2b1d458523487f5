"""A run on a real Ray cluster gives the bytes of one on this machine, though a node dies; and what is refused."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("ray") is None:
    pytest.skip("ray is not installed", allow_module_level=True)

import ray

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, RunConfig
from maskfold.errors import ConfigError, DataError, UsageError
from maskfold.execution.job import Needs
from maskfold.execution.jobs_shown import JobsShown
from maskfold.execution.ray_cluster import ClusterError, check_nodes, connect, fitting_nodes, nodes
from maskfold.execution.ray_engine import RayEngine
from maskfold.execution.ray_job import Expected
from maskfold.stages.on_cluster import done_on_cluster
from maskfold.stages.workers import workers_of
from maskfold.training.checkpoint_files import LAST
from support import small_jobs
from support.finished_run import run_stages, tiny_config
from support.ray_nodes import ray_cluster
from support.small_jobs import job

CORRIDOR = ("make_folds", "train", "predict_oof", "tune_thresholds", "make_submission")
PATHS = {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY / 'tests'}"}


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(nodes=2) as made:
        yield made


def on(cluster, **more):
    return RunConfig(engine="ray", address=cluster.address, **more)


def engine(*files):
    return RayEngine(JobsShown("jobs", 2), Expected(files, small_jobs.installed, "the same"), PATHS, (DataError,))


def test_jobs_on_nodes(cluster, tmp_path, capsys):
    connect(cluster.address, PATHS)
    good, dies = job(small_jobs.write, tmp_path, "a"), job(small_jobs.die_at_first, tmp_path, "b")
    bad, odd = (job(small_jobs.fail, tmp_path, name, error) for name, error in
                (("c", DataError("bad")), ("d", OSError("odd"))))  # fmt: skip
    failures = engine(tmp_path).run([good, dies, bad, odd])
    assert (good.artefact.read_text(), dies.artefact.read_text()) == ("done", "second attempt")
    assert good.log.read_text() == "writing a\n"
    assert {each.job.name: (type(each.error), each.reason) for each in failures} == {
        "c": (DataError, str(DataError("bad"))),
        "d": (OSError, "odd"),
    }
    assert [(tmp_path / f"{name}.attempts").read_text() for name in "cd"] == ["x", "xxx"]
    printed = capsys.readouterr().out
    assert "writing a\n" in printed
    assert "jobs: b begins again on" in printed
    assert "jobs: d failed: odd; attempt 2 follows" in printed


def test_a_signal_ends_all_jobs(cluster, tmp_path):
    connect(cluster.address, PATHS)
    endless = job(small_jobs.never_end, tmp_path, "a")

    def stop():
        wait_until(lambda: endless.artefact.exists() and endless.artefact.read_text())
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    with pytest.raises(KeyboardInterrupt):
        engine(tmp_path).run([endless])
    wait_until(lambda: not Path("/proc", endless.artefact.read_text()).exists())


def test_the_address_of_a_ray_client_is_refused(monkeypatch):
    ray.shutdown()
    with pytest.raises(ClusterError, match=r"ray://head:10001 .*`ray start --address=HOST:6379 --num-cpus=0"):
        connect("ray://head:10001", PATHS)
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(ClusterError, match=r"ray://head:10001 is the address of a Ray client"):
        connect("auto", PATHS)


def test_a_machine_without_cores_does_no_job(cluster, tmp_path):
    connect(cluster.address, PATHS)
    without = cluster.add_node(num_cpus=0)
    try:
        wait_until(lambda: len(nodes()) == 3)
        assert len(fitting_nodes(Needs(threads=1))) == 2
        assert engine(tmp_path).run([job(small_jobs.write, tmp_path, name) for name in "abc"]) == []
    finally:
        cluster.remove_node(without)
        wait_until(lambda: len(nodes()) == 2)


def test_a_node_that_lacks_something_is_refused(cluster, tmp_path):
    connect(cluster.address, PATHS)
    with pytest.raises(ClusterError, match=rf"does not see {tmp_path}/absent\n(.|\n)*mount the folders"):
        check_nodes(nodes(), Expected((tmp_path / "absent",), small_jobs.installed, "the same"), PATHS)
    with pytest.raises(ClusterError, match=r"has the same, expected another"):
        check_nodes(nodes(), Expected((), small_jobs.installed, "another"), PATHS)
    with pytest.raises(ClusterError, match=r"cannot start maskfold: .*No module named 'maskfold'"):
        check_nodes(nodes(), Expected((), small_jobs.installed, "the same"), {"PYTHONPATH": ""})
    [failure] = engine(tmp_path / "absent").run([job(small_jobs.write, tmp_path, "a")])
    assert "does not see" in failure.reason


def test_needs_that_no_node_has_are_refused(cluster, tmp_path, capsys):
    connect(cluster.address, PATHS)
    assert len(fitting_nodes(Needs(threads=1))) == 2
    with pytest.raises(
        ClusterError, match=r"what each job needs \(2 cores, 1 GPU, 4 GB of memory\): .*\(1 cores, 0 GPUs"
    ):
        fitting_nodes(Needs(2, 1, 4.0))
    config = tiny_config(tmp_path, train={"accelerator": "gpu"}).model_copy(update={"run": on(cluster)})
    with pytest.raises(UsageError, match=r"run.engine=ray: no node .* 1 GPU.*train.accelerator=cpu"):
        done_on_cluster("train", [job(small_jobs.write, tmp_path, "a")], config, ())


HIDDEN = 'mount -t tmpfs none "$0" && exec "$@"'


def test_a_node_that_does_not_see_the_run_s_folder_is_refused(cluster, tmp_path):
    ray_program = Path(sys.executable).with_name("ray")
    hidden = ["unshare", "-rm", "sh", "-c", HIDDEN, str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run([*hidden, "true"], capture_output=True).returncode:
        pytest.skip("unshare -rm is not allowed here, so a folder cannot be hidden from a node")
    connect(cluster.address, PATHS)
    start = [ray_program, "start", f"--address={cluster.address}", "--num-cpus=1", "--block"]
    node = subprocess.Popen([*hidden, *map(str, start)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(nodes()) == 3)
        config = tiny_config(tmp_path).model_copy(update={"run": on(cluster)})
        Path(config.data.root).mkdir()
        with pytest.raises(UsageError, match=rf"does not see {tmp_path}/runs/tiny/.cluster-") as refused:
            done_on_cluster("train", [job(small_jobs.write, tmp_path, "a")], config, ())
        assert str(refused.value).count("does not see") == 2  # the marker, and the data; of the third node alone
    finally:
        node.terminate()
        try:
            node.wait(timeout=60)
        except subprocess.TimeoutExpired:
            node.kill()
        wait_until(lambda: len(nodes()) == 2)


def at_work_on(node):
    """The fold that is at work on a node and its process, by the titles that Ray gives; None if there is none."""
    raylet = node.all_processes["raylet"][0].process.pid
    for child in map(int, Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()):
        with contextlib.suppress(FileNotFoundError):
            title = Path(f"/proc/{child}/cmdline").read_bytes().decode()
            if found := re.match(r"ray::fold (\d)", title):
                return int(found[1]), child
    return None


def kill_a_node(cluster, config, unfinished):
    """Kill the second node, with SIGKILL, when its fold has a checkpoint and no model; note which fold that is."""
    paths, node = RunPaths.of(config), next(iter(cluster.worker_nodes))
    wait_until(lambda: at_work_on(node) is not None)
    fold, process = at_work_on(node)
    wait_until((paths.training(fold) / LAST).is_file)
    os.kill(process, signal.SIGSTOP)  # or it could end before its node does
    if not paths.model(fold).is_file():
        unfinished.append(fold)
    cluster.remove_node(node, allow_graceful=False)
    os.kill(process, signal.SIGKILL)  # what is stopped does not notice that its node is gone


def made_by(config):
    root = RunPaths.of(config).root
    names = ("runs/**/*.parquet", "oof/**/*.parquet", "**/model.pt", "submissions/*.csv")
    return {file.relative_to(root).as_posix(): file.read_bytes() for name in names for file in root.glob(name)}


def test_a_run_on_a_cluster_has_the_bytes_of_one_here_though_a_node_dies(tmp_path, cluster, capsys):
    here = tiny_config(tmp_path / "here", train={"epochs": 12})
    run_stages(here, *CORRIDOR)
    there = tiny_config(tmp_path / "there", train={"epochs": 12}).model_copy(update={"run": on(cluster)})
    unfinished = []
    killer = threading.Thread(target=kill_a_node, args=(cluster, there, unfinished))
    killer.start()
    run_stages(there, *CORRIDOR)
    killer.join()
    [killed] = unfinished
    logs = [RunPaths.of(there).job_log("train", f"fold{fold}").read_text() for fold in (0, 1)]
    assert [log.count("train: continuing") for log in logs] == [int(fold == killed) for fold in (0, 1)]
    assert [log.count("done:") for log in logs] == [1, 1]
    assert "begins again on" in capsys.readouterr().out
    expected, found = made_by(here), made_by(there)
    assert len(expected) == 2 + 2 + 2 + 1  # weights, OOF, shards of test images, the submission
    assert found == expected


def test_an_address_without_a_cluster_is_refused(cluster):
    ray.shutdown()
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"nothing listens at 127.0.0.1:1"):
        connect("127.0.0.1:1", PATHS)
    assert time.monotonic() - began < 60


def test_another_version_of_ray_is_refused(cluster, monkeypatch):
    ray.shutdown()
    monkeypatch.setattr(ray, "__version__", "2.0.0")
    with pytest.raises(ClusterError, match=r"runs another Ray or Python: .*Ray: 2.0.0.*install the same"):
        connect(cluster.address, PATHS)


def test_ray_must_be_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    config = tiny_config(tmp_path).model_copy(update={"run": RunConfig(engine="ray")})
    with pytest.raises(UsageError, match=r"pip install -r requirements-cluster.txt"):
        done_on_cluster("train", [], config, ())


def test_a_cluster_excludes_one_model_in_several_processes(tmp_path):
    config = tiny_config(tmp_path, train={"devices": 2}).model_copy(update={"run": RunConfig(engine="ray")})
    with pytest.raises(ConfigError, match=r"run.engine=ray trains each model in one process"):
        workers_of(config, None)


@pytest.mark.parametrize("address", ["auto", "head:6379", "ray://10.0.0.1:10001", "[::1]:6379"])
def test_addresses(address):
    assert RunConfig(address=address).address == address


@pytest.mark.parametrize("address", ["", "head", "http://head:6379", "ray://head", "local", "head:port"])
def test_what_is_no_address(address):
    with pytest.raises(ValueError, match=r"address"):
        RunConfig(address=address)


def wait_until(holds):
    end = time.monotonic() + 300
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
