"""A config under construction: values with their reasons, where what the user set always stays."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from maskfold.config import Experiment
from maskfold.config.messages import problem_line
from maskfold.config.yaml_tree import apply_override
from maskfold.errors import ConfigError

GIVEN = "set with --set"
KEPT = "kept from"  # followed by the config's path
_SOME_DATA = {"format": "auto", "root": "."}


@dataclass(frozen=True)
class Choice:
    """One value of a config. key: dotted, such as train.epochs; value: as YAML writes it; reason: in words."""

    key: str
    value: Any
    reason: str


class Draft:
    """The choices so far, in order."""

    def __init__(
        self, overrides: Sequence[str] = (), kept: Mapping[str, Any] | None = None, origin: str | None = None
    ) -> None:
        """overrides, kept: `key=value` and the tree of a config, both of the user, which no choice changes; an override
        goes before the config. origin: where `kept` is from, in words. Raises ConfigError for a malformed override."""
        self.given: dict[str, Any] = copy.deepcopy(dict(kept or {}))
        now: dict[str, Any] = {}
        for override in overrides:
            apply_override(self.given, override)
            apply_override(now, override)
        self.choices: list[Choice] = []
        self._add_given(self.given, "", now, origin or GIVEN)

    def choose(self, key: str, value: Any, reason: str) -> Any:
        """Add a choice unless the user set the key, a section that holds it, or a key in it; the value in force."""
        if self.is_given(key):
            return self.value(key)
        self.choices = [choice for choice in self.choices if choice.key != key]
        self.choices.append(Choice(key, _plain(value), reason))
        return value

    def value(self, key: str, default: Any = None) -> Any:
        """The value in force of a key, or of the keys in it as a mapping."""
        node: Any = self.tree()
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                return default
            node = node[part]
        return node

    def tree(self) -> dict[str, Any]:
        """All choices as the nested mapping of a config file."""
        tree: dict[str, Any] = {}
        for choice in self.choices:
            node = tree
            *sections, last = choice.key.split(".")
            for section in sections:
                node = node.setdefault(section, {})
            node[last] = copy.deepcopy(choice.value)
        return tree

    def reasons(self) -> dict[str, str]:
        """Key -> reason."""
        return {choice.key: choice.reason for choice in self.choices}

    def config(self, **more: Any) -> Experiment:
        """The config of all choices. more: top-level keys instead of those of the choices.

        Raises ConfigError with every value that does not fit, which a user has set.
        """
        try:
            return Experiment.model_validate_json(json.dumps(self.tree() | more))
        except ValidationError as error:
            raise ConfigError(_refusal(error.errors())) from None

    def is_given(self, key: str) -> bool:
        """Whether the user set the key, or a section that holds it."""
        node: Any = self.given
        for part in key.split("."):
            if not isinstance(node, dict):
                return True  # a whole section was set to a value, such as null
            if part not in node:
                return False
            node = node[part]
        return True

    def check_given(self) -> None:
        """Raise ConfigError for unknown keys and values of wrong types among those of the user."""
        try:
            Experiment.model_validate_json(json.dumps({"name": "plan"} | self.given | {"data": _SOME_DATA}))
        except ValidationError as error:
            # Whether values fit each other shows only once all are chosen.
            wrong = [problem for problem in error.errors() if problem["type"] != "value_error"]
            if wrong:
                raise ConfigError(_refusal(wrong)) from None

    def _add_given(self, tree: dict[str, Any], prefix: str, now: dict[str, Any], origin: str) -> None:
        """Add what the user gave. now: what of it the overrides set."""
        for name, value in tree.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict) and key.count(".") < 1 and value:
                self._add_given(value, f"{key}.", dict(now.get(name) or {}), origin)
            else:
                self.choices.append(Choice(key, value, GIVEN if name in now else origin))


def _refusal(problems: Sequence[Any]) -> str:
    lines = "\n".join(f"  {problem_line(problem)}" for problem in problems)
    return f"a value of --set cannot be used:\n{lines}"


def _plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
