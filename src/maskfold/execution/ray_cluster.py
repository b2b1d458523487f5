"""The connection to a Ray cluster, its nodes, and what is refused before any work."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import ray
from ray.exceptions import NodeDiedError, RayError, TaskUnschedulableError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from maskfold.execution.job import Needs
from maskfold.execution.ray_job import Expected, look

_CONNECT_SECONDS = 5.0
_NOTICED_SECONDS = 60.0  # until Ray says that a node is down
_LOOK_SECONDS = 120.0  # until a node that starts a first process has answered


class ClusterError(RuntimeError):
    """A cluster that cannot do the jobs; the message says why, and what to change."""


class Node(NamedTuple):
    """A node of a cluster. name: its host's; memory_gb: that jobs may ask for."""

    id: str
    name: str
    cores: float
    gpus: float
    memory_gb: float

    def slots(self, needs: Needs) -> int:
        """How many jobs with these needs it does at a time."""
        slots = self.cores // needs.threads
        if needs.gpus:
            slots = min(slots, self.gpus // needs.gpus)
        if needs.memory_gb:
            slots = min(slots, self.memory_gb // needs.memory_gb)
        return int(slots)

    def __str__(self) -> str:
        return f"{self.name} ({self.cores:g} cores, {self.gpus:g} GPUs, {self.memory_gb:.1f} GB of memory)"


def connect(address: str, environment: dict[str, str]) -> None:
    """Connect this process with a cluster, unless it is connected; within two minutes. Raises ClusterError.

    address: `auto`: of RAY_ADDRESS, or that this machine belongs to; or host:port; environment: variables of the jobs'
    processes.
    """
    if ray.is_initialized():
        return
    known = os.environ.get("RAY_ADDRESS") or address if address == "auto" else address
    if known.startswith("ray://"):
        raise ClusterError(
            f"{known} is the address of a Ray client, which is not made for long work; let this machine belong to the "
            "cluster and do no jobs: `ray start --address=HOST:6379 --num-cpus=0 --num-gpus=0`, with run.address=auto"
        )
    if known != "auto":
        _check_listening(known)
    # Ray itself would try twenty times, for 40 seconds each.
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "1")
    try:
        with _signals_kept():
            ray.init(
                address=known,
                runtime_env={"env_vars": environment},
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ClusterError(_why_not(known, str(error))) from error


def _why_not(address: str, error: str) -> str:
    if "ersion mismatch" in error:
        words = " ".join(error.split())
        return f"the cluster at {address} runs another Ray or Python: {words}; install the same on all machines"
    if address == "auto":
        return (
            "no Ray cluster runs on this machine; start one with `ray start --head`, join one with `ray start "
            "--address=HOST:6379`, or name one with run.address"
        )
    return f"no Ray cluster answers at {address}: {error.strip() or 'no reason given'}; `ray status` shows the address"


def _check_listening(address: str) -> None:
    """Raise ClusterError where nothing listens at an address."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"nothing listens at {address} ({error}); is the cluster up? `ray start --head` prints its address"
        ) from None


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep this process's own answer to SIGTERM, in whose place Ray puts one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def nodes() -> list[Node]:
    """The nodes that are up, by name."""
    found = []
    for each in ray.nodes():
        if each["Alive"]:
            has = each["Resources"]
            amounts = (has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0) / 2**30)
            found.append(Node(each["NodeID"], each["NodeManagerHostname"], *amounts))
    return sorted(found, key=lambda node: (node.name, node.id))


def fitting_nodes(needs: Needs) -> list[Node]:
    """The nodes that can do a job with these needs. Raises ClusterError where there is none: Ray would wait for one."""
    found = nodes()
    fitting = [node for node in found if node.slots(needs)]
    if fitting:
        return fitting
    asked = f"{needs.threads} cores" if needs.threads > 1 else "1 core"
    asked += f", {needs.gpus} GPU" if needs.gpus else ""
    asked += f", {needs.memory_gb:g} GB of memory" if needs.memory_gb else ""
    raise ClusterError(
        f"no node of the cluster has what each job needs ({asked}): {', '.join(map(str, found)) or 'no node is up'}; "
        "start nodes that have it, or lower run.job_cores and run.job_memory_gb, or set train.accelerator=cpu"
    )


def _goes_down(node: Node) -> bool:
    """Whether a node is down, or is so within the time that Ray takes to notice it."""
    end = time.monotonic() + _NOTICED_SECONDS
    while node.id in {each.id for each in nodes()}:
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def check_nodes(where: list[Node], expected: Expected, environment: dict[str, str]) -> None:
    """Ask every node for what all must have. Raises ClusterError with all that a node lacks, and the cure."""
    asked = {_asked(node, expected, environment): node for node in where}
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=_LOOK_SECONDS)
    problems = [f"{asked[each].name} has not answered within {_LOOK_SECONDS:.0f} s" for each in late]
    for each in ready:
        try:
            problems += [f"{asked[each].name} {lack}" for lack in ray.get(each)]
        except RayError as error:
            if isinstance(error, NodeDiedError | TaskUnschedulableError) and _goes_down(asked[each]):
                continue  # it does no job either
            problems.append(f"{asked[each].name} cannot start maskfold: {last_line(error)}")
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise ClusterError(
            f"not every node can do the jobs:\n{lines}\nmount the folders of the run and of the data at the same path "
            "on every node, with the same maskfold and packages, or take the node out of the cluster (`ray stop` there)"
        )


def _asked(node: Node, expected: Expected, environment: dict[str, str]) -> Any:
    there = NodeAffinitySchedulingStrategy(node.id, soft=False)
    options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there, "runtime_env": {"env_vars": environment}}
    return ray.remote(look).options(**options).remote(expected)


def last_line(error: Exception) -> str:
    """The last line of an error of Ray's, which ends with what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
