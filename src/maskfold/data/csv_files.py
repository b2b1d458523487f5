"""Csv files with the row number of every line, so that a problem can name where it is."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from maskfold.errors import DataError

# The module's own limit of 128 KiB a field is shorter than the run lengths of a large ragged mask.
_MAX_FIELD = 2**31 - 1
_OTHER_MARKS = {";": "semicolons", "\t": "tabs", "|": "bars"}  # that some programs write between fields


Row = tuple[int, tuple[str, ...]]  # number in the file, fields


@dataclass(frozen=True)
class CsvTable:
    """A csv as text: header names and every row that is not blank."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[Row, ...]

    def select(self, columns: Sequence[str]) -> list[Row]:
        """The rows reduced to the named columns, in that order."""
        return list(selected(self.rows, self.header, columns))


def selected(rows: Iterable[Row], header: Sequence[str], columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a csv with this header reduced to the named columns, in that order."""
    places = [header.index(column) for column in columns]
    return ((number, tuple(fields[place] for place in places)) for number, fields in rows)


def read_csv(path: Path, forms: Sequence[Sequence[str]] = (), row_problems: list[str] | None = None) -> CsvTable:
    """Read a csv file; a byte order mark is fine, fields are stripped, the header is row 1.

    forms: sets of column names; the header must hold all of one of them, in any order. row_problems: where given, it
    takes up rows with too few or too many fields, which are left out. Raises DataError with all problems: no such file,
    not UTF-8, an unknown header, rows of the wrong length.
    """
    problems: list[str] = [] if row_problems is None else row_problems
    header, rows = stream_csv(path, problems, forms)
    table = CsvTable(path, header, tuple(rows))
    if problems and row_problems is None:
        raise DataError(problems)
    return table


def stream_csv(
    path: Path, row_problems: list[str], forms: Sequence[Sequence[str]] = (), exact: bool = False
) -> tuple[tuple[str, ...], Iterator[Row]]:
    """The header of a csv, and its rows one by one, for files too large to hold; otherwise like `read_csv`.

    exact: fields keep their spaces, and a row of empty fields is a row, as it is for most other programs.
    The rows raise DataError where the file turns out not to be UTF-8.
    """
    lines = _lines(path, exact)
    first = next(lines, None)
    if first is None:
        raise DataError([f"{path}: empty; expected a header {_shown(forms) or 'row'}"])
    header = first[1]
    if len(set(header)) != len(header) or (forms and not any(set(form) <= set(header) for form in forms)):
        found = f"{path}, row 1: found the header {','.join(header)}; expected {_shown(forms)}"
        raise DataError([found + separated_otherwise(header)])
    return header, _whole_rows(lines, path, len(header), row_problems, exact)


def _lines(path: Path, exact: bool) -> Iterator[Row]:
    if not path.is_file():
        raise DataError([f"{path}: no such file"])
    csv.field_size_limit(_MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for fields in reader:
                if fields or not exact:
                    yield reader.line_num, tuple(field if exact else field.strip() for field in fields)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError([f"{path}: not a csv file in UTF-8: {error}"]) from None


def _whole_rows(lines: Iterator[Row], path: Path, columns: int, row_problems: list[str], exact: bool) -> Iterator[Row]:
    """The rows with as many fields as there are columns, blank lines left out; the others are problems."""
    for number, fields in lines:
        if len(fields) == columns:
            if exact or any(fields):
                yield number, fields
        elif any(fields):
            row_problems.append(f"{path}, row {number}: {len(fields)} fields, but the header has {columns}")


def separated_otherwise(header: Sequence[str]) -> str:
    """What to do about a file whose fields are not separated by commas, as its header shows; "" of others."""
    marks = (name for mark, name in _OTHER_MARKS.items() if len(header) == 1 and mark in header[0])
    return next((f"; its fields are separated by {name}: save it with commas" for name in marks), "")


def header_of(path: Path) -> tuple[str, ...]:
    """The column names of a csv file; none where it cannot be read, of which read_csv says why."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return tuple(field.strip() for field in next(csv.reader(file), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return ()


def _shown(forms: Sequence[Sequence[str]]) -> str:
    return " or ".join(",".join(form) for form in forms)
