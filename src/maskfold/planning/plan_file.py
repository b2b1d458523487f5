"""The plan as a config file: each value with its reason in a comment, and a line that shows whether it was changed."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import display
from maskfold.commands import as_called
from maskfold.errors import UsageError

_ORDER = ("name", "output_root", "data", "folds", "model", "train", "inference", "tuning", "submission")
_WIDTH = 118
_MADE_BY = "# Planned by: "
_CHECK = "# Unchanged since: "


def plan_text(
    tree: Mapping[str, Any], reasons: Mapping[str, str], heading: Sequence[str], command: str, notes: Sequence[str]
) -> str:
    """The text of the file.

    tree: the config; reasons: dotted key -> why, for keys of any depth; heading: lines about the data and the machine;
    command: that plans it again; notes: lines about `data`.
    """
    lines = [line for text in heading for line in _comment(text, 0)]
    lines += [f"{_MADE_BY}{command}"]
    order = [name for name in _ORDER if name in tree]
    order += [name for name in tree if name not in order]
    for name in order:
        if name == "data":
            lines += [line for note in notes for line in _comment(note, 0)]
        lines += _entry(name, tree[name], name, reasons, 0)
    body = "\n".join(lines) + "\n"
    return f"{body}{_CHECK}{_digest(body)}\n"


def in_order(tree: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """The tree with its keys in the order of another one, section by section."""
    found: dict[str, Any] = {}
    first = [name for name in ("format",) if name in tree]  # what kind of data the other keys belong to
    for name in dict.fromkeys([*first, *(name for name in like if name in tree), *tree]):
        value, other = tree[name], like.get(name)
        found[name] = in_order(value, other) if isinstance(value, dict) and isinstance(other, dict) else value
    return found


def first_run_text(changes: Mapping[str, Any], planned: str) -> str:
    """The text of the first run's config, which changes a few values of the planned one; planned: its file name."""
    command = as_called(f"bash run_all.sh configs/{changes['name']}.yaml")
    comment = f"A short run for an early submission, before {planned}: {command}"
    lines = [*_comment(comment, 0), f"extends: {planned}", *(_flow({key: changes[key]}) for key in changes)]
    body = "".join(f"{line}\n" for line in lines)
    return f"{body}{_CHECK}{_digest(body)}\n"


def _entry(name: str, value: Any, key: str, reasons: Mapping[str, str], depth: int) -> Iterator[str]:
    """The lines of one key."""
    indent, reason = "  " * depth, reasons.get(key, "")
    inside = any(other.startswith(f"{key}.") for other in reasons)
    if isinstance(value, dict) and value and (inside or depth == 0):
        yield f"{indent}{name}:" + (f" # {reason}" if reason else "")
        for child, inner in value.items():
            yield from _entry(child, inner, f"{key}.{child}", reasons, depth + 1)
        return
    text = f"{indent}{_flow({name: value})}"
    if not reason:
        yield text
    elif len(text) + len(reason) + 3 <= _WIDTH:
        yield f"{text} # {reason}"
    else:
        yield from _comment(reason, depth)
        yield text


def _flow(entry: Mapping[str, Any]) -> str:
    """`key: value` in one line."""
    text = yaml.safe_dump(dict(entry), default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.strip()[1:-1]


def _comment(text: str, depth: int) -> list[str]:
    indent = "  " * depth + "# "
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def reasons_in(text: str) -> dict[str, str]:
    """Dotted key -> the comment behind or above it, "" without one, of a plan as `plan_text` writes it."""
    found: dict[str, str] = {}
    sections: list[str] = []
    above: list[str] = []
    for line in text.splitlines():
        entry = line.strip()
        if entry.startswith("#"):
            above.append(entry.removeprefix("#").strip())
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        name, _, rest = entry.partition(":")
        sections = [*sections[:depth], name]
        behind = rest.partition(" # ")[2]
        if not rest.startswith(" #") and rest:
            found[".".join(sections)] = behind or (" ".join(above) if depth else "")
        above = []
    return found


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def may_replace(path: Path) -> None:
    """Raise UsageError for a config that no plan made, or that was changed since."""
    if not path.is_file():
        return
    body, mark, digest = path.read_text(encoding="utf-8").rpartition(_CHECK)
    if not mark:
        raise UsageError(f"{display(path)} was not planned, so it is not replaced; give another --name")
    if _digest(body) != digest.strip():
        raise UsageError(
            f"{display(path)} was changed since it was planned, so it is not replaced: run it with --config, give "
            "another --name, or delete it to plan again"
        )


def is_plan_of(path: Path, command: str) -> bool:
    """Whether the file is there as this command planned it."""
    if not path.is_file():
        return False
    return f"{_MADE_BY}{command}" in path.read_text(encoding="utf-8").splitlines()


def write_plan(path: Path, text: str) -> None:
    """Write the file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
