"""How a run uses the machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from maskfold.config.section import Section


class RunConfig(Section):
    """How a run uses the machine. A number of threads decides the last bits of weights, as another machine does;
    nothing here makes an artefact stale."""

    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=512)] = 1
    """Models that are trained side by side, each in a process of its own with its share of the cores, or with a GPU of
    its own; OOF files and shards of test images are predicted so too. `1`: one after the other, each with all cores.
    `auto`: one for each GPU; on a CPU a few steps are measured, and the faster of the two is chosen and kept."""

    cores: int | None = Field(None, ge=1)
    """Cores to use at most. null: all that this process may use, by its affinity and its container's quota."""
