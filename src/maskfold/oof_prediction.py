"""The OOF stage: every training image predicted by the fold that has not seen it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.ensemble import oof_metadata, oof_provenance
from maskfold.executor import run_jobs
from maskfold.folds import read_folds
from maskfold.oof import OofWriter
from maskfold.paths import RunPaths, display
from maskfold.progress import tracked
from maskfold.provenance import Provenance


def predict_oof(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Predict each fold's validation images with the model that has not seen them, into the OOF store.

    Of a blend, the OOF of its members is combined.
    """
    if config.blend is not None:
        # numba takes a second to import, and an experiment does not need it here.
        from maskfold.blending.stage import blend_oof

        blend_oof(config, competition, accept_code_changes)
        return
    paths = RunPaths.of(config)
    fold_of = competition.train["image_id"].map(read_folds(config, competition).set_index("image_id")["fold"])
    jobs = []
    for fold, made_from in enumerate(oof_provenance(config, competition)):
        reasons = made_from.staleness(paths.oof_parquet(fold), accept_code_changes)
        print(
            f"predict_oof: fold {fold} {'is due: ' + '; '.join(reasons) if reasons else 'is fresh, skipped'}",
            flush=True,
        )
        if reasons:
            jobs.append(FoldJob(config, fold, competition.train[fold_of == fold], made_from))
    for path in run_jobs(_predict_fold, jobs):
        print(f"predict_oof: wrote {display(path)}", flush=True)


class FoldJob(NamedTuple):
    """One fold's OOF: its validation images (image_id, path, height, width), and what it is made from."""

    config: Config
    fold: int
    images: pd.DataFrame
    made_from: Provenance


def _predict_fold(job: FoldJob) -> Path:
    """Make one OOF file; returns its path."""
    # torch takes seconds to import, and a fresh stage does not need it.
    from maskfold.inference import predict_images
    from maskfold.models import load_model

    config, paths = job.config, RunPaths.of(job.config)
    path, class_count = paths.oof_parquet(job.fold), len(config.data.class_names)
    model = load_model(paths.model(job.fold), config.model, class_count)
    metadata = oof_metadata(config, job.made_from.inputs["model"])
    with OofWriter(path, class_count, metadata) as writer:
        predictions = predict_images([model], [1.0], job.images, config)
        for prediction in tracked(predictions, len(job.images), f"fold {job.fold}"):
            writer.write(prediction.image_id, job.fold, prediction.prob, prediction.class_prob)
    job.made_from.write(path)
    return path
