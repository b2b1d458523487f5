"""The curves of one fold's training as a picture: losses, metric, learning rate and seconds over the epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from maskfold.artefacts.files import whole_file

_INK = "#3b4252"
_TRAIN = "#8a94a6"
_VALID = "#2563eb"
_BEST = "#d97706"
_CLASS_LINES = ("#0f766e", "#9333ea", "#be123c", "#65a30d", "#0891b2", "#a16207")


def read_history(history_csv: Path) -> pd.DataFrame:
    """The history of one fold, one row an epoch; columns as `RunPaths.history_csv` lists them.

    Values are float64 but epoch, which is int64; a value that was not measured is NaN. Raises ValueError when there is
    no epoch column, OSError when the file cannot be read.
    """
    history = pd.read_csv(history_csv)
    if "epoch" not in history:
        raise ValueError(f"{history_csv}: no column epoch; found {', '.join(map(str, history.columns))}")
    measured = history.columns.drop("epoch")
    history[measured] = history[measured].astype("float64")
    # A resumed training may have logged its last epoch twice; the later row is the one the weights came from.
    return history.drop_duplicates("epoch", keep="last").sort_values("epoch", ignore_index=True)


def best_row(history: pd.DataFrame) -> pd.Series | None:
    """The first epoch with the best valid_metric, or None when no epoch measured it."""
    metric = history.get("valid_metric")
    if metric is None or metric.notna().sum() == 0:
        return None
    return history.iloc[int(metric.to_numpy(dtype=np.float64, na_value=-np.inf).argmax())]


def plot_history(history_csv: Path, png: Path) -> None:
    """Draw losses, metric, learning rate and seconds of one fold; the same history gives the same bytes.

    Columns that the history lacks are left out. `png` appears whole or not at all. Raises as `read_history` does.
    """
    history = read_history(history_csv)
    figure = Figure(figsize=(9.6, 5.6), dpi=110, layout="constrained")
    # Not pyplot: its global state would pick a window toolkit and keep every figure of a long training alive.
    FigureCanvasAgg(figure)
    loss, metric, rate, seconds = figure.subplots(2, 2).flat
    _draw(loss, history, {"train_loss": ("training", _TRAIN), "valid_loss": ("validation", _VALID)}, "Loss")
    _draw_metric(metric, history)
    _draw(rate, history, {"learning_rate": ("learning rate", _INK)}, "Learning rate")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    _draw(seconds, history, {"seconds": ("seconds", _INK)}, "Seconds an epoch")
    seconds.set_ylim(bottom=0)
    with whole_file(png) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_metric(axes: Axes, history: pd.DataFrame) -> None:
    """The metric with its best epoch marked, and thin lines of the Dice of each class where they were logged."""
    classes = [column for column in history.columns if column.startswith("dice_")]
    for index, column in enumerate(classes):
        colour = _CLASS_LINES[index % len(_CLASS_LINES)]
        label = f"Dice, class {column.removeprefix('dice_')}"
        axes.plot(*_measured(history, column), color=colour, linewidth=0.9, alpha=0.7, label=label)
    _draw(axes, history, {"valid_metric": ("metric", _VALID)}, "Validation metric")
    best = best_row(history)
    if best is not None:
        axes.plot(best["epoch"], best["valid_metric"], "o", color=_BEST, markersize=6)
        axes.set_title(f"best {best['valid_metric']:.4f} in epoch {best['epoch']:.0f}", loc="right", fontsize=9)
    if classes:
        axes.legend(frameon=False, fontsize=7.5, ncols=2)


def _draw(axes: Axes, history: pd.DataFrame, lines: dict[str, tuple[str, str]], title: str) -> None:
    """Lines (column -> label, colour) over the epochs; a lone epoch is a dot, not an invisible line."""
    present = {column: style for column, style in lines.items() if column in history}
    for column, (label, colour) in present.items():
        epochs, values = _measured(history, column)
        marker = "o" if len(epochs) == 1 else None
        axes.plot(epochs, values, color=colour, linewidth=1.8, marker=marker, label=label)
    axes.set_title(title, loc="left", fontsize=10.5, color=_INK, fontweight="bold")
    axes.set_xlabel("epoch", fontsize=9, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#e5e9f0", linewidth=0.8)
    axes.tick_params(labelsize=8.5, colors=_INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c5ccd8")
    if len(present) > 1:
        axes.legend(frameon=False, fontsize=8.5)


def _measured(history: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """(epochs, values) of the epochs that measured a column: not every epoch is validated."""
    rows = history[history[column].notna()]
    return rows["epoch"], rows[column]
