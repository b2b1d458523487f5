"""What the histories of all trained networks say."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Blend, Config, Experiment
from maskfold.training.history import best_row, usable_history


def trained_models(config: Config) -> list[tuple[Experiment, int]]:
    """Every trained network: (experiment, model) of the run itself, or of all members of a blend."""
    return [(run, model) for run in config.experiments for model in range(run.models)]


def histories(config: Config) -> dict[str, pd.DataFrame]:
    """The usable histories of the trained networks by name: fold 0, of a blend <member> fold 0; see `read_history`."""
    found = {name: usable_history(RunPaths.of(run).history_csv(model)) for name, (run, model) in _named(config).items()}
    return {name: history for name, history in found.items() if history is not None}


def _named(config: Config) -> dict[str, tuple[Experiment, int]]:
    """Title -> every trained network."""
    blend = isinstance(config, Blend)
    pairs = trained_models(config)
    return {(f"{run.name} " if blend else "") + run.model_title(model): (run, model) for run, model in pairs}


def used_epoch(history: pd.DataFrame, select: str) -> pd.Series | None:
    """The row of the epoch whose weights are in use; select: `train.select`; None when no epoch measured the metric."""
    return history.iloc[-1] if select == "last" else best_row(history)


def training_rows(config: Config, found: dict[str, pd.DataFrame]) -> list[dict[str, object]]:
    """One row a model: name, epoch (from 1), epochs, metric, loss, minutes, and dice: of each class in that epoch.

    found: what `histories` returns. A value that was not measured is NaN.
    """
    rows: list[dict[str, object]] = []
    runs = _named(config)
    for name, history in found.items():
        run, _ = runs[name]
        used = used_epoch(history, run.train.select)
        used = history.iloc[-1] if used is None else used  # a training without validation
        rows.append(
            {
                "name": name,
                "epoch": int(used["epoch"]) + 1,
                "epochs": len(history),
                "metric": used["valid_metric"],
                "loss": used["valid_loss"],
                "minutes": history["seconds"].sum() / 60,
                "dice": _dice(used, config.data.class_names),
            }
        )
    return rows


def _dice(epoch: pd.Series, class_names: Sequence[str]) -> list[float]:
    return [float(epoch.get(f"dice_{name}", float("nan"))) for name in class_names]
