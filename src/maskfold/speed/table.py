"""The speed table: as csv with all digits, in the console and as Markdown with those that matter."""

from __future__ import annotations

import pandas as pd
from rich.table import Table

from maskfold.execution.console import markdown_table, print_table

# One row a device, backend and batch size. `note` says why a row has no figures.
COLUMNS = (
    "run",
    "fold",
    "weights",  # the first digits of their SHA-256; blank for random ones
    "architecture",
    "encoder",
    "height",
    "width",
    "threads",
    "device",
    "backend",
    "batch",
    "mean_ms",
    "std_ms",
    "p95_ms",
    "images_per_s",
    "passes",
    "memory_mb",
    "gpu_mb",
    "size_mb",
    "ready_s",
    "dice",
    "max_dp",
    "note",
)
_HEADERS = (
    "device",
    "backend",
    "batch",
    "ms",
    "± ms",
    "p95 ms",
    "images/s",
    "memory MB",
    "GPU MB",
    "disk MB",
    "ready in s",
    "Dice",
    "max Δp",
)
_TEXTS = 2  # columns of text


def print_speed(table: pd.DataFrame, title: str) -> None:
    """Print the table, and below it why rows are empty."""
    shown = Table(title=title, title_justify="left")
    for number, header in enumerate(_HEADERS):
        shown.add_column(header, justify="left" if number < _TEXTS else "right")
    for cells in _rows(table):
        shown.add_row(*cells)
    print_table(shown)
    for line in notes(table):
        print(line)


def speed_markdown(table: pd.DataFrame, title: str) -> str:
    """The table as Markdown with its title above and the reasons of empty rows below."""
    return "\n".join([f"{title}\n", markdown_table(_HEADERS, _rows(table), _TEXTS), *[f"- {n}" for n in notes(table)]])


def notes(table: pd.DataFrame) -> list[str]:
    """Why rows are empty, one line a device and backend."""
    empty = table[table["note"] != ""].drop_duplicates(["device", "backend", "note"])
    return [f"{row.backend} on the {row.device}: {row.note}" for row in empty.itertuples()]


def _rows(table: pd.DataFrame) -> list[list[str]]:
    return [_cells(row) for row in table.to_dict("records")]


def _cells(row: dict) -> list[str]:
    """One row as text; 'not here' or 'failed' in place of the milliseconds where there are none."""
    if row["note"]:
        return [row["device"], row["backend"], "", row["note"].partition(":")[0], *[""] * (len(_HEADERS) - 4)]
    figures = [
        f"{row['mean_ms']:.1f}",
        f"{row['std_ms']:.1f}",
        f"{row['p95_ms']:.1f}",
        f"{row['images_per_s']:.1f}",
        f"{row['memory_mb']:.0f}",
        _figure(row["gpu_mb"], ".0f"),
        f"{row['size_mb']:.1f}",
        f"{row['ready_s']:.1f}",
        _figure(row["dice"], ".5f"),
        f"{row['max_dp']:.1e}",
    ]
    return [row["device"], row["backend"], str(row["batch"]), *figures]


def _figure(value: float | None, form: str) -> str:
    return "" if value is None or pd.isna(value) else format(value, form)
