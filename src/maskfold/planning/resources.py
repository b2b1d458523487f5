"""Whether memory and disk are large enough for a plan."""

from __future__ import annotations

from maskfold.errors import UsageError
from maskfold.planning.clock import Work
from maskfold.planning.constants import MODEL_FILES, OOF_BYTES
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.input_sizes import InputSize
from maskfold.planning.machine import Machine
from maskfold.planning.speed import Speed


def check_resources(
    facts: Fingerprint, speed: Speed, size: InputSize, machine: Machine, batch: int, work: Work
) -> None:
    """Raise UsageError where a step of training does not fit the memory, or the run's files do not fit the disk."""
    step = batch * speed.step_bytes * size.px / speed.px + 4 * speed.network_bytes
    memory = machine.gpu_ram if machine.gpus else machine.ram
    if step > memory:
        raise UsageError(
            f"a step of training takes {_gb(step)} of memory, but {_gb(memory)} are free; close other programs, or "
            "choose a smaller network or size: --set model.encoder=… or --set model.resize={longest_side: …}"
        )
    height, width = facts.median_size
    oof = work.held_out * height * width * len(facts.classes) * OOF_BYTES
    needed = oof + (work.folds + 1) * MODEL_FILES * speed.network_bytes
    if needed > machine.disk:
        raise UsageError(
            f"the run writes about {_gb(needed)}, but {_gb(machine.disk)} of the disk are free; free some space or "
            "write elsewhere: --set output_root=/path"
        )


def _gb(size: float) -> str:
    return f"{size / 2**30:.1f} GB"
