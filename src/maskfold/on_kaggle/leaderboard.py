"""What was submitted to a competition: the honest score of each run beside the public one, as csv and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.paths import display
from maskfold.errors import DataError
from maskfold.execution.text import chart_text, spreadsheet

SCORES = ("honest", "honest_low", "honest_high", "public", "private")
COLUMNS = ("date", "run", "message", *SCORES, "submission", "file", "sha256")
_COLOURS = {"honest": "#2563eb", "public": "#d97706", "private": "#15803d"}
_INK = "#3b4252"


def read_leaderboard(path: Path) -> pd.DataFrame:
    """The rows so far, in the order of their submission; none where there is no file. Raises DataError for another."""
    if not path.is_file():
        return pd.DataFrame({name: pd.Series(dtype="float64" if name in SCORES else "str") for name in COLUMNS})
    texts = {name: str for name in COLUMNS if name not in SCORES}
    try:
        found = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values={name: [""] for name in SCORES})
        found = found.astype(dict.fromkeys(SCORES, "float64"))
    except (ValueError, KeyError) as error:
        raise DataError([f"{display(path)}: cannot be read as a leaderboard ({error}); move it away"]) from None
    if tuple(found.columns) != COLUMNS:
        raise DataError([f"{display(path)}: has the columns {list(found.columns)}, expected {list(COLUMNS)}"])
    return found


def with_row(table: pd.DataFrame, row: Mapping[str, object]) -> pd.DataFrame:
    """The table with one more row, whose missing scores are not known."""
    added = pd.DataFrame([{name: row.get(name, float("nan") if name in SCORES else "") for name in COLUMNS}])
    return added if table.empty else pd.concat([table, added], ignore_index=True)


def write_leaderboard(table: pd.DataFrame, path: Path, title: str) -> None:
    """Write leaderboard.csv, and beside it leaderboard.png."""
    with whole_file(path) as temporary:
        spreadsheet(table).to_csv(temporary, index=False)
    with whole_file(path.with_suffix(".png")) as temporary:
        draw(table, title, temporary)


def draw(table: pd.DataFrame, title: str, png: Path) -> None:
    """Draw honest scores with their intervals, public and private ones over the time of submission.

    A public score outside of the interval, or one that goes down where the honest one goes up, is a shake-up to come.
    """
    # The report reads leaderboards too, and need not wait for matplotlib.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)  # not pyplot, whose global state would pick a window toolkit
    axes = figure.subplots()
    dates = pd.to_datetime(table["date"])
    known = table["honest"].notna()
    low, high = (table[name].fillna(table["honest"])[known] for name in ("honest_low", "honest_high"))
    honest = table["honest"][known]
    axes.errorbar(
        dates[known],
        honest,
        yerr=[honest - low, high - honest],
        color=_COLOURS["honest"],
        marker="o",
        capsize=3,
        label="honest, 95 % interval",
    )
    for name in ("public", "private"):
        told = table[name].notna()
        if told.any():
            axes.plot(dates[told], table[name][told], color=_COLOURS[name], marker="s", label=name)
    axes.set_title(chart_text(title), loc="left", fontsize=10.5, color=_INK, fontweight="bold")
    axes.set_ylabel("score", color=_INK)
    axes.tick_params(axis="x", labelrotation=30, labelsize=8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(png, format="png", metadata={"Software": None})
