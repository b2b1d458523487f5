"""The fields of a benchmark's Settings as command-line options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args, get_origin

from benchmarks.measuring.benchmark import Settings


def add_options(group: Any, kind: type[Settings]) -> None:
    """One option for each field; a list takes several values, a bool has a --no- form."""
    for name, field in kind.model_fields.items():
        option, quick = f"--{name.replace('_', '-')}", kind.quick.get(name)
        text = " ".join((field.description or "").split()).replace("%", "%%")
        default = f"default: {_text(field.default)}" + (f", quick: {_text(quick)}" if name in kind.quick else "")
        help_text = f"{text} ({default})"
        if field.annotation is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=help_text)
        elif get_origin(field.annotation) is tuple:
            kind_of = get_args(field.annotation)[0]
            metavar = "VALUE"
            group.add_argument(option, nargs="*", type=kind_of, default=None, metavar=metavar, help=help_text)
        else:
            group.add_argument(option, type=_type(field.annotation), default=None, metavar="VALUE", help=help_text)


def chosen_settings(args: argparse.Namespace, kind: type[Settings]) -> Settings:
    """The settings that the command line asks for: given values over those of --quick over the defaults."""
    given = {name: getattr(args, name) for name in kind.model_fields if getattr(args, name) is not None}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return kind(**{**(kind.quick if args.quick else {}), **given})


def _type(annotation: Any) -> type:
    """The type of one value: of `Path | None`, Path."""
    members = [each for each in get_args(annotation) if each is not type(None)]
    found: type = members[0] if members else annotation
    return found if found in (int, float, str, Path) else str


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
