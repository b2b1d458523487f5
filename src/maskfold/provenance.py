"""What an artefact was made from, and whether it is still fresh.

Beside every artefact lies `<artefact>.made.json`: the config values, the hashes of the input files and the version of
the code that made it. A stage skips an artefact whose record equals what it would be made from now, and says what
changed otherwise. Records and artefacts are written to a temporary name and renamed when whole.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from maskfold import __version__
from maskfold.paths import display

# Their effect reaches an artefact through the recorded settings and inputs alone, or only the eye sees it.
_NOT_PART_OF_CODE_VERSION = {
    "maskfold.config",
    "maskfold.paths",
    "maskfold.provenance",
    "maskfold.command_line",
    "maskfold.progress",
    "maskfold.training.history",
    "maskfold.training.summary",
}


class StaleError(RuntimeError):
    """An artefact is missing or was made from something else; the message names the command that mends it."""


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
        """The record as it is written beside the artefact."""
        return {
            "stage": self.stage,
            "maskfold": __version__,
            "settings": json.loads(json.dumps(self.settings)),
            "inputs": dict(self.inputs),
            "code": self.code,
        }

    def write(self, artefact: Path) -> None:
        """Record that `artefact` was made from this; call after the artefact itself is whole."""
        with whole_file(record_path(artefact)) as temporary:
            temporary.write_text(json.dumps(self.as_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def staleness(self, artefact: Path, accept_code_changes: bool = False) -> list[str]:
        """Why `artefact` must be made again, in words; empty when it is fresh."""
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

    def announced(self, artefact: Path, accept_code_changes: bool = False) -> bool:
        """Whether `artefact` must be made again, said on the screen with the reasons."""
        reasons = self.staleness(artefact, accept_code_changes)
        print(f"{self.stage}: {'; '.join(reasons) or f'{display(artefact)} is fresh, skipped'}", flush=True)
        return bool(reasons)


def record_path(artefact: Path) -> Path:
    """Where the record of an artefact lies."""
    return artefact.with_name(artefact.name + ".made.json")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` that is renamed to it when the block ends well, and removed otherwise.

    What a killed process left behind bears the same name, so the next attempt replaces it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` that takes its place when the block ends well, and is removed otherwise.

    What a killed process left behind bears the same names: a half-made folder is replaced, an old one put back.
    """
    part, old = path.with_name(f".{path.name}.part"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.rename(path)
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        if path.exists():
            path.rename(old)
        part.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_fingerprint(paths: list[Path]) -> str:
    """Hash of the names, sizes and modification times of many files; cheap enough for every start."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@cache
def code_version(module: str) -> str:
    """Hash of a maskfold module and of every maskfold module it imports, blind to comments and layout."""
    digest = hashlib.sha256()
    for name in sorted(imported_modules(module, _NOT_PART_OF_CODE_VERSION)):
        digest.update(f"{name}\0{_syntax(name)}\n".encode())
    return digest.hexdigest()[:16]


def imported_modules(module: str, leaving_out: Collection[str] = ()) -> set[str]:
    """`module` and all maskfold modules it imports, directly or not; those left out lead no further."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name in leaving_out:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(source_of(name))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("maskfold"):
                children = [f"{node.module}.{alias.name}" for alias in node.names]
                submodules = [child for child in children if _is_module(child)]
                waiting += submodules or [node.module]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names if alias.name.startswith("maskfold")]
    return found


def _is_module(name: str) -> bool:
    return _file_of(name) is not None


def source_of(module: str) -> str:
    """The text of a maskfold module."""
    path = _file_of(module)
    assert path is not None, module
    return path.read_text(encoding="utf-8")


@cache
def _file_of(module: str) -> Path | None:
    """The source file of a maskfold module, found without importing anything: torch alone takes seconds."""
    path = Path(__file__).parents[1].joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _syntax(module: str) -> str:
    tree = ast.parse(source_of(module))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body.pop(0)  # a docstring
    return ast.dump(tree)


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
