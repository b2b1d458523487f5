"""Reading a config: YAML with `extends:`, `--set` overrides, and every problem named with its key.

Unknown keys, wrong types and impossible values fail at load, all together, and a misspelt key is answered with the
nearest valid one.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from maskfold.config.consistency import blend_problems, folds_problems, pseudo_label_problems
from maskfold.config.data import DataConfig
from maskfold.config.experiment import SHARED_KEYS, Config
from maskfold.errors import ConfigError

# The data formats, from the union of their sections.
_FORMATS = [section.model_fields["format"].default for section in get_args(get_args(DataConfig)[0])]

REPOSITORY = Path(__file__).resolve().parents[3]


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice and reads 1e-3 as a number (YAML 1.1 wants 1.0e-3)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f"key given twice: {', '.join(twice)}{node.start_mark}")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)$|^[-+]?(?:\d+\.\d*|\.\d+)$"),
    list("-+0123456789."),
)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Load a config file, what it extends, and `key=value` overrides on top; of a blend its members too, and
    the run that pseudo-labels come from.

    Raises ConfigError naming the file and every problem found.
    """
    path = Path(path)
    tree = _read_tree(path, seen=())
    for override in overrides:
        _apply_override(tree, override)
    _load_members(tree, path, overrides)
    _load_labeller(tree, path, overrides)
    # JSON mode of pydantic lets a list stand for a tuple while strings and numbers stay strict.
    try:
        config = Config.model_validate_json(json.dumps(tree, default=str))
        problems = [
            *blend_problems(config),
            *pseudo_label_problems(config),
            *folds_problems(config.data, config.folds),
        ]
    except ValidationError as error:
        problems = [_describe(problem) for problem in error.errors()]
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise ConfigError(f"{path}: the config cannot be used:\n{lines}")
    return config


def _load_members(tree: dict[str, Any], path: Path, overrides: Sequence[str]) -> None:
    """Put the members of a blend in place of their files' names; overrides of what they share reach them too."""
    blend = tree.get("blend")
    files = blend.get("members") if isinstance(blend, dict) else None
    if not isinstance(blend, dict) or not isinstance(files, list):
        return
    shared = [line for line in overrides if _is_shared(line.partition("=")[0].strip())]
    members, problems = [], []
    for file in files:
        try:
            members.append(_member(path.resolve().parent / file, shared) if isinstance(file, str) else file)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError(f"{path}: blend.members cannot be used:\n" + "\n".join(problems))
    tree["blend"] = {**blend, "members": members}


def _load_labeller(tree: dict[str, Any], path: Path, overrides: Sequence[str]) -> None:
    """Put the run that pseudo-labels come from in place of its file's name, without where its own came from."""
    section, file = tree.get("pseudo_labels"), _labeller(tree)
    if not isinstance(section, dict) or file is None:
        return
    source = path.resolve().parent / file
    try:
        _refuse_circle(source, (path.resolve(),))
        shared = [line for line in overrides if _is_shared(line.partition("=")[0].strip())]
        run = load_config(source, [*shared, "pseudo_labels=null"]).model_dump(mode="json")
    except ConfigError as error:
        raise ConfigError(f"{path}: pseudo_labels.run cannot be used:\n{error}") from None
    tree["pseudo_labels"] = {**section, "run": run}


def _labeller(tree: dict[str, Any]) -> str | None:
    """The config file that pseudo_labels.run names."""
    section = tree.get("pseudo_labels")
    file = section.get("run") if isinstance(section, dict) else None
    return file if isinstance(file, str) else None


def _refuse_circle(path: Path, seen: tuple[Path, ...]) -> None:
    """Raise ConfigError when runs label for each other in a circle."""
    path = path.resolve()
    if path in seen:
        names = " -> ".join(each.name for each in (*seen, path))
        raise ConfigError(f"{path}: a run would learn from its own predictions: {names}")
    file = _labeller(_read_tree(path, seen=()))
    if file is not None:
        _refuse_circle(path.parent / file, (*seen, path))


def _is_shared(key: str) -> bool:
    return any(key == shared or key.startswith(f"{shared}.") for shared in SHARED_KEYS)


def _member(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """A member of a blend as JSON."""
    if _read_tree(path, seen=()).get("blend") is not None:
        raise ConfigError(f"{path}: is a blend itself; name its members instead")
    return load_config(path, overrides).model_dump(mode="json")


def _read_tree(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path}: extends itself through {' -> '.join(p.name for p in (*seen, path))}")
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise ConfigError(f"{path}: no such config file{hint}")
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(tree).__name__}")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: extends must name one YAML file, found {base!r}")
    return _merge(_read_tree(path.parent / base, (*seen, path)), tree)


def _merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, section by section; a data section of another format replaces the base's whole."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            same_kind = value.get("format", old.get("format")) == old.get("format")
            merged[key] = _merge(old, value) if same_kind else value
        else:
            merged[key] = value
    return merged


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override}: expected key=value, for example --set train.epochs=3")
    try:
        value = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {error}") from None
    node = tree
    for part in parts[:-1]:
        child = node.get(part)
        node[part] = dict(child) if isinstance(child, dict) else {}
        node = node[part]
    node[parts[-1]] = value


def _describe(problem: Any) -> str:  # pydantic's ErrorDetails
    """One line for one pydantic error: the key, what was found and what was expected."""
    location = _without_tags(problem["loc"])
    key = ".".join(location) or "config"
    if problem["type"] == "extra_forbidden":
        valid = _valid_keys(location[:-1], problem["loc"])
        near = difflib.get_close_matches(location[-1], valid, n=1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*location[:-1], near[0]])}?" if near else f"valid keys: {', '.join(valid)}"
        return f"{key}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{key}: required, but not given"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.format: required; one of {', '.join(_FORMATS)}"
    if problem["type"] == "union_tag_invalid":
        found = str(problem["ctx"]["tag"])
        near = difflib.get_close_matches(found, _FORMATS, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{key}.format: found {found!r}, expected one of {', '.join(_FORMATS)}{hint}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]} (found {json.dumps(problem['input'], default=str)})"


def _without_tags(raw_location: tuple[int | str, ...]) -> list[str]:
    """The key an error is about: pydantic puts the name of the data format behind `data`."""
    parts = [str(part) for part in raw_location]
    return [parts[0], *parts[2:]] if parts[:1] == ["data"] and parts[1:2] and parts[1] in _FORMATS else parts


def _valid_keys(location: list[str], raw_location: tuple[int | str, ...]) -> list[str]:
    """Keys valid in the section at `location`."""
    section: Any = Config
    for part in location:
        section = _section_model(section.model_fields[part].annotation, raw_location)
    return sorted(section.model_fields)


def _section_model(annotation: Any, raw_location: tuple[int | str, ...]) -> type[BaseModel]:
    """The pydantic model inside an annotation; of a union of data formats, the one the location names."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [m for m in get_args(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
        tagged = [m for m in members if "format" in m.model_fields and m.model_fields["format"].default in raw_location]
        return (tagged or members)[0]
    return annotation


def run_config(name: str) -> Path:
    """The config file of a run that is called by its name."""
    return REPOSITORY / "configs" / f"{name.removesuffix('.yaml')}.yaml"
