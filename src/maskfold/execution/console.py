"""Tables in the console, where no value is ever cut, and as Markdown."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from maskfold.execution.table_forms import in_parts, row_by_row, turned

_LOG_WIDTH = 160  # columns of a file or pipe, where nothing wraps lines
_UNBOUNDED = Console(width=10**6, markup=False, emoji=False)  # to measure how wide a table is when nothing is wrapped


class _Console(Console):
    """A console of plain text; a class may be called [red] or :car:."""

    def __init__(self, width: int | None = None) -> None:
        super().__init__(width=width, markup=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Leave the error to the script; rich would end it with exit code 1."""
        raise  # rich calls this while it handles the error


def print_table(table: Table) -> None:
    """Print a table so that every value can be read whole.

    One that is too wide for the terminal is turned (a row becomes a column), or has its texts wrapped and its columns
    spread over several tables, or is printed row by row: the first of these that fits. Into a file or pipe tables may
    take 160 columns, or what the variable COLUMNS says.
    """
    console = _Console()
    wide = not console.is_terminal and "COLUMNS" not in os.environ
    console = _Console(_LOG_WIDTH) if wide else console
    fitting = [form for form in (table, turned(table)) if _UNBOUNDED.measure(form).maximum <= console.width]
    for form in fitting[:1] or in_parts(table, console.width) or [row_by_row(table)]:
        console.print(form)


def table_of(texts: Sequence[str], numbers: Sequence[str], title: str | None = None) -> Table:
    """A table without rows; texts: headers of columns on the left, which may wrap; numbers: of those on the right."""
    table = Table(*texts, title=title, title_justify="left")
    for header in numbers:
        table.add_column(header, justify="right")
    return table


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table that ends with a newline; the first `text_columns` are left-aligned, all others right."""
    aligned = ["---" if column < text_columns else "---:" for column in range(len(headers))]
    lines = ["| " + " | ".join(headers) + " |", "|" + "|".join(aligned) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
