"""Other forms of a table that is too wide: turned, in parts side by side with wrapped texts, or row by row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len
from rich.table import Column, Table

_TEXT_WIDTH = 22  # columns that a wrapped text has at least, unless it is shorter
_FRAME = 3  # columns that a border and its two blanks take


def turned(table: Table) -> Table:
    """The same values with rows and columns exchanged; the first column becomes the header."""
    lines = [[column.header, *column.cells] for column in table.columns]
    made = _like(table, *lines[0])
    for column in made.columns[1:]:
        column.justify = "right"
    for line in lines[1:]:
        made.add_row(*line)
    return made


def in_parts(table: Table, width: int) -> list[Table]:
    """Tables of some columns each, the first column in all of them, no wider than `width`; [] where that cannot be.

    Columns aligned left are texts, which may take several lines; headers are wrapped between words.
    """
    first, *others = table.columns
    starts, used = [0], _least(first) + 1 + _FRAME
    room = width - used
    for number, column in enumerate(others):
        needed = _least(column) + _FRAME
        if needed > room:
            return []
        if used + needed > width:
            starts.append(number)
            used = width - room
        used += needed
    groups = [[first, *others[start:end]] for start, end in pairwise([*starts, len(others)])]
    return [_part(table, group, width, number == 0) for number, group in enumerate(groups)]


def row_by_row(table: Table) -> Table:
    """Two columns: the header and the value, one row of the table after the other; long values take several lines."""
    made = _like(table, "", "")
    rows = zip(*(column.cells for column in table.columns), strict=True)
    for row in rows:
        for column, cell in zip(table.columns, row, strict=True):
            made.add_row(column.header, cell)
        made.add_section()
    made.show_header = False
    return made


def _part(table: Table, columns: Sequence[Column], width: int, titled: bool) -> Table:
    """These columns as a table, texts as wide as they need or as there is room for."""
    made = Table(title=table.title if titled else None, title_justify=table.title_justify)
    widths = [_least(column) for column in columns]
    left = width - 1 - sum(each + _FRAME for each in widths)
    wanted = [_longest(column) for column in columns]
    for kind in (True, False):  # texts before the headers of numbers
        alike = [k for k, column in enumerate(columns) if (column.justify == "left") == kind]
        while left > 0 and (short := [k for k in alike if widths[k] < wanted[k]]):
            widths[min(short, key=widths.__getitem__)] += 1
            left -= 1
    for column, own in zip(columns, widths, strict=True):
        made.add_column(column.header, justify=column.justify, width=own, overflow="fold")
    sections = [row.end_section for row in table.rows]
    for cells, ends in zip(zip(*(column.cells for column in columns), strict=True), sections, strict=True):
        made.add_row(*cells, end_section=ends)
    return made


def _least(column: Column) -> int:
    """The fewest columns of the screen that show every value of a column well."""
    words = [cell_len(word) for word in str(column.header).split()]
    if column.justify != "left":
        return max([*words, *(cell_len(str(cell)) for cell in column.cells)], default=0)
    return max([min(_longest(column), _TEXT_WIDTH), *words])


def _longest(column: Column) -> int:
    """The columns of the screen that a column takes where nothing is wrapped."""
    return max(cell_len(str(text)) for text in (column.header, *column.cells))


def _like(table: Table, *headers: object) -> Table:
    made = Table(title=table.title, title_justify=table.title_justify)
    for header in headers:
        made.add_column(header, overflow="fold")  # type: ignore[arg-type]
    return made
