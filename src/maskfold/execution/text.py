"""Text that is data (class names, ids, paths) where a terminal, file system, spreadsheet or chart could act on it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # configs need this module, and no tables
    import pandas as pd

_CONTROL = {"Cc", "Cs", "Zl", "Zp"}  # control characters, half characters, line and paragraph ends
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9.]+(?:e[+-]?[0-9]+)?")
_LONGEST_NAME = 60


def controls(text: str) -> str:
    """The characters of a text that a terminal or a csv takes for commands, each once; empty where there is none."""
    return "".join(sorted({character for character in text if unicodedata.category(character) in _CONTROL}))


def visible(text: str) -> str:
    """A text for the terminal: control characters other than line breaks as escapes such as `\\x1b`."""
    kept = set(controls(text)) - {"\n"}
    return "".join(ascii(character)[1:-1] if character in kept else character for character in text)


def class_words(name: str) -> str:
    """A class in a sentence: `class 6` and `class crack`, but `class_1` alone."""
    return name if name.lower().startswith("class") else f"class {name}"


def control_fault(what: str, text: str) -> str:
    """What is wrong with an id or a name of the data that holds control characters; "" if it holds none.

    what: it is, e.g. `image id`.
    """
    found = controls(text)
    return f"{what} {text!a} holds control characters, {found!a}; remove them" if found else ""


def chart_text(text: str) -> str:
    """A text for matplotlib, where `$` begins a formula and a legend leaves out what begins with `_`."""
    shown = text.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def file_name(text: str) -> str:
    """A name of letters, digits, `_` and `-`, 69 at most, that a file can have; other texts have other names."""
    plain = re.sub("[^A-Za-z0-9_-]", "_", text)[:_LONGEST_NAME]
    return plain if plain == text else f"{plain}-{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]}"


def spreadsheet(table: pd.DataFrame, exact: Collection[str] = ()) -> pd.DataFrame:
    """A table for people, whose texts no spreadsheet takes for a formula: those that begin like one get a `'` in front.

    exact: columns that maskfold reads again, which stay as they are.
    """
    quoted = table.copy()
    quoted.columns = [spreadsheet_cell(name) for name in table.columns]
    for place, name in enumerate(table.columns):
        if name not in exact and table.dtypes.iloc[place].kind not in "biufc":
            quoted.isetitem(place, table.iloc[:, place].map(spreadsheet_cell))
    return quoted


def spreadsheet_cell(value: Any) -> Any:
    """A value of such a table; numbers, and texts that are numbers, stay."""
    formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if formula else value
