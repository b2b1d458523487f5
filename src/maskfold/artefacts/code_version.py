"""Which code an artefact depends on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

# Their effect reaches an artefact through the recorded settings and inputs alone, or only the eye sees it.
_NOT_PART_OF_CODE_VERSION = {
    "maskfold.config",
    "maskfold.artefacts.paths",
    "maskfold.artefacts.provenance",
    "maskfold.command_line",
    "maskfold.execution.progress",
    "maskfold.training.history",
    "maskfold.training.summary",
}


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
    path = Path(__file__).parents[2].joinpath(*module.split("."))
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
