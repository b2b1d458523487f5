"""Problems of a config in one line each: the key, what was found, what was expected, the nearest valid key."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from maskfold.config.data import DataConfig
from maskfold.config.experiment import Blend, Experiment

# The data formats, from the union of their sections.
_FORMATS = [section.model_fields["format"].default for section in get_args(get_args(DataConfig)[0])]


def problem_line(problem: Any) -> str:  # pydantic's ErrorDetails
    """One line for one pydantic error."""
    location = _without_format(problem["loc"])
    key = ".".join(location) or "config"
    if problem["type"] == "extra_forbidden":
        valid = _valid_keys(location[:-1], problem["loc"])
        # A key of `data` that the format lacks belongs to another format, not to another section.
        elsewhere = [] if location[0] == "data" else _of_that_name(location[-1])
        near = nearest_key(location[-1], valid, location[:-1])
        hint = f"did you mean {' or '.join(elsewhere)}?" if elsewhere else near or f"valid keys: {', '.join(valid)}"
        return f"{key}: unknown key; {hint}"
    if problem["type"] == "missing":
        return f"{key}: required, but missing"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.format: required; one of {', '.join(_FORMATS)}"
    if problem["type"] == "union_tag_invalid":
        found = str(problem["ctx"]["tag"])
        near = nearest_key(found, _FORMATS)
        return f"{key}.format: found {found!r}, expected one of {', '.join(_FORMATS)}" + (f"; {near}" if near else "")
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower()}{message[1:]} (found {json.dumps(problem['input'], default=str)})"


def nearest_key(name: str, valid: Sequence[str], section: Sequence[str] = ()) -> str | None:
    """`did you mean train.epochs?`; None if no valid key resembles the name. section: what the key is in."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean {'.'.join([*section, near[0]])}?" if near else None


def _of_that_name(name: str) -> list[str]:
    """The keys of that very name in the sections of an experiment: tuning.metric of metric."""
    found = []
    for section, field in Experiment.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel) and name in model.model_fields:
            found.append(f"{section}.{name}")
    return found


def _without_format(location: tuple[int | str, ...]) -> list[str]:
    """The key an error is about: pydantic puts the name of the data format after `data`."""
    parts = [str(part) for part in location]
    return [parts[0], *parts[2:]] if parts[:1] == ["data"] and parts[1:2] and parts[1] in _FORMATS else parts


def _valid_keys(location: list[str], raw_location: tuple[int | str, ...]) -> list[str]:
    """Keys that are valid in the section at `location`."""
    if not location:
        return sorted({*Experiment.model_fields, *Blend.model_fields})
    section: Any = Experiment if location[0] in Experiment.model_fields else Blend
    for part in location:
        section = _section_model(section.model_fields[part].annotation, raw_location)
    return sorted(section.model_fields)


def _section_model(annotation: Any, raw_location: tuple[int | str, ...]) -> type[BaseModel]:
    """The pydantic model inside an annotation; of the data formats, the one in the location."""
    if get_origin(annotation) in (Union, types.UnionType):
        members = [m for m in get_args(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
        tagged = [m for m in members if "format" in m.model_fields and m.model_fields["format"].default in raw_location]
        return (tagged or members)[0]
    return annotation
