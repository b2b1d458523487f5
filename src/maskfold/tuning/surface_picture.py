"""The tuning surface of a class as a picture: the score at every threshold and minimum area."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from maskfold.rules.rules import AnyRule, ComponentRule
from maskfold.tuning.tables.score_tables import THRESHOLDS, ScoreTable


def plot_surface(
    table: ScoreTable,
    default: AnyRule,
    tuned: AnyRule,
    png: Path,
) -> None:
    """Draw a table with the default and the optimum marked: the tuned setting, or the peak where another rule won.

    Colours start at the median score, below which all is one colour; the last column leaves every mask
    empty.
    """
    scores = table.scores()
    figure = Figure(figsize=(6.4, 3.9), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    edges = np.sqrt(np.maximum(table.area_grid[:-1], 0.7) * table.area_grid[1:].astype(float))
    edges = np.r_[0.7, edges, table.area_grid[-1] * 1.05]
    mesh = axes.pcolormesh(
        edges,
        np.r_[THRESHOLDS, 256] / 255 - 0.5 / 255,
        scores,
        cmap="viridis",
        vmin=float(np.median(scores)),
        vmax=max(float(scores.max()), float(np.median(scores)) + 1e-6),
        rasterized=True,
    )
    axes.set_xscale("log")
    axes.set_xlabel("minimum area (px)")
    axes.set_ylabel("threshold (probability)")
    figure.colorbar(mesh, ax=axes, label=table.metric, extend="min")
    _mark(axes, default, "default", marker="o", size=9)
    if isinstance(tuned, ComponentRule):
        _mark(axes, tuned, "tuned", marker="*", size=14)
    else:
        row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
        peak = ComponentRule(threshold=int(THRESHOLDS[row]), min_area_px=int(table.area_grid[column]))
        _mark(axes, peak, f"best component rule (the tuned rule is a {tuned.rule} rule)", marker="*", size=14)
    axes.legend(loc="lower right", framealpha=0.6, fontsize=8)
    figure.savefig(png, metadata={"Software": None})


def _mark(axes: Axes, rule: AnyRule, label: str, marker: str, size: float) -> None:
    """Mark a component rule's setting; other rules have no place on this surface."""
    if isinstance(rule, ComponentRule):
        place = max(rule.min_area_px, 1), rule.threshold / 255
        axes.plot(*place, ls="", marker=marker, ms=size, color="white", mec="black", label=label)
