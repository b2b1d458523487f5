"""Types, ranges and defaults of config keys in words: `whole number, at least 1`, `one of dice, iou`, `null`."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as at
import yaml
from pydantic import BaseModel

from maskfold.config.experiment import Run

_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text", Any: "any value"}


def values_in_words(annotation: Any, constraints: Iterable[Any] = ()) -> str:
    """Which values a key takes: type, range and null.

    annotation: of a pydantic field; constraints: its metadata, such as Ge(1).
    """
    options = _options(annotation)
    words = [_one(option) for option in options if option is not type(None)]
    text = (", or " if ", " in words[0] else " or ").join(words)
    limits = _limits(constraints)
    if limits:
        text += f", {limits}"
    return f"{text}, or null" if type(None) in options else text


def default_in_words(value: Any) -> str:
    """A default as YAML in one line; empty for a section, whose keys have their own."""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, str):
        return value or '""'
    text = yaml.safe_dump(_plain(value), default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def inner_section(annotation: Any) -> tuple[type[BaseModel], bool] | None:
    """The section that a key holds, and whether it holds a list of them; None for other values and config files."""
    for option in _options(annotation):
        listed = get_origin(option) is tuple
        inner = get_args(option)[0] if listed else option
        if isinstance(inner, type) and issubclass(inner, BaseModel) and not issubclass(inner, Run):
            return inner, listed
    return None


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation itself."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _one(annotation: Any) -> str:
    """An annotation that is no union, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values_in_words(arguments[0], [limit for field in arguments[1:] for limit in field.metadata])
    if origin is Literal:
        names = ", ".join(map(str, arguments))
        return f"one of {names}" if len(arguments) > 1 else names
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"list of {_several(arguments[0])}"
        return f"list of {len(arguments)} {_several(arguments[0])}"
    if origin is dict:
        return f"mapping of {values_in_words(arguments[0])} to {values_in_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Run):
        return "config file"
    return _WORDS.get(annotation, "section")


def _several(annotation: Any) -> str:
    """An annotation in the plural."""
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    first, space, rest = " or ".join(_one(option) for option in _options(annotation)).partition(" ")
    if first in ("list", "mapping", "text", "number", "section"):
        return f"{first}s{space}{rest}"
    return f"{first}{space}{rest}s"  # whole numbers, config files


def _limits(constraints: Iterable[Any]) -> str:
    """`at least 1`, `from 0 to 1`, `above 0 and below 1`, `at least 2 entries`."""
    low, high, more = "", "", []
    for each in constraints:
        if isinstance(each, at.Ge | at.Gt):
            low = f"at least {_number(each.ge)}" if isinstance(each, at.Ge) else f"above {_number(each.gt)}"
        elif isinstance(each, at.Le | at.Lt):
            high = f"at most {_number(each.le)}" if isinstance(each, at.Le) else f"below {_number(each.lt)}"
        elif isinstance(each, at.MultipleOf):
            more.append(f"multiple of {each.multiple_of:g}")
        elif isinstance(each, at.MinLen):
            more.append(f"at least {each.min_length}")
    if low.startswith("at least ") and high.startswith("at most "):
        low, high = f"{low.removeprefix('at least ')} to {high.removeprefix('at most ')}", ""
    return ", ".join(filter(None, [" and ".join(filter(None, [low, high])), *more]))


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
