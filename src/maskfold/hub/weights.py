"""Weights as safetensors, and back: the same tensors bit for bit, from a file that can hold no code."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from maskfold.artefacts.paths import display
from maskfold.errors import UsageError


def write_safetensors(source: Path, target: Path) -> int:
    """Write a model.pt as safetensors and read it back; returns the number of networks.

    Of several networks (`train.select: ensemble`) the names of tensors begin with their number. Raises UsageError for
    tensors that the file does not give back as they are.
    """
    stored = torch.load(source, map_location="cpu", weights_only=True)
    states = stored if isinstance(stored, list) else [stored]
    several = len(states) > 1
    tensors = {
        f"{number}.{name}" if several else name: value.detach().clone(memory_format=torch.contiguous_format)
        for number, state in enumerate(states)
        for name, value in state.items()
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, target, metadata={"format": "pt"})
    for state, again in zip(states, read_safetensors(target, len(states)), strict=True):
        changed = [name for name in {*state, *again} if not _same(state.get(name), again.get(name))]
        if changed:
            raise UsageError(f"{display(source)}: safetensors does not keep {', '.join(sorted(changed)[:3])}")
    return len(states)


def read_safetensors(path: Path, networks: int) -> list[dict[str, Tensor]]:
    """The state dict of each network in a file of `write_safetensors`."""
    tensors = load_file(path)
    if networks == 1:
        return [tensors]
    states: list[dict[str, Tensor]] = [{} for _ in range(networks)]
    for name, value in tensors.items():
        number, _, own = name.partition(".")
        states[int(number)][own] = value
    return states


def restore(source: Path, target: Path, networks: int) -> None:
    """Write the model.pt that a file of `write_safetensors` was made from."""
    states = read_safetensors(source, networks)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:  # of ours: torch's own would not say that the disk is full
        torch.save(states if networks > 1 else states[0], file)


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype and torch.equal(one, other)
