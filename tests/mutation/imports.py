"""Which files of the repository import which: what numba compiles together, and which tests can reach a module."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

_COMPILED = b"maskfold.execution.compiled import"  # in the files whose loops numba compiles
_ROOTS = ("src", "tests", ".")  # where the modules of the repository are found


def compiled_files(repository: Path) -> set[Path]:
    """The files that numba compiles, and all that these import: their constants are part of the machine code."""
    paths = sorted((repository / "src").rglob("*.py"))
    return set(distances(repository, [path for path in paths if _COMPILED in path.read_bytes()], inside=False))


def test_distances(repository: Path, changed: Path) -> dict[Path, int]:
    """The test files that reach a file by imports -> how many imports lie between; the fewest first.

    changed: below the repository, like the test files that are returned. Among equals come those of the same folder,
    and those named as the file, first. What a test starts as a command is not seen.
    """
    found = {}
    for path in sorted((repository / "tests").rglob("test_*.py")):
        distance = _distances_of_test(repository, path).get(repository / changed)
        if distance is not None:
            found[path.relative_to(repository)] = distance
    own = changed.relative_to("src/maskfold").parts[0]

    def rank(path: Path) -> tuple[int, bool, bool]:
        return found[path], path.parts[1] != own, not path.stem.startswith(f"test_{changed.stem}")

    return {path: found[path] for path in sorted(found, key=rank)}


@cache
def _distances_of_test(repository: Path, test: Path) -> Mapping[Path, int]:
    return distances(repository, [test])


def distances(repository: Path, first: Sequence[Path], inside: bool = True) -> dict[Path, int]:
    """Files -> how many imports they lie behind the nearest of the first ones.

    inside: imports inside functions count, too.
    """
    found: dict[Path, int] = {}
    waiting, distance = list(first), 0
    while waiting:
        found |= dict.fromkeys(waiting, distance)
        imported = {file for path in waiting for file in _imported_files(repository, path, inside)}
        waiting, distance = sorted(imported - found.keys()), distance + 1
    return found


@cache
def _imported_files(repository: Path, path: Path, inside: bool) -> set[Path]:
    names: set[str] = set()
    for node in _nodes(path, inside):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {file for name in names for file in _files(repository, name)}


def _nodes(path: Path, inside: bool) -> Iterable[ast.AST]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return ast.walk(tree) if inside else tree.body


def _files(repository: Path, name: str) -> list[Path]:
    """The file of a module; none where it is not of the repository."""
    places = [repository.joinpath(root, *name.split(".")) for root in _ROOTS]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return [file for file in files if file.is_file()]
