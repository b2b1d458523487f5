"""The history of one fold's training, as history.csv holds it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.artefacts.files import whole_file
from maskfold.artefacts.provenance import Provenance, damage

COLUMNS = ("epoch", "train_loss", "valid_loss", "valid_metric", "learning_rate", "seconds", "peak_memory_mb")


def write_history(history_csv: Path, rows: Sequence[Mapping[Hashable, Any]]) -> None:
    """Write the history of one fold, one row an epoch, and record what was written."""
    with whole_file(history_csv) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    Provenance("history", {}).write(history_csv)


def read_history(history_csv: Path) -> pd.DataFrame:
    """The history of one fold, one row an epoch; columns as `HistoryCallback` writes them.

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


def usable_history(history_csv: Path) -> pd.DataFrame | None:
    """What `read_history` returns; None for a file that is missing or damaged."""
    if not history_csv.is_file() or damage(history_csv):
        return None
    try:
        history = read_history(history_csv)
    except (ValueError, OSError):
        return None
    return history if len(history) and set(COLUMNS) <= set(history.columns) else None


def best_row(history: pd.DataFrame) -> pd.Series | None:
    """The first epoch with the best valid_metric, or None when no epoch measured it."""
    metric = history.get("valid_metric")
    if metric is None or metric.notna().sum() == 0:
        return None
    return history.iloc[int(metric.to_numpy(dtype=np.float64, na_value=-np.inf).argmax())]
