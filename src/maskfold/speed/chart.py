"""The speed table as a picture: milliseconds an image of every backend, a panel a device and batch size."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from maskfold.execution.text import chart_text

_INK = "#3b4252"
_BAR = "#2563eb"
_REFERENCE = "#8a94a6"
_PANEL_WIDTH, _BAR_HEIGHT = 5.2, 0.34  # inches


def plot_speed(table: pd.DataFrame, title: str, png: Path) -> None:
    """Draw the measured rows of a speed table; the same table gives the same bytes."""
    measured = table[table["note"] == ""]
    panels = list(measured.groupby(["device", "batch"], sort=False))
    bars = max((len(rows) for _, rows in panels), default=1)
    figure = Figure(
        figsize=(_PANEL_WIDTH * max(1, len(panels)), 1.4 + _BAR_HEIGHT * bars), dpi=110, layout="constrained"
    )
    FigureCanvasAgg(figure)  # not pyplot, whose global state would pick a window toolkit
    figure.suptitle(chart_text(title), x=0.01, ha="left", fontsize=10.5, color=_INK, fontweight="bold")
    axes = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
    for panel, ((device, batch), rows) in zip(axes, panels, strict=False):
        _draw(panel, rows, f"{device}, batch {batch}")
    figure.savefig(png, format="png", metadata={"Software": None})


def _draw(axes: Axes, rows: pd.DataFrame, title: str) -> None:
    """One bar a backend with its deviation; the line is the fp32 torch that all are compared with."""
    batch = rows["batch"].iloc[0]
    mean, deviation = rows["mean_ms"] / batch, rows["std_ms"] / batch
    names = rows["backend"].tolist()
    axes.barh(names, mean, xerr=deviation, color=_BAR, height=0.62, error_kw={"ecolor": _INK, "elinewidth": 1})
    for name, value, spread in zip(names, mean, deviation, strict=True):
        axes.annotate(f" {value:.1f}", (value + spread, name), va="center", fontsize=8, color=_INK)
    if "torch" in names:
        axes.axvline(mean.iloc[names.index("torch")], color=_REFERENCE, linewidth=1, linestyle="--")
    axes.set_title(title, loc="left", fontsize=9.5, color=_INK)
    axes.set_xlabel("ms an image", fontsize=9, color=_INK)
    axes.set_xlim(0, 1.18 * float((mean + deviation).max()))
    axes.invert_yaxis()
    axes.tick_params(labelsize=8.5, colors=_INK, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c5ccd8")
