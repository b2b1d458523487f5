"""What an artefact was made from, and whether it is still fresh.

Next to every artefact is `<artefact>.made.json`: the config values, the hashes of the input files and the version of
the code that made it. A stage skips an artefact whose record equals what it would be made from now, and says what
changed otherwise. Records and artefacts are written to a temporary name and renamed when whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskfold import __version__
from maskfold.artefacts.files import whole_file


@dataclass(frozen=True)
class Provenance:
    """Everything an artefact depends on.

    settings: JSON-able config values; inputs: label -> hash; code: `code_version` of the module that makes it.
    """

    stage: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    code: str = ""

    def as_json(self) -> dict[str, Any]:
        """The record as it is written next to the artefact."""
        return {
            "stage": self.stage,
            "maskfold": __version__,
            "settings": json.loads(json.dumps(self.settings)),
            "inputs": dict(self.inputs),
            "code": self.code,
        }

    def write(self, artefact: Path) -> None:
        """Record that `artefact` was made from this; call after the artefact itself is complete."""
        with whole_file(record_path(artefact)) as temporary:
            temporary.write_text(json.dumps(self.as_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def staleness(self, artefact: Path, accept_code_changes: bool = False) -> list[str]:
        """Why `artefact` must be computed, in words; empty when it is up to date."""
        if not artefact.exists():
            return [f"{artefact.name} does not exist yet"]
        try:
            record = json.loads(record_path(artefact).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return [f"{artefact.name} has no readable record of what it was made from"]
        now = self.as_json()
        reasons = _differences(record.get("settings", {}), now["settings"], "")
        reasons += [f"{label} changed" for label in _changed(record.get("inputs", {}), now["inputs"])]
        if record.get("code") != self.code and not accept_code_changes:
            reasons.append(f"the code of {self.stage} changed")
        return reasons


def record_path(artefact: Path) -> Path:
    """The path of an artefact's record."""
    return artefact.with_name(artefact.name + ".made.json")


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return [label for label in sorted({*old, *new}) if old.get(label) != new.get(label)]


def _differences(old: Any, new: Any, key: str) -> list[str]:
    """`train.epochs: 3 -> 5` for every leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for part in sorted({*old, *new})
            for line in _differences(old.get(part), new.get(part), f"{key}.{part}" if key else part)
        ]
    return [] if old == new else [f"{key}: {json.dumps(old)} -> {json.dumps(new)}"]
