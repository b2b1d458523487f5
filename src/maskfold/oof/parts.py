"""The parts of a run's OOF: which images each holds, which models predict them, and what it is made from.

A part is what tuning leaves out in turn: a fold of the first cut, or a part of the images held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.provenance import Provenance
from maskfold.config import Experiment
from maskfold.data.competition import Competition
from maskfold.folds.table import folds_hash, read_folds
from maskfold.folds.visibility import (
    excluded_ids,
    ids_hash,
    models_of,
    scored_images,
)
from maskfold.network.trained import inference_settings, model_hashes, model_names


@dataclass(frozen=True)
class OofPart:
    """One OOF file of an experiment.

    images: image_id, path, height, width, and models, the tuple of the models that have not seen the image;
    checkpoints: fold0 -> SHA-256 of the weights of every model that predicts for this part.
    """

    part: int
    images: pd.DataFrame
    checkpoints: dict[str, str]
    made_from: Provenance


def oof_parts(config: Experiment, competition: Competition) -> list[OofPart]:
    """The parts of an experiment's OOF in order. Raises StaleError when folds or a model are missing."""
    folds = read_folds(config, competition)
    scored = scored_images(config, competition, folds)
    scored = scored.assign(models=scored["image_id"].map(models_of(folds, config.folds)))
    digests = list(model_hashes(config).values())
    names = model_names(config)
    everywhere = config.data.exclude_from == "everything"
    excluded = excluded_ids(config, competition) if everywhere else frozenset()
    shared = {
        "folds": folds_hash(config),
        "images": competition.train_inputs()["training images"],
    }
    settings, code = inference_settings(config), code_version("oof")
    parts = []
    for part in range(config.folds.count):
        images = scored[scored["fold"] == part].drop(columns="fold")
        used = sorted({model for models in images["models"] for model in models})
        labels = ["model"] if len(used) == 1 else [f"model {names[model]}" for model in used]
        inputs = shared | {label: digests[model] for label, model in zip(labels, used, strict=True)}
        left_out = excluded & set(folds["image_id"][folds["fold"] == part])
        if left_out:
            inputs["excluded images"] = ids_hash(left_out)
        checkpoints = {names[model]: digests[model] for model in used}
        made_from = Provenance("predict_oof", settings, inputs, code, f"fold{part}", config.name)
        parts.append(OofPart(part, images, checkpoints, made_from))
    return parts
