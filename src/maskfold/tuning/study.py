"""The Optuna study of a class: the exact optima as its first trials, then soft gates, which no table holds, sampled.

All studies of a run are in one SQLite file, which Optuna's own tools open. Each trial's sampler is seeded by (seed,
finished trials), so an interrupted study continues as if it had never stopped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL

from maskfold.artefacts.provenance import Provenance, damage
from maskfold.rules.rules import AnyRule, ComponentRule, MaskRule
from maskfold.tuning.gates import SoftGateScores
from maskfold.tuning.search import Candidate, ClassSearch

Space = dict[str, optuna.distributions.BaseDistribution]

_START_UP_TRIALS = 10
_TRIALS_A_WRITE = 20  # that an interrupted search repeats at most


def usable_storage(path: Path) -> list[str]:
    """Why the file of the studies must be made again; empty for one that can be continued, or that is not there."""
    if not path.exists():
        return []
    if reasons := damage(path):
        return reasons
    try:
        with closing(sqlite3.connect(path)) as connection:  # takes back what a killed process had begun to write
            [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    except (sqlite3.Error, ValueError) as error:
        found = str(error)
    return [] if found == "ok" else [f"{path.name} is damaged ({found})"]


def remove_storage(path: Path) -> None:
    """Remove the file of the studies, and what SQLite would write back into a new one."""
    for each in (path, path.with_name(f"{path.name}-journal")):
        each.unlink(missing_ok=True)


def open_study(path: Path, name: str, made_from: Provenance) -> optuna.Study:
    """The study of this name, continued if it was made from the same tables, else a new one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = sqlite_url(path)
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    record = made_from.as_json()
    if study.user_attrs.get("made_from", record) != record:
        optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
    study.set_user_attr("made_from", record)
    return study


def sqlite_url(path: Path) -> str:
    """The address of an SQLite file as Optuna takes it; characters such as % and ? in the path stand for themselves."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def memory_study() -> optuna.Study:
    """A study that lives as long as this process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize")


def record_exact(study: optuna.Study, search: ClassSearch, exact: Sequence[Candidate]) -> None:
    """Add the exact optima as finished trials, once, so that the study can never end worse than they are."""
    study.set_user_attr("rules", list(search.tables))
    study.set_user_attr("area_columns", len(search.grid))
    for candidate in exact:
        attributes = {"how": "exact", "score of the chosen rule": candidate.score}
        params = _peak_params(candidate)
        _add_once(study, candidate.rule.model_dump_json(), attributes, candidate.best, params)


def sample_soft_gates(study: optuna.Study, scores: SoftGateScores, trials: int, seed: int) -> FrozenTrial | None:
    """The best of the first `trials` sampled trials, after sampling those that are missing; None with `trials` 0.

    Its parameters: rule, threshold, area_column, confident_share; see `gates.soft_gate`.
    """
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)  # what a killed run left behind
    # In memory, because SQLite writes each parameter of each trial to the disk before it goes on.
    quick, space, kept = memory_study(), _space(study), len(study.get_trials(deepcopy=False))
    quick.add_trials(study.get_trials(deepcopy=False))
    while len(sampled := _sampled(quick)) < trials:
        _one_trial(quick, space, scores, seed)
        if len(sampled) + 1 == trials or (len(sampled) + 1) % _TRIALS_A_WRITE == 0:
            study.add_trials(quick.get_trials(deepcopy=False)[kept:])
            kept = len(quick.get_trials(deepcopy=False))
    return max(sampled[:trials], key=lambda trial: (trial.value or 0.0, -trial.number), default=None)


def record_finishes(study: optuna.Study, tried: Sequence[tuple[AnyRule, float]]) -> None:
    """Add rules with hole filling or its like, and their scores on a sample, as pruned trials, once.

    Pruned, because a score on a sample does not compare with the others.
    """
    for rule, score in tried:
        _add_once(study, rule.model_dump_json(), {"how": "applied to a sample", "sample score": score}, None)


def _add_once(
    study: optuna.Study,
    rule: str,
    attributes: dict[str, Any],
    value: float | None,
    params: dict[str, Any] | None = None,
) -> None:
    if rule in {trial.user_attrs.get("rule") for trial in study.get_trials(deepcopy=False)}:
        return
    space = _space(study) if params else {}
    trial = optuna.create_trial(
        state=TrialState.PRUNED if value is None else TrialState.COMPLETE,
        value=value,
        user_attrs={"rule": rule, **attributes},
        params=params or {},
        distributions=space,
    )
    study.add_trial(trial)


def _peak_params(candidate: Candidate) -> dict[str, Any]:
    """The peak of an ungated table rule in the terms of the sampled trials (a soft gate that never falls); else {}."""
    rule = candidate.rule
    if candidate.peak is None or not isinstance(rule, ComponentRule | MaskRule) or rule.gate is not None:
        return {}
    threshold, column = candidate.peak
    return {"rule": rule.rule, "threshold": threshold, "area_column": column, "confident_share": 1.0}


def _space(study: optuna.Study) -> Space:
    """The space of the sampled trials; its size is kept with the study."""
    return {
        "rule": optuna.distributions.CategoricalDistribution(study.user_attrs["rules"]),
        "threshold": optuna.distributions.IntDistribution(1, 255),
        "area_column": optuna.distributions.IntDistribution(0, study.user_attrs["area_columns"] - 1),
        "confident_share": optuna.distributions.FloatDistribution(0.0, 1.0, step=0.05),
    }


def _sampled(study: optuna.Study) -> list[FrozenTrial]:
    """The finished trials that were sampled, in order."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in trials if "how" not in trial.user_attrs]


def _one_trial(study: optuna.Study, space: Space, scores: SoftGateScores, seed: int) -> None:
    """Sample one soft gate and record its score."""
    finished = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    own_seed = int(np.random.SeedSequence([seed, finished]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=own_seed, n_startup_trials=_START_UP_TRIALS)
    trial = study.ask(space)
    study.tell(trial, scores.score(**trial.params))
