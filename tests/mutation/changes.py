"""Small changes of a source file (an operator, a constant, a condition), and a seeded sample of them."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator, operator_names

_OPERATORS = re.compile("core/(Replace(Binary|Comparison|Unary)Operator|NumberReplacer|AddNot|Replace.*With)")
# `is` in the place of `==` depends on which objects Python shares; only `is` and `is not` change places.
_IDENTITY = re.compile("Comparison.*_Is(Not)?(_|$)")
_BOTH_IDENTITY = re.compile("_Is(Not)?_Is(Not)?$")

Position = tuple[int, int]  # line from 1, column from 0
Span = tuple[Position, Position]  # of the first character and of the one behind the last


@dataclass(frozen=True)
class Change:
    """One change of one file: its path below the library, the line before and after, and the whole changed source."""

    room: str
    path: Path
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} `{self.before}` → `{self.after}`"


def sample_changes(library: Path, rooms: Mapping[str, Sequence[Path]], count: int, seed: int) -> list[Change]:
    """`count` changes, as many of each room as of any other; fewer where a room has fewer places.

    A place is drawn first, then one of the changes of it, so that an operator that can become eleven others counts no
    more than a constant. rooms: room -> its files, below `library`.
    """
    streams = [_changes(library, room, files, random.Random(f"{seed} {room}")) for room, files in rooms.items()]
    turns = (next(stream, None) for stream in cycle(streams))
    return [change for change in islice(turns, count) if change is not None]


def _changes(library: Path, room: str, files: Sequence[Path], rng: random.Random) -> Iterator[Change]:
    """All places of a room's files in random order, each with one of its changes."""
    sources = {path: (library / path).read_text(encoding="utf-8") for path in files}
    drawn = [(path, ways) for path, source in sources.items() for _, ways in sorted(places(source).items())]
    rng.shuffle(drawn)
    for path, ways in drawn:
        name, occurrence = rng.choice(ways)
        changed = mutate_code(sources[path], _operators()[name], occurrence)
        if _compiles(changed):
            yield _change(room, path, sources[path], changed)


def _compiles(source: str) -> bool:
    try:
        compile(source, "changed", "exec")
    except SyntaxError:
        return False
    return True


def _change(room: str, path: Path, source: str, changed: str) -> Change:
    pairs = zip(source.splitlines(), changed.splitlines(), strict=True)
    line, (before, after) = next((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return Change(room, path, line, before.strip(), after.strip(), changed)


@cache
def _operators() -> dict[str, Operator]:
    """The operators of cosmic-ray in use, by name."""
    names = [name for name in operator_names() if _OPERATORS.match(name)]
    kept = [name for name in names if _BOTH_IDENTITY.search(name) or not _IDENTITY.search(name)]
    return {name: get_operator(name)() for name in kept}


def places(source: str) -> dict[Span, list[tuple[str, int]]]:
    """The places of a source where a change can matter: for each the (operator, occurrence) pairs that change it.

    Left out: types, decorators, texts that are only shown, and `strict=`, which only guards what callers hold to.
    """
    lines = source.splitlines()
    hidden = [_span(part, lines) for node in ast.walk(ast.parse(source)) for part in _without_effect(node)]
    nodes = list(ast_nodes(get_ast(source)))
    found: dict[Span, list[tuple[str, int]]] = {}
    for name, operator in _operators().items():
        spans = [span for node in nodes for span in operator.mutation_positions(node)]
        for occurrence, (first, last) in enumerate(spans):
            if not any(start <= first and last <= end for start, end in hidden):
                found.setdefault((first, last), []).append((name, occurrence))
    return found


def _without_effect(node: ast.AST) -> Sequence[ast.AST]:
    """The parts of a node, or the node itself, whose change no result shows."""
    if isinstance(node, ast.FunctionDef):
        return [*node.decorator_list, *([] if node.returns is None else [node.returns])]
    if isinstance(node, ast.ClassDef):
        return node.decorator_list
    if isinstance(node, ast.arg | ast.AnnAssign):
        return [] if node.annotation is None else [node.annotation]
    shown = isinstance(node, ast.Raise | ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg == "strict")
    if shown or (isinstance(node, ast.Assign) and _is_type(node.value)):
        return [node]
    return [node] if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "cast") else []


def _is_type(value: ast.expr) -> bool:
    """Whether an assigned value is a type, such as `int | None` or `dict[str, int]`."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        return all(isinstance(side, ast.Name | ast.Constant) or _is_type(side) for side in (value.left, value.right))
    return isinstance(value, ast.Subscript) and ast.unparse(value.value) in ("tuple", "dict", "list", "Callable")


def _span(node: ast.AST, lines: Sequence[str]) -> Span:
    """Where a node stands, in characters; ast counts the bytes of a line."""
    line, column, end_line, end = (
        getattr(node, name) for name in ("lineno", "col_offset", "end_lineno", "end_col_offset")
    )
    first, last = (len(lines[at - 1].encode()[:byte].decode()) for at, byte in ((line, column), (end_line, end)))
    return (line, first), (end_line, last)
