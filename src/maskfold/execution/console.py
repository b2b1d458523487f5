"""Tables in the console, where no value is ever cut, and as Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

_LOG_WIDTH = 160  # columns of a file or pipe, where nothing wraps lines
_UNBOUNDED = Console(width=10**6, markup=False, emoji=False)  # to measure how wide a table is when nothing is wrapped


def print_table(table: Table) -> None:
    """Print a table so that every value can be read whole.

    One that is too wide for the terminal is turned (a row becomes a column), and where that does not fit either,
    printed row by row. Into a file or pipe tables may take 160 columns, or what the variable COLUMNS says.
    """
    console = Console(markup=False, emoji=False)  # a class may be called [red] or :car:
    wide = not console.is_terminal and "COLUMNS" not in os.environ
    console = Console(width=_LOG_WIDTH, markup=False, emoji=False) if wide else console
    for form in (table, _turned(table)):
        if _UNBOUNDED.measure(form).maximum <= console.width:
            console.print(form)
            return
    console.print(_row_by_row(table))


def _turned(table: Table) -> Table:
    """The same values with rows and columns exchanged; the first column becomes the header."""
    lines = [[column.header, *column.cells] for column in table.columns]
    turned = _like(table, *lines[0])
    for column in turned.columns[1:]:
        column.justify = "right"
    for line in lines[1:]:
        turned.add_row(*line)
    return turned


def _row_by_row(table: Table) -> Table:
    """Two columns: the header and the value, one row of the table after the other; long values take several lines."""
    found = _like(table, "", "")
    rows = zip(*(column.cells for column in table.columns), strict=True)
    for row in rows:
        for column, cell in zip(table.columns, row, strict=True):
            found.add_row(column.header, cell)
        found.add_section()
    found.show_header = False
    return found


def _like(table: Table, *headers: object) -> Table:
    made = Table(title=table.title, title_justify=table.title_justify)
    for header in headers:
        made.add_column(header, overflow="fold")  # type: ignore[arg-type]
    return made


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table that ends with a newline; the first `text_columns` are left-aligned, all others right."""
    aligned = ["---" if column < text_columns else "---:" for column in range(len(headers))]
    lines = ["| " + " | ".join(headers) + " |", "|" + "|".join(aligned) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
