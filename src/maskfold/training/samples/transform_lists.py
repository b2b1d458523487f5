"""Free lists of albumentations' transforms, as `train.augmentation` may hold instead of a preset's name.

A list holds one-key mappings `Name: {parameter: value}`, each a transform or a group of transforms (OneOf, SomeOf,
Sequential, RandomOrder). A transform of the user's own is named `package.module:Class`. OpenCV's constants may be
written by name, such as `border_mode: BORDER_REFLECT_101`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import albumentations as A
import cv2
from pydantic import ValidationError

from maskfold.artefacts.own_code import imported, is_own
from maskfold.errors import ConfigError

Transform: TypeAlias = A.BasicTransform | A.BaseCompose

GROUPS = {group.__name__: group for group in (A.OneOf, A.SomeOf, A.Sequential, A.RandomOrder)}

_BASES = (A.BasicTransform, A.ImageOnlyTransform, A.DualTransform, A.Transform3D)
_UNWRITABLE = (*_BASES, A.Lambda)  # a Lambda's parameters are functions, which YAML cannot hold
TRANSFORMS: dict[str, type[A.BasicTransform]] = {
    name: found
    for name, found in vars(A).items()
    if inspect.isclass(found) and issubclass(found, A.BasicTransform) and found not in _UNWRITABLE
}


def listed_transforms(entries: Any, key: str) -> list[Transform]:
    """The transforms of a list of one-key mappings; raises ConfigError with all entries that cannot be built."""
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise ConfigError(f"{key}: expected a list of transforms, found {entries!r}")
    built, problems = [], []
    for index, entry in enumerate(entries):
        try:
            built.append(_built(entry, f"{key}[{index}]"))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return built


def _built(entry: Any, key: str) -> Transform:
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise ConfigError(f"{key}: expected one `Name: {{parameter: value}}`, found {entry!r}")
    [(name, given)] = entry.items()
    parameters = {} if given is None else given  # `- HorizontalFlip:` says nothing after the colon
    if not isinstance(parameters, Mapping):
        raise ConfigError(f"{key}.{name}: expected a mapping of parameters, found {given!r}")
    kind = GROUPS.get(name) or TRANSFORMS.get(name) or (_own_transform(name, key) if is_own(name) else None)
    if kind is None:
        near = difflib.get_close_matches(str(name), [*GROUPS, *TRANSFORMS], n=3, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"groups are {', '.join(GROUPS)}"
        raise ConfigError(f"{key}: {name} is not a transform of albumentations {A.__version__}; {hint}")
    _check_names(kind, parameters, f"{key}.{name}")
    if name in GROUPS:
        return _group(name, parameters, f"{key}.{name}")
    try:
        return kind(**{parameter: _constant(value) for parameter, value in parameters.items()})
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{key}.{name}: {in_one_line(error)}") from None


def _own_transform(name: str, key: str) -> type[A.BasicTransform]:
    """A transform of the user's own; raises ConfigError for what is no class of albumentations' transforms."""
    found = imported(name, key)
    if not (isinstance(found, type) and issubclass(found, A.BasicTransform)):
        raise ConfigError(
            f"{key}: {name} is no transform; expected a class derived from albumentations.DualTransform or "
            "ImageOnlyTransform"
        )
    return found


def _check_names(kind: type, parameters: Mapping[str, Any], key: str) -> None:
    """Raise ConfigError for parameters that the transform does not have."""
    valid = [name for name in inspect.signature(kind).parameters if name != "mask_interpolation"]
    problems = []
    for name in parameters:
        if name == "mask_interpolation":
            problems.append(f"{key}.{name}: masks always take the nearest pixel; leave it out")
        elif name not in valid:
            near = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(valid)}"
            problems.append(f"{key}.{name}: unknown parameter; {hint}")
    if problems:
        raise ConfigError("\n".join(problems))


def _group(name: str, parameters: Mapping[str, Any], key: str) -> A.BaseCompose:
    """A group of transforms; its parameters are checked here because albumentations does not."""
    others = {parameter: value for parameter, value in parameters.items() if parameter != "transforms"}
    inner = listed_transforms(parameters.get("transforms", ()), f"{key}.transforms")
    p, n = others.get("p", 1), others.get("n", 1)
    if not inner:
        raise ConfigError(f"{key}.transforms: give at least one transform")
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise ConfigError(f"{key}.p: expected a probability from 0 to 1, found {p!r}")
    most = None if others.get("replace") else len(inner)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1 or (most is not None and n > most):
        raise ConfigError(f"{key}.n: expected a whole number from 1 to {most or 'any'}, found {n!r}")
    if not isinstance(others.get("replace", False), bool):
        raise ConfigError(f"{key}.replace: expected true or false, found {others['replace']!r}")
    if name == "OneOf" and not any(transform.p for transform in inner):
        raise ConfigError(f"{key}.transforms: their p are the weights of the choice, and all are 0")
    return GROUPS[name](transforms=inner, **others)


def _constant(value: Any) -> Any:
    """The value of an OpenCV constant written by its name; anything else stays as it is."""
    if isinstance(value, str) and value.startswith(("BORDER_", "INTER_")):
        return getattr(cv2, value, value)
    return value


def in_one_line(error: Exception) -> str:
    """What albumentations found wrong with parameters, parameter by parameter."""
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error).partition("\n")[0]
    lines = []
    for problem in cause.errors():
        name = ".".join(str(part) for part in problem["loc"][:1])
        found = f" (found {problem['input']!r})" if name and problem["type"] != "missing" else ""
        lines.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}{found}".removeprefix(": "))
    return "; ".join(dict.fromkeys(lines))
