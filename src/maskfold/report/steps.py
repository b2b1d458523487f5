"""What each step of the pipeline adds to the OOF score, as far as artefacts know it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config, Experiment
from maskfold.errors import StaleError
from maskfold.report.trainings import used_epoch
from maskfold.rules.tuned import TunedArtefact
from maskfold.training.history import usable_history


@dataclass(frozen=True)
class Step:
    """One step; score: None where no artefact knows it; source: how it is known, or why not."""

    name: str
    score: float | None
    source: str
    gain: float | None = None


def ensemble_steps(config: Config, tuned: TunedArtefact) -> list[Step]:
    """From empty masks to the mean of the folds, each with its gain over the step before it."""
    scores = tuned.scores
    networks = [score for run in config.experiments for score in _alone(run)]
    alone = float(np.mean(networks)) if networks else None
    steps = [Step("all masks empty", scores.all_empty, "the labels")]
    if alone is not None:
        source = f"validation during training, mean of {len(networks)} models"
        steps.append(_step("one model, the image as it is, p ≥ 0.5", alone, source, scores.all_empty))
    before = scores.all_empty if alone is None else alone
    if isinstance(config, Experiment):
        views = ", ".join(tuned.tta) or "none"
        steps.append(_step(f"with test-time views ({views})", scores.default, "OOF, p ≥ 0.5", before))
    else:
        members = _members(config)
        for name, score in members.items():
            source = "OOF of the member, p ≥ 0.5" if score is not None else "the member is not tuned separately"
            steps.append(_step(f"{name} with test-time views", score, source, before))
        best = max((score for score in members.values() if score is not None), default=None)
        steps.append(_step("the members blended", scores.default, "OOF, p ≥ 0.5; gain over the best member", best))
    steps.append(
        _step(
            "with the rules in use",
            scores.honest,
            f"OOF, rules chosen on the other {config.folds.part_word}s",
            scores.default,
        )
    )
    if len(networks) > 1:
        unknown = "unknown: no labelled image is new to all models"
        steps.append(Step("mean of the models, on test images", None, unknown))
    return steps


def _step(name: str, score: float | None, source: str, before: float | None) -> Step:
    return Step(name, score, source, None if score is None or before is None else score - before)


def _alone(run: Experiment) -> list[float]:
    """The validation metric of the weights in use, fold by fold, where training measured it."""
    scores = []
    for fold in range(run.folds.models):
        history = usable_history(RunPaths.of(run).history_csv(fold))
        used = None if history is None else used_epoch(history, run.train.select)
        if used is not None and np.isfinite(used["valid_metric"]):
            scores.append(float(used["valid_metric"]))
    return scores


def _members(config: Config) -> dict[str, float | None]:
    """The default OOF score of each member of a blend."""
    scores: dict[str, float | None] = {}
    for run in config.experiments:
        try:
            scores[run.name] = TunedArtefact.read(RunPaths.of(run).postprocess_json).scores.default
        except StaleError:
            scores[run.name] = None
    return scores
