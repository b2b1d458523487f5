"""Functions and classes of the user, `package.module:name` in a config: imported, and hashed as part of provenance."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from maskfold.config import REPOSITORY, Experiment
from maskfold.errors import ConfigError

METRIC_KEY = "tuning.metric"


def is_own(name: object) -> bool:
    """Whether a name in a config is that of own code, `package.module:name`."""
    return isinstance(name, str) and ":" in name


def imported(name: str, key: str) -> Any:
    """The function or class of a name `package.module:name`; the module is installed, or lies in the repository.

    key: of the config, for messages. Raises ConfigError when it cannot be imported or called.
    """
    module, _, attribute = name.partition(":")
    try:
        _search_repository()
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # an import runs whatever the module holds
        raise ConfigError(
            f"{key}: {name} cannot be imported ({type(error).__name__}: {error}); expected package.module:name, of an "
            f"installed package or of a file below {REPOSITORY}"
        ) from error
    if not callable(found):
        raise ConfigError(f"{key}: {name} is {type(found).__name__}, expected a function or a class")
    return found


def own_code(config: Experiment) -> dict[str, str]:
    """Name -> key of the config, of all own code that a training of this config uses."""
    found = {config.model.architecture: "model.architecture"} if is_own(config.model.architecture) else {}
    if is_own(config.tuning.metric):
        found.setdefault(config.tuning.metric, METRIC_KEY)
    for number, phase in enumerate(config.train.phases()):
        key = f"train.then[{number - 1}]" if number else "train"
        if phase.loss.custom is not None:
            found.setdefault(phase.loss.custom, f"{key}.loss.custom")
        for name in _names(phase.augmentation):
            found.setdefault(name, f"{key}.augmentation")
    return found


def metric_code(metric: str) -> dict[str, str]:
    """The hash of a metric of the user's own, as an input of what is made with it; {} for the others."""
    return {f"code of {metric}": source_hash(metric, METRIC_KEY)} if is_own(metric) else {}


def _names(entries: Any) -> list[str]:
    """The names of own code among the keys of a list of transforms, in groups or not."""
    if isinstance(entries, dict):
        own = [name for name in entries if is_own(name)]
        return own + [name for value in entries.values() for name in _names(value)]
    return [name for entry in entries for name in _names(entry)] if isinstance(entries, list | tuple) else []


@cache
def source_hash(name: str, key: str) -> str:
    """SHA-256 of the Python sources behind a name: of the whole package, or of a module outside any package."""
    digest = hashlib.sha256()
    for relative, path in sorted(source_files(name, key).items()):
        digest.update(f"{relative}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def source_files(name: str, key: str) -> dict[str, Path]:
    """The Python sources behind a name: path relative to the folder that is searched -> file."""
    imported(name, key)
    top = name.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(top)
    assert spec is not None, name
    if spec.submodule_search_locations is not None:
        folders = [Path(folder) for folder in spec.submodule_search_locations]
        return {path.relative_to(each.parent).as_posix(): path for each in folders for path in each.rglob("*.py")}
    return {Path(spec.origin).name: Path(spec.origin)} if spec.origin and Path(spec.origin).is_file() else {}


def _search_repository() -> None:
    """Let modules be found in the repository, after all installed ones."""
    if str(REPOSITORY) not in sys.path:
        sys.path.append(str(REPOSITORY))
