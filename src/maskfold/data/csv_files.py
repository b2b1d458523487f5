"""Csv files with the row number of every line, so that a problem can name where it is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from maskfold.data.competition import DataError

# The module's own limit of 128 KiB a field is shorter than the run lengths of a large ragged mask.
_MAX_FIELD = 2**31 - 1


@dataclass(frozen=True)
class CsvTable:
    """A csv as text: header names and, for every row that is not blank, its number in the file and its fields."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def select(self, columns: Sequence[str]) -> list[tuple[int, tuple[str, ...]]]:
        """The rows reduced to the named columns, in that order."""
        places = [self.header.index(column) for column in columns]
        return [(number, tuple(fields[place] for place in places)) for number, fields in self.rows]


def read_csv(path: Path, forms: Sequence[Sequence[str]] = (), row_problems: list[str] | None = None) -> CsvTable:
    """Read a csv file; a byte order mark is fine, fields are stripped, the header is row 1.

    forms: sets of column names; the header must hold all of one of them, in any order. row_problems: where given, it
    takes up rows with too few or too many fields, which are left out. Raises DataError with all problems: no such file,
    not UTF-8, an unknown header, rows of the wrong length.
    """
    if not path.is_file():
        raise DataError([f"{path}: no such file"])
    csv.field_size_limit(_MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, tuple(field.strip() for field in fields)) for fields in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError([f"{path}: not a csv file in UTF-8: {error}"]) from None
    if not lines:
        raise DataError([f"{path}: empty; expected a header {_shown(forms) or 'row'}"])
    header = lines[0][1]
    if len(set(header)) != len(header) or (forms and not any(set(form) <= set(header) for form in forms)):
        raise DataError([f"{path}, row 1: found the header {','.join(header)}; expected {_shown(forms)}"])
    rows = tuple((number, fields) for number, fields in lines[1:] if any(fields))
    problems = [
        f"{path}, row {number}: {len(fields)} fields, but the header has {len(header)}"
        for number, fields in rows
        if len(fields) != len(header)
    ]
    if problems and row_problems is None:
        raise DataError(problems)
    if row_problems is not None:
        row_problems += problems
    return CsvTable(path, header, tuple(row for row in rows if len(row[1]) == len(header)))


def header_of(path: Path) -> tuple[str, ...]:
    """The column names of a csv file; none where it cannot be read, of which read_csv says why."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return tuple(field.strip() for field in next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def _shown(forms: Sequence[Sequence[str]]) -> str:
    return " or ".join(",".join(form) for form in forms)
