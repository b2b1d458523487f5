"""What a run was given by the competitions it was submitted to: honest scores against public ones."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from maskfold.drawing.svg_charts import Marks, axis, chart
from maskfold.on_kaggle.leaderboard import read_leaderboard

OWN, OTHERS = 0, 1  # colours of the chart


class Board(NamedTuple):
    """One competition.

    rows: of the run's submissions, the latest first: those of leaderboard.csv, and `gap`, public less honest, and
    `inside`, whether the public score is in the honest interval (NaN, None: not known); others: submissions of other
    runs; chart: all submissions that have both scores, None without any.
    """

    competition: str
    rows: list[dict[str, object]]
    others: int
    chart: Markup | None


def board_files(root: Path, run: str) -> list[Path]:
    """The leaderboard.csv of every competition that a run was submitted to. Raises DataError for one that is broken."""
    files = sorted((root / "reports").glob("*.kaggle/leaderboard.csv"))
    return [file for file in files if (read_leaderboard(file)["run"] == run).any()]


def boards(root: Path, run: str) -> list[Board]:
    """What is shown of each competition that a run was submitted to."""
    return [_board(file, run) for file in board_files(root, run)]


def _board(file: Path, run: str) -> Board:
    table = read_leaderboard(file)
    own = table["run"] == run
    rows = table[own].iloc[::-1].assign(gap=table["public"] - table["honest"]).to_dict("records")
    for row in rows:
        known = row["public"] == row["public"] and row["honest_low"] == row["honest_low"]
        row["inside"] = bool(row["honest_low"] <= row["public"] <= row["honest_high"]) if known else None
    return Board(file.parent.name.removesuffix(".kaggle"), rows, int((~own).sum()), _chart(table, own))


def _chart(table: pd.DataFrame, own: pd.Series) -> Markup | None:
    both = table["honest"].notna() & table["public"].notna()
    if not both.any():
        return None
    scores = table.loc[both, ["honest", "public"]].to_numpy()
    across, down = axis("honest", scores.ravel()), axis("public", scores.ravel())
    marks = [
        Marks(table["honest"][which & both], table["public"][which & both], colour, words, line=False)
        for colour, words, which in ((OTHERS, "another run", ~own), (OWN, "this run", own))
    ]
    return chart("Public against honest scores", across, down, marks, diagonal=True)
