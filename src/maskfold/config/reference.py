"""The reference of all config keys, made from the fields and docstrings of the sections: in Markdown and as text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from pydantic.fields import FieldInfo

from maskfold.config.data import DataConfig
from maskfold.config.experiment import Blend, Experiment, Run
from maskfold.config.messages import nearest_key
from maskfold.config.value_types import default_in_words, inner_section, values_in_words
from maskfold.errors import ConfigError

_HEAD = """\
# Config keys

<!-- made by docs/make_config_reference.py; change the docstrings in src/maskfold/config/ instead -->

Every key of a config file, with the values it takes and its default. Only `name` and `data` are required. In a file,
keys are nested (`train:`, below it `epochs: 20`); on the command line they are joined by dots
(`--set train.epochs=20`). `--help-config KEY` of every script prints a key or a section in the terminal.

A file may start from another one with `extends: other.yaml`: its sections are merged with those of the other file, key
by key. A `data` section of another format replaces the other one entirely.
"""


class Key(NamedTuple):
    """One key. values: type and range in words; default: as YAML, `required`, or empty for a section."""

    name: str
    values: str
    default: str
    meaning: str


class Part(NamedTuple):
    """One section. name: its key, empty for the top level; format: of the data; keys: without those of subsections."""

    name: str
    format: str
    meaning: str
    keys: tuple[Key, ...]

    @property
    def title(self) -> str:
        """The section in a heading."""
        return (self.name or "Top level") + (f", format {self.format}" if self.format else "")


def config_parts() -> list[Part]:
    """All sections, the top level first, each followed by its subsections."""
    fields = {**Experiment.model_fields, "blend": Blend.model_fields["blend"]}
    return list(_parts(fields, Run.__doc__, "", ""))


def markdown() -> str:
    """The whole reference as a page."""
    pieces = [_HEAD]
    for part in config_parts():
        level = "#" * (2 + ("." in part.name or bool(part.format)))
        rows = [
            " | ".join([f"| `{key.name}`", _cell(key.values), key.default and f"`{key.default}`", _cell(key.meaning)])
            for key in part.keys
        ]
        pieces.append(f"\n{level} {part.title}\n\n{_linked(part.meaning)}\n")
        if rows:
            pieces.append("\n| key | values | default | meaning |\n|---|---|---|---|\n" + " |\n".join(rows) + " |\n")
    return "".join(pieces)


def help_text(key: str | None, width: int) -> str:
    """One key, one section with its subsections, or everything (None), for a terminal of `width` columns.

    Raises ConfigError with the nearest keys if there is no such key.
    """
    parts = config_parts()
    if key is None:
        return "\n\n".join(_section_text(part, width) for part in parts)
    wanted = _plain(key)
    inside = [part for part in parts if part.name and f"{_plain(part.name)}.".startswith(f"{wanted}.")]
    if inside:
        return "\n\n".join(_section_text(part, width) for part in inside)
    formats: dict[Key, list[str]] = {}
    for part in parts:
        for each in part.keys:
            if _plain(each.name) == wanted:
                formats.setdefault(each, []).append(part.format)
    if not formats:
        names = list(dict.fromkeys(_plain(each.name) for part in parts for each in part.keys))
        same = [name for name in names if name.rpartition(".")[2] == wanted.rpartition(".")[2]]
        hint = f"did you mean {' or '.join(same)}?" if same else nearest_key(wanted, names)
        raise ConfigError(f"no such config key: {key}; {hint or 'without KEY, --help-config prints all'}")
    return "\n\n".join(_key_text(each, width, [name for name in of if name]) for each, of in formats.items())


def _parts(all_fields: Mapping[str, FieldInfo], meaning: str | None, name: str, data_format: str) -> Iterator[Part]:
    """A section and its subsections; in a list of sections, a subsection that is described elsewhere is left out."""
    prefix = f"{name}." if name else ""
    fields = {key: field for key, field in all_fields.items() if (name, key) != ("data", "format")}
    keys = tuple(_key(f"{prefix}{key}", field) for key, field in fields.items())
    yield Part(name, data_format, _paragraphs(meaning), keys)
    for key, field in fields.items():
        inner = inner_section(field.annotation)
        if f"{prefix}{key}" == "data":
            yield from _data_parts(field)
        elif inner is not None and "[]" not in name:
            section, listed = inner
            place = f"{prefix}{key}{'[]' if listed else ''}"
            yield from _parts(section.model_fields, section.__doc__, place, data_format)


def _data_parts(field: FieldInfo) -> Iterator[Part]:
    """The section `data`: first the choice of the format, then each format."""
    sections = {each.model_fields["format"].default: each for each in get_args(get_args(DataConfig)[0])}
    choices = " ".join(f"`{name}`: {each.model_fields['format'].description}" for name, each in sections.items())
    key = Key("data.format", f"one of {', '.join(sections)}", "required", choices)
    yield Part("data", "", f"{field.description} The other keys depend on the format.", (key,))
    for name, each in sections.items():
        yield from _parts(each.model_fields, each.__doc__, "data", name)


def _key(name: str, field: FieldInfo) -> Key:
    needed = "only in a blend" if name == "blend" else "required"
    default = needed if field.is_required() else default_in_words(field.default)
    meaning = " ".join((field.description or "").split())
    return Key(name, values_in_words(field.annotation, field.metadata), default, meaning)


def _paragraphs(docstring: str | None) -> str:
    """A docstring with one line a paragraph."""
    return "\n\n".join(" ".join(each.split()) for each in (docstring or "").split("\n\n"))


def _cell(text: str) -> str:
    return _linked(text.replace("|", "\\|"))


def _linked(text: str) -> str:
    """`docs/how-to/blend.md` as a link from the page's folder."""
    return re.sub(r"\bdocs/((?:[\w-]+/)*([\w-]+)\.md)", r"[\2](../\1)", text)


def _plain(key: str) -> str:
    """A key without the places in lists: train.then[0].epochs and train.then.0.epochs are train.then.epochs."""
    return re.sub(r"\[\d*\]|\.\d+(?=\.|$)", "", key.strip())


def _section_text(part: Part, width: int) -> str:
    meaning = "\n".join(textwrap.fill(each, width) for each in part.meaning.split("\n\n"))
    return "\n\n".join([f"{part.title}\n{'=' * len(part.title)}\n{meaning}", *(_key_text(k, width) for k in part.keys)])


def _key_text(key: Key, width: int, formats: list[str] | None = None) -> str:
    def indented(text: Any) -> str:
        return textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)

    default = f" ({'required' if key.default == 'required' else f'default: {key.default}'})" if key.default else ""
    of = f"  (format {', '.join(formats)})" if formats else ""
    return f"{key.name}{of}\n{indented(key.values + default)}\n{indented(key.meaning)}"
