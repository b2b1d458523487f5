"""The OOF stage: every training image predicted by the fold that has not seen it."""

from __future__ import annotations

from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.ensemble import model_hashes
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
    for fold in range(config.folds.count):
        path = paths.oof_parquet(fold)
        made_from = Provenance(
            "predict_oof",
            inference_settings(config),
            {**inputs, "model": hashes[f"fold{fold}"]},
            code_version("maskfold.inference"),
        )
        reasons = made_from.staleness(path, accept_code_changes)
        if not reasons:
            print(f"predict_oof: fold {fold} is fresh, skipped")
            continue
        print(f"predict_oof: fold {fold}: {'; '.join(reasons)}", flush=True)
        # torch takes seconds to import, and a fresh stage does not need it.
        from maskfold.inference import predict_images
        from maskfold.models import load_model

        images = competition.train[fold_of == fold]
        model = load_model(paths.model(fold), config.model, len(competition.class_names))
        metadata = {"checkpoint": hashes[f"fold{fold}"], "tta": ",".join(config.inference.tta)}
        with OofWriter(path, len(competition.class_names), metadata) as writer:
            for prediction in tracked(predict_images([model], [1.0], images, config), len(images), f"fold {fold}"):
                writer.write(prediction.image_id, fold, prediction.prob, prediction.class_prob)
        made_from.write(path)
        print(f"predict_oof: fold {fold}: wrote {display(path)}, {len(images)} images", flush=True)


def inference_settings(config: Config) -> dict[str, object]:
    """The config values, beside the weights, that decide what a model predicts for an image."""
    return {
        "model": config.model.model_dump(exclude={"encoder_weights"}),
        "inference": config.inference.model_dump(exclude={"shard_images"}),
        "precision": config.train.precision,
    }
