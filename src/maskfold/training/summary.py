"""A table of the trained models, from their histories."""

from __future__ import annotations

import pandas as pd
from rich.table import Table

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.execution.console import print_table
from maskfold.training.history import best_row, usable_history


def fold_summary(config: Config) -> pd.DataFrame:
    """One row a validated fold: epochs, best epoch and metric, last losses and metric, Dice by class, minutes, MB.

    The Dice of a class is over its non-empty images at the last validated epoch, threshold 0.5. The last row is the
    mean over the folds. The one model of a hold-out has one row, called after the run.
    """
    alone = config.folds.held_out_once
    paths, rows = RunPaths.of(config), []
    for fold in range(config.folds.models):
        history = usable_history(paths.history_csv(fold))
        best = None if history is None else best_row(history)
        if history is None or best is None:
            continue
        validated = history[history["valid_metric"].notna()]
        last = validated.iloc[-1]
        rows.append(
            {
                "model" if alone else "fold": config.name if alone else str(fold),
                "epochs": len(history),
                "best epoch": int(best["epoch"]) + 1,
                "best metric": best["valid_metric"],
                "metric": last["valid_metric"],
                "loss": last["train_loss"],
                "validation loss": last["valid_loss"],
                **{str(name).replace("_", " ", 1): last[name] for name in history if str(name).startswith("dice_")},
                "minutes": history["seconds"].sum() / 60,
                "peak MB": history["peak_memory_mb"].max(),
            }
        )
    table = pd.DataFrame(rows)
    if len(table) and not alone:
        mean = {"fold": "mean", **table.drop(columns="fold").mean().to_dict()}
        table = pd.concat([table, pd.DataFrame([mean])], ignore_index=True)
    return table


def show_folds(config: Config) -> None:
    """Print a table of the trained folds, and write it to runs/<name>/folds.csv unless that holds the same."""
    summary = fold_summary(config)
    if summary.empty:
        return
    table = Table()
    for name in summary.columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in summary.itertuples(index=False):
        table.add_row(*(_short(name, value) for name, value in zip(summary.columns, row, strict=True)))
    print_table(table)
    path, text = RunPaths.of(config).folds_summary_csv, summary.to_csv(index=False, float_format="%.6g")
    if not (path.is_file() and path.read_bytes() == text.encode()):
        with whole_file(path) as temporary:
            temporary.write_bytes(text.encode())


def _short(column: str, value: str | float) -> str:
    """Counts as whole numbers, minutes with one digit, scores and losses with four."""
    if isinstance(value, str):
        return value
    digits = {"epochs": 0, "best epoch": 0, "peak MB": 0, "minutes": 1}.get(column, 4)
    return f"{value:.{digits}f}"
