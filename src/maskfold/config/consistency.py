"""What the sections of a config, and the configs it refers to, must have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from maskfold.config.data import AutoData, DataConfig
from maskfold.config.folds import FoldsConfig

if TYPE_CHECKING:
    from maskfold.config.experiment import Config


_MAY_DIFFER = ("data.check", "data.exclude", "data.exclude_from", "data.sample_submission")


def pseudo_label_problems(config: Config) -> list[str]:
    """What keeps a run from labelling the test images of another, one line each."""
    if config.pseudo_labels is None or config.blend is not None:  # a blend trains nothing
        return []
    source = config.pseudo_labels.run
    where = f"pseudo_labels.run: {source.name}"
    problems = []
    if source.name == config.name:
        problems.append(f"{where}: bears the name of this run itself; a run cannot learn from its own predictions")
    if source.blend is not None:
        problems.append(f"{where}: is a blend, which has no model a fold; name one of its members")
    for section in ("data", "folds"):
        lines = differences(config, source, section, "this config", _MAY_DIFFER)
        problems += [f"{where}: {line}" for line in lines]
    return problems


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


def folds_problems(data: DataConfig, folds: FoldsConfig) -> list[str]:
    """What keeps the folds from being cut of such data, one line each."""
    given = any(getattr(data, key, None) for key in ("valid_images", "valid_json", "valid_csv"))
    if folds.kind != "valid_folder" or given or isinstance(data, AutoData):
        return []
    need = {
        "mask_folders": "data.valid_images and data.valid_masks",
        "coco": "data.valid_images and data.valid_json",
        "paths_csv": "data.valid_csv",
    }.get(data.format)
    cure = f"set {need}, or take" if need else f"the format {data.format} knows none; take"
    return [f"folds.kind: valid_folder, but the data names no validation images; {cure} folds.kind: hold_out"]
