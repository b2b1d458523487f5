"""A Ray cluster of several nodes on this machine, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.cluster_utils import Cluster

# A dead node is noticed after 5 seconds, not 30; workers are not at the lowest priority, beside other tests.
_SETTINGS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 5,
    "worker_niceness": 0,
}
# What nodes inherit that were started in a SLURM job of two: no job may take itself for the second process of two.
_SLURM = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_PROCID": "1"}


@contextmanager
def ray_cluster(nodes: int, cores: int = 1) -> Iterator[Cluster]:
    """A cluster of so many nodes with so many cores each; its processes end with the block."""
    head = {"include_dashboard": False, "_system_config": _SETTINGS}
    node = {"num_cpus": cores, "env_vars": _SLURM}
    cluster = Cluster(initialize_head=True, head_node_args=head | node)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
