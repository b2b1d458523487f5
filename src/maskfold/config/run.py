"""How a run uses the machine, or a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from maskfold.config.section import Section


class RunConfig(Section):
    """How a run uses the machine, or a cluster. A number of threads decides the last bits of weights, as another
    machine does; nothing here makes an artefact stale."""

    engine: Literal["local", "ray"] = "local"
    """Where models are trained, and OOF files and shards of test images predicted: in processes of this machine, or on
    a Ray cluster (docs/how-to/use-a-cluster.md). The other stages run here."""

    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=512)] = 1
    """With `engine: local`: models that are trained side by side, each in a process of its own with its share of the
    cores, or with a GPU of its own; OOF files and shards of test images are predicted so too. `1`: one after the other,
    each with all cores. `auto`: one for each GPU; on a CPU a few steps are measured, and the faster of the two is
    chosen and kept. On a cluster Ray decides."""

    cores: int | None = Field(None, ge=1)
    """Cores to use at most on this machine. null: all that this process may use, by its affinity and its container's
    quota."""

    address: str = Field("auto", pattern=r"^(auto|(ray://)?(\[[0-9a-fA-F:.]+\]|[^\s:/]+):\d{1,5})$")
    """The Ray cluster, to which this machine must belong: `auto`, the one of the variable RAY_ADDRESS or the one that
    runs here; or `host:port`, as `ray start` prints it."""

    job_cores: int = Field(1, ge=1)
    """Cores, and threads, of each job on a cluster. A job asks for a GPU too if a node has one, unless
    `train.accelerator` is `cpu`."""

    job_memory_gb: float | None = Field(None, gt=0)
    """Memory that each job on a cluster asks for: no node gets more jobs than it has room for. null: not counted."""
