"""From the checkpoints of a finished training to the weights that are used for predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from maskfold.training.checkpoint_files import LAST, kept_names, read_checkpoint

Select = Literal["best", "last", "top", "ensemble"]

_PREFIX = "model."


def chosen_weights(folder: Path, select: Select) -> dict[str, Tensor] | list[dict[str, Tensor]]:
    """The network's state dict (EMA weights if EMA is on): the best checkpoint, the last, or the mean of the top ones.

    For `ensemble` a list of the top ones, best first, of which `network.model.load_model` makes one network.
    folder: of one fold, with last.ckpt and the best-*.ckpt that are still kept. Raises ValueError when one is damaged.
    """
    last = read_checkpoint(folder / LAST)
    if select == "last":
        return _network(last)
    ranked = kept_names(last)[: 1 if select == "best" else None]
    states = [_network(read_checkpoint(folder / name)) for name in ranked]
    return states if select == "ensemble" else mean_weights(states)


def _network(checkpoint: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    """The network's weights of a lightning checkpoint."""
    state = checkpoint["state_dict"]
    return {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}


def mean_weights(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of several state dicts of one network; counters (integers) come from the first.

    After Izmailov et al. 2018 (stochastic weight averaging); batch norm statistics are averaged like weights.
    """
    mean = dict(states[0])
    for name, value in mean.items():
        if value.is_floating_point():
            mean[name] = torch.stack([state[name].double() for state in states]).mean(dim=0).to(value.dtype)
    return mean
