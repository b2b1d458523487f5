"""What the sections of a config, and the configs it refers to, must have in common."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

from maskfold.config.data import AutoData, DataConfig
from maskfold.config.experiment import Blend, Config, Experiment
from maskfold.config.folds import FoldsConfig

_MEMBERS_MAY_DIFFER = ("data.check",)
_RUNS_MAY_DIFFER = ("data.check", "data.exclude", "data.exclude_from", "data.sample_submission")
_VALIDATION_KEYS = {  # format -> the keys that name the competition's own validation images
    "mask_folders": ("valid_images", "valid_masks"),
    "coco": ("valid_images", "valid_json"),
    "paths_csv": ("valid_csv",),
}


def config_problems(config: Config) -> list[str]:
    """Every contradiction between sections of a config, and with the configs it refers to; one line each."""
    problems = _folds_problems(config.data, config.folds) + _label_map_problems(config)
    if isinstance(config, Blend):
        problems += _blend_problems(config)
    if isinstance(config, Experiment):
        problems += _pseudo_label_problems(config)
        if config.model.neighbours is not None and config.data.volumes is None:
            problems.append(
                "model.neighbours needs to know which images follow each other; set data.volumes: "
                "{name: '(?P<volume>.+)_(?P<index>\\d+)'}, a pattern of their file names"
            )
    return problems


def _label_map_problems(config: Config) -> list[str]:
    """Why label maps cannot be submitted: several classes may overlap."""
    data = config.data
    if config.submission.layout != "label_map" or data.exclusive or len(data.class_names) < 2:
        return []
    return [
        f"submission.layout: label_map has room for one class a pixel, but the {len(data.class_names)} classes may "
        "overlap; set data.exclusive: true, or layout: mask_folder"
    ]


def _blend_problems(config: Blend) -> list[str]:
    """Why the members of a blend cannot be combined."""
    names = [member.name for member in config.blend.members]
    problems = [f"blend.members: {name} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
    for member in config.blend.members:
        where = f"blend.members: {member.name}"
        if member.name == config.name:
            problems.append(f"{where}: has the name of the blend, so their files would overwrite each other")
        for section in ("output_root", "data", "folds"):
            lines = _differences(config, member, section, "the blend", _MEMBERS_MAY_DIFFER)
            problems += [f"{where}: {line}" for line in lines]
    return problems


def _pseudo_label_problems(config: Experiment) -> list[str]:
    """Why a run cannot use the predictions of another as labels; empty without pseudo-labels."""
    if config.pseudo_labels is None:
        return []
    source = config.pseudo_labels.run
    where = f"pseudo_labels.run: {source.name}"
    problems = []
    if source.name == config.name:
        problems.append(f"{where}: has the name of this run; a run cannot learn from its own predictions")
    for section in ("data", "folds"):
        lines = _differences(config, source, section, "this config", _RUNS_MAY_DIFFER)
        problems += [f"{where}: {line}" for line in lines]
    return problems


def _folds_problems(data: DataConfig, folds: FoldsConfig) -> list[str]:
    """Why the training images cannot be split as asked: validation images are wanted, but none are given."""
    if folds.kind != "valid_folder" or isinstance(data, AutoData):
        return []
    keys = _VALIDATION_KEYS.get(data.format, ())
    if any(getattr(data, key) for key in keys):
        return []
    needed = " and ".join(f"data.{key}" for key in keys)
    fix = f"set {needed}, or" if keys else f"format {data.format} cannot have any;"
    return [f"folds.kind: valid_folder needs validation images, but the data has none; {fix} use folds.kind: hold_out"]


def _differences(config: Config, other: Config, section: str, name: str, may_differ: Collection[str]) -> list[str]:
    """`data.root: 'a', but the blend has 'b'` for every value of a section that differs.

    name: what `config` is called. may_differ: keys that are not compared.
    """
    ours, theirs = (_leaves(getattr(each, section), section) for each in (config, other))
    formats = [leaves.get(f"{section}.format") for leaves in (ours, theirs)]
    keys = [f"{section}.format"] if formats[0] != formats[1] else sorted({*ours, *theirs} - {*may_differ})
    return [
        f"{key}: {theirs.get(key)!r}, but {name} has {ours.get(key)!r}"
        for key in keys
        if ours.get(key) != theirs.get(key)
    ]


def _leaves(value: Any, key: str) -> dict[str, Any]:
    """`data.root` -> value for everything in a section, or the value itself if it is not a section."""
    if not isinstance(value, BaseModel):
        return {key: value}
    return {name: leaf for part, child in value for name, leaf in _leaves(child, f"{key}.{part}").items()}
