"""A config as it is written: YAML files with `extends:`, and `--set` overrides."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import yaml

from maskfold.config.places import extended_file
from maskfold.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a duplicate key and reads 1e-3 as a number (YAML 1.1 wants 1.0e-3)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, or ConfigError with its duplicate keys."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise ConfigError(f"duplicate key: {', '.join(twice)}{node.start_mark}")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)$|^[-+]?(?:\d+\.\d*|\.\d+)$"),
    list("-+0123456789."),
)


_MOST_VALUES, _DEEPEST = 100_000, 50


def _loaded(text: str) -> Any:
    """The value of a YAML text. Raises ValueError, saying why, for no YAML, and for too many or too deep values."""
    try:
        value = yaml.load(text, Loader=_Loader)  # a SafeLoader
        count = _values(value, {}, 0)
    except ConfigError:
        raise
    except RecursionError:
        raise ValueError(f"values lie in each other more than {_DEEPEST} deep") from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise ValueError(str(error)) from None
    if count > _MOST_VALUES:
        raise ValueError(f"with its aliases (*name) it has {count:,} values; at most {_MOST_VALUES:,} are read")
    return value


def _values(value: Any, known: dict[int, int], depth: int) -> int:
    """How many values there would be without aliases, each of which is one object here; known: id -> its count."""
    if depth > _DEEPEST or known.get(id(value)) == 0:
        raise RecursionError
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if id(value) not in known:
        known[id(value)] = 0  # until it is counted: what holds itself is found by that
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_values(each, known, depth + 1) for each in inner)
    return known[id(value)]


def read_tree(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The keys and values of a config file over those of what it extends.

    seen: files that led here by `extends`. Raises ConfigError naming the file.
    """
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path}: extends itself: {' -> '.join(p.name for p in (*seen, path))}")
    if not path.is_file():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise ConfigError(f"{path}: no such config file{hint}")
    try:
        tree = _loaded(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(tree).__name__}")
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise ConfigError(f"{path}: extends must be the name of one YAML file, found {base!r}")
    return _merge(read_tree(extended_file(path, base), (*seen, path)), tree)


def _merge(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, section by section; a data section of another format replaces the whole section."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            same_kind = value.get("format", old.get("format")) == old.get("format")
            merged[key] = _merge(old, value) if same_kind else value
        else:
            merged[key] = value
    return merged


def apply_override(tree: dict[str, Any], override: str) -> None:
    """Set `section.key=value` in the tree. Raises ConfigError unless it has this form and the value is YAML."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {override}: expected key=value, for example --set train.epochs=3")
    try:
        value = _loaded(text)
    except ValueError as error:
        raise ConfigError(f"--set {override}: the value is not YAML: {error}") from None
    node = tree
    for part in parts[:-1]:
        child = node.get(part)
        node[part] = dict(child) if isinstance(child, dict) else {}
        node = node[part]
    node[parts[-1]] = value
