"""Several experiments that answer together, and what they must share."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from maskfold.config.section import Section

if TYPE_CHECKING:
    from maskfold.config.experiment import Config

Combine = Literal["mean", "geometric", "vote"]

# Where the members' files lie and on what they run; such an override given to a blend reaches its members too.
SHARED_KEYS = ("output_root", "data", "demo", "folds", "train.accelerator", "train.workers")


class BlendConfig(Section):
    """A blend of experiments. Its own `model`, `train` and `inference` sections play no part, but for shard_images."""

    members: tuple[Config, ...] = Field(min_length=2)  # written as config files, relative to the blend's own
    combine: Combine = "mean"  # of probabilities; vote: the share of the members that say 0.5 or more
    weights: Literal["equal", "greedy", "optuna"] = "equal"  # others stay equal unless their honest score is better
    trials: int = Field(20, ge=1, le=1000)  # greedy: members picked, with replacement; optuna: weights tried
    sample_px: int = Field(2**27, ge=1)  # of the OOF images that weights are chosen on, all classes; in memory


def blend_problems(config: Config) -> list[str]:
    """What keeps the members of a blend from answering together, one line each; empty without a blend."""
    if config.blend is None:
        return []
    names = [member.name for member in config.blend.members]
    problems = [f"blend.members: {name} is named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for member in config.blend.members:
        where = f"blend.members: {member.name}"
        if member.name == config.name:
            problems.append(f"{where}: bears the name of the blend itself, whose files would replace its own")
        if member.blend is not None:
            problems.append(f"{where}: is a blend itself; name its members instead")
        for section in ("output_root", "data", "folds"):
            problems += [f"{where}: {line}" for line in differences(config, member, section, "the blend")]
    return problems


def differences(
    config: Config, other: Config, section: str, name: str, may_differ: Collection[str] = ("data.check",)
) -> list[str]:
    """`data.root: 'a', but the blend says 'b'` for every value of a section that differs; name: what `config` is."""
    ours, theirs = (_leaves(getattr(each, section), section) for each in (config, other))
    formats = [leaves.get(f"{section}.format") for leaves in (ours, theirs)]
    keys = [f"{section}.format"] if formats[0] != formats[1] else sorted({*ours, *theirs} - {*may_differ})
    return [
        f"{key}: {theirs.get(key)!r}, but {name} says {ours.get(key)!r}"
        for key in keys
        if ours.get(key) != theirs.get(key)
    ]


def _leaves(value: Any, key: str) -> dict[str, Any]:
    """`data.root` -> value for everything in a section, or the section itself where it is a plain value."""
    if not isinstance(value, BaseModel):
        return {key: value}
    return {name: leaf for part, child in value for name, leaf in _leaves(child, f"{key}.{part}").items()}
