"""Which modules of maskfold a module imports, read from the sources: nothing is imported, torch alone takes seconds."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

_SOURCES = Path(__file__).parents[2]


def imported_modules(module: str) -> set[str]:
    """`module` and all maskfold modules it imports, directly or not, by dotted name."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(source_of(name))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("maskfold"):
                children = [f"{node.module}.{alias.name}" for alias in node.names]
                submodules = [child for child in children if _file_of(child) is not None]
                waiting += submodules or [node.module]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names if alias.name.startswith("maskfold")]
    return found


def source_of(module: str) -> str:
    """The text of a maskfold module."""
    path = _file_of(module)
    assert path is not None, module
    return path.read_text(encoding="utf-8")


@cache
def _file_of(module: str) -> Path | None:
    """The source file of a module; None for what is no module."""
    path = _SOURCES.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
