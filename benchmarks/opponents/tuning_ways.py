"""Ways to choose a threshold and a minimum area: exact, a sampled study, a grid, the default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import optuna

from benchmarks.measuring.benchmark import say
from maskfold.tuning.plateau import best_setting, choose
from maskfold.tuning.tables.score_tables import FoldTables, ScoreTable, total

_TRIALS = 100
_GRID_THRESHOLDS = tuple(range(26, 256, 25))
_GRID_AREAS = (0, 100, 200, 400, 600, 1000, 2000, 3000)


class Scores(NamedTuple):
    """What a way to choose costs and finds: seconds, and means over classes."""

    seconds: float
    tuned: float
    honest: float


def sampled_choice(tables: Sequence[ScoreTable], seed: int) -> tuple[int, int]:
    """Row and column that an Optuna study of 100 trials ends with; the score is looked up, brute force would agree."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scores = total(tables).scores()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        area = trial.suggest_int("min_area_px", 0, 5000)
        return float(scores[trial.suggest_int("threshold", 1, 255) - 1, np.searchsorted(tables[0].area_grid, area)])

    study.optimize(objective, n_trials=_TRIALS)
    return study.best_params["threshold"] - 1, int(
        np.searchsorted(tables[0].area_grid, study.best_params["min_area_px"])
    )


def grid_choice(tables: Sequence[ScoreTable]) -> tuple[int, int]:
    """Row and column of the best of a hand-listed grid."""
    scores = total(tables).scores()
    columns = np.searchsorted(tables[0].area_grid, _GRID_AREAS)
    best = max(((t - 1, int(c)) for t in _GRID_THRESHOLDS for c in columns), key=lambda place: scores[place])
    return best


def exact_choice(tables: Sequence[ScoreTable]) -> tuple[int, int]:
    """Row and column of ours: the middle of the plateau."""
    choice = choose(tables)
    return choice.row, choice.column


def peak_choice(tables: Sequence[ScoreTable]) -> tuple[int, int]:
    """Row and column of the very peak."""
    return best_setting(total(tables))


def compare(paths: Sequence[Path], classes: int, brute_seconds: float, tables_seconds: float) -> dict[str, Scores]:
    """Mean tuned and honest score, and seconds, of every way to choose; prints a table."""
    ways: dict[str, tuple[Callable[[Sequence[ScoreTable]], tuple[int, int]], float]] = {
        "exact, middle of the plateau": (exact_choice, 0.0),
        "exact, very peak": (peak_choice, 0.0),
        f"Optuna, {_TRIALS} sampled trials": (lambda tables: sampled_choice(tables, 0), _TRIALS * brute_seconds),
        f"grid, {len(_GRID_THRESHOLDS)} x {len(_GRID_AREAS)}": (
            grid_choice,
            len(_GRID_THRESHOLDS) * len(_GRID_AREAS) * brute_seconds,
        ),
        "default 0.5": (lambda tables: (127, 0), brute_seconds),
    }
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for index in range(classes):
        tables = [FoldTables.load(path, [index]).table(0) for path in paths]
        for name, (way, _) in ways.items():
            started = perf_counter()
            place = way(tables)
            spent[name] += perf_counter() - started
            others = [way([t for k, t in enumerate(tables) if k != fold]) for fold in range(len(tables))]
            held_out = [table.scores()[other] for table, other in zip(tables, others, strict=True)]
            honest = float(np.average(held_out, weights=[table.images for table in tables]))
            rows[name].append((float(total(tables).scores()[place]), honest))
    found = {}
    for name, (_, brute) in ways.items():
        tuned, honest = np.mean(rows[name], axis=0)
        # Looking a sampled trial up costs us little, but whoever has no table pays a brute-force evaluation for it.
        seconds = brute or tables_seconds + spent[name]
        found[name] = Scores(seconds, float(tuned), float(honest))
        say(f"{name:34s} {seconds:10.1f} s   tuned {tuned:.5f}   honest {honest:.5f}")
    return found
