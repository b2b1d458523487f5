"""The OOF stage: every training image predicted by the fold that has not seen it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.ensemble import model_hashes
from maskfold.executor import run_jobs
from maskfold.folds import read_folds
from maskfold.oof import OofWriter
from maskfold.paths import RunPaths, display
from maskfold.progress import tracked
from maskfold.provenance import Provenance, code_version, file_hash


def predict_oof(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Predict each fold's validation images with the model that has not seen them, into the OOF store."""
    paths = RunPaths.of(config)
    fold_of = competition.train["image_id"].map(read_folds(config, competition).set_index("image_id")["fold"])
    hashes = model_hashes(config)
    inputs = {"folds": file_hash(paths.folds_csv), "images": competition.train_inputs()["training images"]}
    jobs = []
    for fold in range(config.folds.count):
        made_from = Provenance(
            "predict_oof",
            inference_settings(config),
            {**inputs, "model": hashes[f"fold{fold}"]},
            code_version("maskfold.inference"),
        )
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
    metadata = {"checkpoint": job.made_from.inputs["model"], "tta": ",".join(config.inference.tta)}
    with OofWriter(path, class_count, metadata) as writer:
        predictions = predict_images([model], [1.0], job.images, config)
        for prediction in tracked(predictions, len(job.images), f"fold {job.fold}"):
            writer.write(prediction.image_id, job.fold, prediction.prob, prediction.class_prob)
    job.made_from.write(path)
    return path


def inference_settings(config: Config) -> dict[str, object]:
    """The config values, beside the weights, that decide what a model predicts for an image."""
    return {
        "model": config.model.model_dump(exclude={"encoder_weights"}),
        "inference": config.inference.model_dump(exclude={"shard_images"}),
        "precision": config.train.precision,
    }
