"""The comparison of runs: their figures side by side, in the console, as csv and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.table import Table

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import display
from maskfold.commands import as_called
from maskfold.config import Config, load_config
from maskfold.config.places import all_config_files, run_config
from maskfold.data.recognition.recognise import explicit_data
from maskfold.errors import ConfigError, DataError, UsageError
from maskfold.execution.console import markdown_table, print_table
from maskfold.execution.text import spreadsheet
from maskfold.report.runs_table import FIGURES, NAMES, cells, run_row, trained_folds


def compare_runs(names: Sequence[str], overrides: Sequence[str], folder: Path) -> pd.DataFrame:
    """Print the runs side by side and write runs.csv and runs.md to `folder`; returns what runs.csv holds.

    names: of runs, or config files; none: every config of which something has been trained. overrides: `key=value` for
    all of them. Raises UsageError when there is nothing to compare, ConfigError or DataError for a named run that
    cannot be loaded.
    """
    rows = [run_row(config, file) for file, config in _configs(names, overrides)]
    rows.sort(key=lambda row: (str(row.figures["data"]), -float(str(row.figures.get("honest", -1)))))
    table = pd.DataFrame([row.figures for row in rows], columns=[*NAMES, *FIGURES])
    shown = [cells(row.figures) for row in rows]
    headers = [*NAMES, *(header for header, _ in FIGURES.values())]
    notes = list(dict.fromkeys(as_called(note) for row in rows for note in row.missing))
    for file, text in (
        ("runs.csv", spreadsheet(table).to_csv(index=False, float_format="%.6g")),
        ("runs.md", markdown_table(headers, shown, len(NAMES)) + "".join(f"\n- {note}" for note in notes)),
    ):
        with whole_file(folder / file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    _print(headers, shown)
    for note in notes:
        print(note)
    print(f"compare_runs: wrote {display(folder / 'runs.csv')} and runs.md")
    return table


def _configs(names: Sequence[str], overrides: Sequence[str]) -> list[tuple[Path, Config]]:
    """The runs to compare, with their config files."""
    if names:
        files = [Path(name) if name.endswith((".yaml", ".yml")) else run_config(name) for name in dict.fromkeys(names)]
        return [(file, _loaded(file, overrides)) for file in files]
    found = []
    for file in all_config_files():
        try:
            config = _loaded(file, overrides)
        except (ConfigError, DataError) as error:
            print(f"compare_runs: {display(file)} is left out: {(str(error).splitlines() or [''])[-1].strip()}")
            continue
        if any(trained_folds(run) for run in config.experiments):
            found.append((file, config))
    if not found:
        raise UsageError("no run has a trained fold yet; run `bash run_all.sh`, or name the runs to compare")
    return found


def _loaded(file: Path, overrides: Sequence[str]) -> Config:
    config = load_config(file, overrides)
    return config.model_copy(update={"data": explicit_data(config.data)})


def _print(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print the table without the columns that are blank for all runs, which no console has room for."""
    table = Table()
    shown = [number for number in range(len(headers)) if any(row[number] for row in rows)]
    for number in shown:
        table.add_column(headers[number], justify="left" if number < len(NAMES) else "right")
    for row in rows:
        table.add_row(*(row[number] for number in shown))
    print_table(table)
