"""The charts of the audit's page, as PNG files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from maskfold.audit.data.label_facts import LabelFacts
from maskfold.audit.data.separability import Separability
from maskfold.execution.text import chart_text

_INK, _GRID = "#3b4252", "#e5e9f0"
_COLOURS = {"train": "#2563eb", "valid": "#0f766e", "test": "#d97706"}
_MOST_CLASSES = 12
_TITLE_LETTERS = 40  # of a line
_MOST_STATISTICS = 3


def draw_sizes(images: pd.DataFrame, path: Path) -> None:
    """Width against height of every image, a colour a split; the dot grows with how many share the size."""
    figure, axes = _figure(1)
    for split, own in images.groupby("split", sort=False):
        counts = own.groupby(["width", "height"]).size().reset_index(name="images")
        area = 14 + 90 * counts["images"] / len(own)
        colour = _COLOURS[str(split)]
        axes[0].scatter(counts["width"], counts["height"], s=area, color=colour, alpha=0.5, lw=0, label=str(split))
    axes[0].set(xlabel="width, px", ylabel="height, px")
    axes[0].legend(frameon=False, fontsize=8.5)
    _finish(figure, axes, ["Sizes"], path)


def draw_coverage(labels: LabelFacts, path: Path) -> None:
    """How much of an image its masks cover, over the images that show something."""
    figure, axes = _figure(1)
    covered = 100 * labels.areas.groupby("image_id")["coverage"].sum().clip(upper=1)
    axes[0].hist(covered, bins=40, color=_COLOURS["train"])
    axes[0].set(xlabel="% of the image that all classes cover", ylabel="images")
    _finish(figure, axes, [f"Coverage of {len(covered)} images; {len(labels.empty)} more are empty"], path)


def draw_areas(labels: LabelFacts, classes: pd.DataFrame, path: Path) -> None:
    """The areas of each class's masks on a logarithmic scale, the natural minimum marked."""
    shown = classes[classes["images"] > 0].head(_MOST_CLASSES)
    figure, axes = _figure(max(1, len(shown)))
    titles = []
    for place, row in zip(axes, shown.to_dict("records"), strict=False):
        sizes = labels.areas.loc[labels.areas["class_name"] == row["class_name"], "area_px"].to_numpy(dtype=np.float64)
        low, high = max(1, sizes.min()) * 0.9, sizes.max() * 1.1
        place.hist(sizes, bins=np.geomspace(low, high, 30).tolist(), color=_COLOURS["train"])
        place.axvline(row["natural_min_px"], color=_COLOURS["test"], lw=1.5, ls="--")
        place.set_xscale("log")
        place.xaxis.set_minor_locator(NullLocator())
        place.set_xticks(ticks := log_ticks(low, high), [f"{tick:,}" for tick in ticks])
        place.set_xlabel("px of a mask")
        name = textwrap.fill(str(row["class_name"]), _TITLE_LETTERS)
        titles.append(f"{name}\n99 in 100 above {row['natural_min_px']:.0f} px")
    _finish(figure, axes, titles or ["no mask shows anything"], path)


def log_ticks(low: float, high: float) -> list[int]:
    """Up to four whole numbers of two digits from `low` to `high`, about equally far apart on a logarithmic scale."""
    found: list[int] = []
    for value in np.geomspace(low, high, 4):
        step = 10 ** max(0, math.floor(math.log10(max(1.0, value))) - 1)
        tick = step * round(value / step)
        if low <= tick <= high and (not found or math.log(tick / found[-1]) >= math.log(high / low) / 5):
            found.append(tick)
    return found


def draw_statistics(images: pd.DataFrame, found: Separability, path: Path) -> None:
    """The most telling statistics over training and test images."""
    shown = found.statistics.head(_MOST_STATISTICS)
    figure, axes = _figure(len(shown))
    for place, name in zip(axes, shown["statistic"], strict=True):
        values = images[name].dropna()
        edges = np.histogram_bin_edges(values, bins=30)
        for split, own in images.groupby("split", sort=False):
            heights, _ = np.histogram(own[name].dropna(), edges)
            style = _COLOURS[str(split)]
            place.stairs(heights / max(1, heights.sum()), edges, color=style, lw=1.8, label=str(split))
        place.legend(frameon=False, fontsize=8.5)
        place.set_ylabel("share of images")
    titles = [f"{row.statistic}: AUC {row.auc:.3f}" for row in shown.itertuples()]
    _finish(figure, axes, titles, path)


def draw_likeness(pairs: pd.DataFrame, least: float, path: Path) -> None:
    """How alike the pairs are."""
    figure, axes = _figure(1)
    axes[0].hist(pairs["likeness"], bins=np.linspace(least, 1, 36).tolist(), color=_COLOURS["train"])
    axes[0].set(xlabel="likeness: correlation of the two, laid over each other", ylabel="pairs")
    _finish(figure, axes, [f"Likeness of {len(pairs)} pairs"], path)


def _figure(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of `count` charts, three a row, and of at least one."""
    columns = min(3, count)
    rows = -(-count // columns)
    width = {1: 6.4, 2: 9.6, 3: 11.6}[columns]
    figure = Figure(figsize=(width, 3.4 * rows if rows == 1 else 2.8 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)  # not pyplot, whose global state keeps every figure alive
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _finish(figure: Figure, axes: Sequence[Axes], titles: Sequence[str], path: Path) -> None:
    for place, title in zip(axes, titles, strict=False):
        place.set_title(chart_text(title), loc="left", fontsize=10.5, color=_INK, fontweight="bold")
        place.grid(axis="y", color=_GRID, linewidth=0.8)
        place.set_axisbelow(True)
        place.tick_params(labelsize=8.5, colors=_INK, length=0)
        for side in ("top", "right", "left"):
            place.spines[side].set_visible(False)
    for place in axes[len(titles) :]:
        place.set_axis_off()
    figure.savefig(path, format="png", metadata={"Software": None})
