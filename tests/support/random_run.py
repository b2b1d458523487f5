"""A run as if it had been trained and tuned: random networks with rules beside them, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.config import Config, Experiment
from maskfold.network.model import build_model
from maskfold.network.trained import equal_weights, model_hashes, tta_of
from maskfold.rules.rules import Rule
from maskfold.rules.tuned import (
    Pair,
    RuleScores,
    TunedArtefact,
    TunedClass,
)


def write_weights(config: Config, seed: int = 0) -> None:
    """Random weights of every model, model k from seed + k."""
    for number in range(config.models if isinstance(config, Experiment) else config.folds.models):
        torch.manual_seed(seed + number)
        path = RunPaths.of(config).model(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(build_model(config.model, len(config.data.class_names or ())).state_dict(), path)


def write_rules(config: Config, rules: Sequence[Rule], **changes: Any) -> None:
    """postprocess.json of the weights that are there; rules: one a class; changes: other values of the artefact."""
    values: dict[str, Any] = {
        "name": config.name,
        "metric": "dice",
        "scores": RuleScores(all_empty=0, default=0, tuned=0, honest=0),
        "tta": tta_of(config),
        "ensemble_weights": equal_weights(config),
        "checkpoints": model_hashes(config),
        "oof": {},
    } | changes
    pair = Pair(default=None, tuned=None)
    classes = tuple(
        TunedClass(
            class_name=name,
            rule=rule,
            tuned_rule=rule,
            adopted=True,
            reason="",
            scores=values["scores"],
            non_empty_dice=pair,
            predicted_share=pair,
            true_share=0.5,
        )
        for name, rule in zip(config.data.class_names or (), rules, strict=True)
    )
    path = RunPaths.of(config).postprocess_json
    TunedArtefact(classes=classes, **values).write(path)
    Provenance("random rules", {}).write(path)
