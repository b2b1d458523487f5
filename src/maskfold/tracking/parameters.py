"""A config as the parameters of a tracker: one name, one value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from maskfold.config import Blend, Config


def parameters(config: Config) -> dict[str, str | int | float | bool]:
    """`train.epochs` -> 20, for every key; lists are JSON, null is the text `null`, a blend's members are names."""
    tree = config.model_dump(mode="json", exclude={"track": True})
    if isinstance(config, Blend):
        tree["blend"]["members"] = [member.name for member in config.experiments]
    return dict(_leaves(tree, ""))


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str | int | float | bool]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            plain = isinstance(value, str | int | float)
            yield f"{prefix}{key}", value if plain else json.dumps(value, ensure_ascii=False)
