"""Loading a config: YAML with `extends:`, `--set` overrides, and every problem with its key in one error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maskfold.config.consistency import config_problems
from maskfold.config.experiment import SHARED_KEYS, TRAINING, Blend, Config, Experiment, parse_config
from maskfold.config.messages import problem_line
from maskfold.config.yaml_tree import apply_override, read_tree
from maskfold.errors import ConfigError


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Load a config file, what it extends, the configs it refers to, and overrides on top.

    path: a YAML file. overrides: `section.key=value`, the value in YAML; some also apply to the members of a blend and
    to the run that pseudo-labels come from (SHARED_KEYS).
    Raises ConfigError with the file and every problem: unknown keys (with the nearest valid one), wrong types,
    impossible values, contradictions.
    """
    path = Path(path)
    tree = read_tree(path)
    for override in overrides if tree.get("blend") is None else _of_blend(overrides, path):
        apply_override(tree, override)
    _load_members(tree, path, overrides)
    _load_pseudo_label_run(tree, path, overrides)
    try:
        config = parse_config(json.dumps(tree, default=str))
        problems = config_problems(config)
    except ValidationError as error:
        problems = [problem_line(problem) for problem in error.errors()]
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise ConfigError(f"{path}: the config cannot be used:\n{lines}")
    return config


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Like `load_config`, for what a blend cannot do. Raises ConfigError for a blend, naming its members."""
    config = load_config(path, overrides)
    if isinstance(config, Blend):
        names = ", ".join(f"configs/{member.name}.yaml" for member in config.experiments)
        raise ConfigError(f"{path}: is a blend; this needs an experiment that is trained, such as its members: {names}")
    return config


def _load_members(tree: dict[str, Any], path: Path, overrides: Sequence[str]) -> None:
    """Replace the file names of a blend's members by their contents, with the overrides of what members share."""
    blend = tree.get("blend")
    files = blend.get("members") if isinstance(blend, dict) else None
    if not isinstance(blend, dict) or not isinstance(files, list):
        return
    shared = _shared(overrides)
    members, problems = [], []
    for file in files:
        try:
            members.append(_member(path.resolve().parent / file, shared) if isinstance(file, str) else file)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(f"{path}: blend.members cannot be used:\n" + "\n".join(problems))
    tree["blend"] = {**blend, "members": members}


def _load_pseudo_label_run(tree: dict[str, Any], path: Path, overrides: Sequence[str]) -> None:
    """Replace the file name of the run that pseudo-labels come from by its contents, without its own pseudo-labels."""
    section, file = tree.get("pseudo_labels"), _pseudo_label_file(tree)
    if not isinstance(section, dict) or file is None:
        return
    source = path.resolve().parent / file
    try:
        _refuse_circle(source, (path.resolve(),))
        run = load_config(source, [*_shared(overrides), "pseudo_labels=null"]).model_dump(mode="json")
    except ConfigError as error:
        raise ConfigError(f"{path}: pseudo_labels.run cannot be used:\n{error}") from None
    tree["pseudo_labels"] = {**section, "run": run}


def _pseudo_label_file(tree: dict[str, Any]) -> str | None:
    """The config file in pseudo_labels.run, if it is one."""
    section = tree.get("pseudo_labels")
    file = section.get("run") if isinstance(section, dict) else None
    return file if isinstance(file, str) else None


def _refuse_circle(path: Path, seen: tuple[Path, ...]) -> None:
    """Raise ConfigError if runs use each other's predictions as labels."""
    path = path.resolve()
    if path in seen:
        names = " -> ".join(each.name for each in (*seen, path))
        raise ConfigError(f"{path}: a run would learn from its own predictions: {names}")
    file = _pseudo_label_file(read_tree(path))
    if file is not None:
        _refuse_circle(path.parent / file, (*seen, path))


def _shared(overrides: Sequence[str]) -> list[str]:
    """The overrides that also apply to the configs a config refers to."""
    keys = [(line, line.partition("=")[0].strip()) for line in overrides]
    return [line for line, key in keys if any(key == each or key.startswith(f"{each}.") for each in SHARED_KEYS)]


def _of_blend(overrides: Sequence[str], path: Path) -> list[str]:
    """The overrides of a blend itself; of training, only those that its members share are accepted."""
    training = [line for line in overrides if line.partition("=")[0].strip().split(".")[0] in TRAINING]
    own = [line for line in training if line not in _shared(overrides)]
    if own:
        raise ConfigError(f"{path}: a blend trains nothing; set {', '.join(own)} for its members and train them again")
    return [line for line in overrides if line not in training]


def _member(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """A member of a blend as JSON."""
    if read_tree(path).get("blend") is not None:
        raise ConfigError(f"{path}: is a blend itself; list its members instead")
    return load_config(path, overrides).model_dump(mode="json")
