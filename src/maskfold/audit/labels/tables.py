"""The csv files of the label audit."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from maskfold.audit.labels.ranking import EXCLUDE, PILES
from maskfold.execution.text import spreadsheet

_FIRST = ["image_id", "class_name", "fold", "score", "pile", "reason", "detail"]
_EXCLUDED = ["image_id", "score", "pile", "class_name", "reason", "detail"]


def write_tables(ranked: pd.DataFrame, folder: Path) -> None:
    """labels.csv: all labels, the most suspicious first; exclude.csv and suspects.csv: one row an image to leave out.

    exclude.csv holds the images with a label of the pile `exclude`, suspects.csv those to fix as well; data.exclude
    takes either.
    """
    rest = [column for column in ranked.columns if column not in _FIRST]
    labels = spreadsheet(ranked[_FIRST + rest])
    labels.to_csv(folder / "labels.csv", index=False, float_format="%.6g", lineterminator="\n")
    for name, piles in (("exclude", [EXCLUDE]), ("suspects", [EXCLUDE, *PILES[1:2]])):
        selected = ranked[ranked["pile"].isin(piles)].drop_duplicates("image_id")
        excluded = spreadsheet(selected[_EXCLUDED], exact=["image_id"])
        excluded.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
