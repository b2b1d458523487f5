"""The history of one fold's training, as history.csv holds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd


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


def best_row(history: pd.DataFrame) -> pd.Series | None:
    """The first epoch with the best valid_metric, or None when no epoch measured it."""
    metric = history.get("valid_metric")
    if metric is None or metric.notna().sum() == 0:
        return None
    return history.iloc[int(metric.to_numpy(dtype=np.float64, na_value=-np.inf).argmax())]
