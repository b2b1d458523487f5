"""What an artefact was made from, and whether it is still fresh.

Next to every artefact is `<artefact>.made.json`: the config values, the hashes of the input files, the version of the
code that made it, and the hash, size and times of the artefact itself. A stage skips an artefact whose record equals
what it would be made from now, and says what changed otherwise. Records and artefacts are written to a temporary name
and renamed when whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from maskfold import __version__
from maskfold.artefacts.files import file_hash, whole_file
from maskfold.artefacts.paths import display
from maskfold.artefacts.stamps import Stamp
from maskfold.errors import StaleError

_SUFFIX = ".made.json"


@dataclass(frozen=True)
class Provenance:
    """Everything an artefact depends on.

    settings: JSON-able config values; inputs: label -> hash; code: `code_version` of the module that makes it; part:
    which of several alike it is, such as fold0; run: whose, for readers only: a copied run stays fresh.
    """

    stage: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    part: str = ""
    run: str = ""

    def as_json(self) -> dict[str, Any]:
        """The record as it is written next to the artefact, without what is said of the artefact itself."""
        role = {"part": self.part, "run": self.run} if self.part else {}
        return role | {
            "stage": self.stage,
            "maskfold": __version__,
            "settings": json.loads(json.dumps(self.settings)),
            "inputs": dict(self.inputs),
            "code": self.code,
        }

    def write(self, artefact: Path, also: Sequence[Path] = ()) -> None:
        """Record that `artefact` was made from this; call after the artefact itself is complete.

        also: further files in its folder that were written with it, and make it stale when they change.
        """
        stamps = {path.name: Stamp.of(path).model_dump() for path in (artefact, *also)}
        _write_record(artefact, self.as_json() | {"files": stamps})

    def staleness(self, artefact: Path, accept_code_changes: bool = False) -> list[str]:
        """Why `artefact` must be computed, in words; empty when it is up to date."""
        if not artefact.exists():
            return [f"{artefact.name} does not exist yet"]
        record = _read_record(artefact)
        if record is None:
            return [f"{artefact.name} has no readable record of what it was made from"]
        now = self.as_json()
        reasons = _differences(record["settings"], now["settings"], "")
        reasons += [f"{label} changed" for label in _changed(record["inputs"], now["inputs"])]
        if record.get("code") != self.code and not accept_code_changes:
            reasons.append(f"the code of {self.stage} changed")
        reasons += _other_part(artefact, record, self.part)
        return reasons or _damage(artefact, record)


def record_path(artefact: Path) -> Path:
    """The path of an artefact's record."""
    return artefact.with_name(artefact.name + _SUFFIX)


def forget(artefact: Path) -> None:
    """Remove the record of an artefact, before anything that it covers is replaced."""
    record_path(artefact).unlink(missing_ok=True)


def damage(artefact: Path) -> list[str]:
    """Why an artefact is not what its record says was written; empty where it is, or where no record says."""
    record = _read_record(artefact)
    return [] if record is None else _damage(artefact, record)


def unvouched(artefact: Path) -> list[str]:
    """Why no record vouches for an artefact: there is none, it is damaged, or the artefact is not what it says."""
    record = _read_record(artefact)
    return ["it has no readable record of what it was made from"] if record is None else _damage(artefact, record)


def changed_inputs(artefact: Path, inputs: Mapping[str, str]) -> list[str]:
    """`labels changed` for each of these inputs (label -> hash) that is not the one an artefact was made from."""
    old = recorded_inputs(artefact)
    return [f"{label} changed" for label, digest in inputs.items() if old.get(label) != digest]


def recorded_inputs(artefact: Path) -> dict[str, str]:
    """What an artefact was made from, label -> hash; empty where no record says."""
    record = _read_record(artefact)
    return {} if record is None else dict(record["inputs"])


def recorded_settings(artefact: Path) -> dict[str, Any]:
    """The config values that an artefact was made with; empty where no record says."""
    record = _read_record(artefact)
    return {} if record is None else dict(record["settings"])


def contents_hash(artefact: Path, command: str, part: str = "") -> str:
    """SHA-256 of an artefact, from its record while size and times are those recorded, else from its contents.

    command: what makes it; part: which of several alike it should be. Raises StaleError for contents that are not those
    recorded, and for another part.
    """
    record = _read_record(artefact)
    if record is None or "files" not in record:
        return file_hash(artefact)
    if reasons := _other_part(artefact, record, part) or _damage(artefact, record):
        raise StaleError(f"{display(artefact)}: {'; '.join(reasons)}; run `{command}`")
    return str(record["files"][artefact.name]["sha256"])


def recheck_contents(folders: Sequence[Path], artefacts: Sequence[Path] = ()) -> int:
    """Let the next check of some artefacts, and of all below some folders, read their contents; returns how many."""
    records = {path for folder in folders for path in folder.rglob(f"*{_SUFFIX}")}
    records |= {record_path(artefact) for artefact in artefacts if record_path(artefact).is_file()}
    for path in records:
        artefact = path.with_name(path.name.removesuffix(_SUFFIX))
        record = _read_record(artefact)
        if record is not None and "files" in record:
            files = {name: stamp | {"times": ""} for name, stamp in record["files"].items()}
            _write_record(artefact, record | {"files": files})
    return len(records)


def _other_part(artefact: Path, record: Mapping[str, Any], part: str) -> list[str]:
    found = record.get("part", part)
    return [f"{artefact.name} is that of {found}, not of {part}: exchanged"] if part and found != part else []


def _damage(artefact: Path, record: dict[str, Any]) -> list[str]:
    """What is wrong with the files that a record covers; records of earlier versions say nothing of them."""
    stamps = {name: Stamp.model_validate(stamp) for name, stamp in record.get("files", {}).items()}
    compared = {name: stamp.compare(artefact.with_name(name)) for name, stamp in stamps.items()}
    reasons = [reason for reason, _ in compared.values() if reason]
    now = {name: stamp for name, (_, stamp) in compared.items()}
    if not reasons and now != stamps:
        with suppress(OSError):  # a folder may be read-only; then the contents are read at every check
            _write_record(artefact, record | {"files": {name: stamp.model_dump() for name, stamp in now.items()}})
    return reasons


def _read_record(artefact: Path) -> dict[str, Any] | None:
    """An artefact's record; None where there is none, or where it is damaged."""
    try:
        record = json.loads(record_path(artefact).read_text(encoding="utf-8"))
        if not all(isinstance(record[key], dict) for key in ("settings", "inputs")):
            return None
        if "files" in record or "checksum" in record:  # else of a version that wrote neither
            if record.pop("checksum") != _checksum(record) or artefact.name not in record["files"]:
                return None
            for stamp in record["files"].values():
                Stamp.model_validate(stamp)
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, ValidationError):
        return None
    return dict(record)


def _write_record(artefact: Path, record: dict[str, Any]) -> None:
    record = {name: value for name, value in record.items() if name != "checksum"}
    with whole_file(record_path(artefact)) as temporary:
        text = json.dumps(record | {"checksum": _checksum(record)}, indent=1, sort_keys=True)
        temporary.write_text(text + "\n", encoding="utf-8")


def _checksum(record: Mapping[str, Any]) -> str:
    """Of the record itself: a damaged hash in it must not speak against the artefact."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]


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
