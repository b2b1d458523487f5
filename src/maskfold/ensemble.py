"""The trained folds that answer together: which there are, how much each counts, and what OOF was predicted with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from maskfold.config import Combine, Config
from maskfold.oof import read_metadata
from maskfold.paths import RunPaths, display
from maskfold.provenance import StaleError, file_hash

_SAME_IN_ALL_PARTS = {
    "tta": "TTA",
    "predicted_with": "networks or sizes",
    "combine": "ways to combine members",
    "weights": "weights of the members",
}


def experiments(config: Config) -> tuple[Config, ...]:
    """The experiments that are trained for a config: the members of a blend, else the config itself."""
    return (config,) if config.blend is None else config.blend.members


def fold_names(config: Config) -> list[str]:
    """`fold0`, `fold1`, … in order: the trained models of an experiment."""
    return [f"fold{model}" for model in range(config.folds.models)]


def equal_weights(config: Config) -> dict[str, float]:
    """The same weight for every model, summing to 1."""
    names = fold_names(config)
    return dict.fromkeys(names, 1 / len(names))


def model_hashes(config: Config) -> dict[str, str]:
    """`fold0`, of a blend `<member>/fold0`, -> SHA-256 of its weights. StaleError when any is missing."""
    found, problems = {}, []
    for run in experiments(config):
        paths = RunPaths.of(run)
        missing = [fold for fold in range(run.folds.models) if not paths.model(fold).is_file()]
        if missing:
            problems.append(
                f"{display(paths.run)}: folds {missing} are not trained yet; "
                f"run `python src/train.py --config configs/{run.name}.yaml`"
            )
            continue
        for fold, name in enumerate(fold_names(run)):
            found[_of_run(config, run, name)] = file_hash(paths.model(fold))
    if problems:
        raise StaleError("\n".join(problems))
    return found


def tta_of(config: Config) -> tuple[str, ...]:
    """The views beside the untouched image; `<member>/<view>` of a blend."""
    return tuple(_of_run(config, run, view) for run in experiments(config) for view in run.inference.tta)


def _of_run(config: Config, run: Config, name: str) -> str:
    return name if config.blend is None else f"{run.name}/{name}"


def inference_settings(config: Config) -> dict[str, object]:
    """The config values, beside the weights, that decide what the trained folds predict for an image."""
    if config.blend is not None:
        return {run.name: inference_settings(run) for run in config.blend.members} | {"combine": config.blend.combine}
    return {
        "model": config.model.model_dump(exclude={"encoder_weights"}),
        "inference": config.inference.model_dump(exclude={"shard_images"}),
        "precision": config.train.precision,
    }


def network_settings(config: Config) -> dict[str, object]:
    """What the same weights must be used with to predict the same: `model.resize` -> value; of a blend `<member>/…`."""
    found: dict[str, object] = {}
    for run in experiments(config):
        model = run.model.model_dump(mode="json", exclude={"encoder_weights", "classification_dropout"})
        tiles = run.inference.model_dump(mode="json", include={"tile_size", "tile_overlap", "pad_multiple"})
        found |= {_of_run(config, run, f"model.{key}"): value for key, value in model.items()}
        found |= {_of_run(config, run, f"inference.{key}"): value for key, value in tiles.items()}
    return found


@dataclass(frozen=True)
class OofOrigin:
    """What a run's OOF was predicted with, as its files say.

    weights: fold0 -> weight of a test prediction, of a blend member -> weight; checkpoints: fold0, of a blend
    <member>/fold0, -> SHA-256 of the weights; combine: how the members of a blend were combined; predicted_with: the
    `network_settings`, where the files hold them.
    """

    tta: tuple[str, ...]
    weights: dict[str, float]
    checkpoints: dict[str, str]
    combine: Combine | None
    predicted_with: dict[str, object] | None


def oof_metadata(config: Config, checkpoints: dict[str, str]) -> dict[str, str]:
    """What a part of an experiment's OOF says about itself; checkpoints: fold0 -> SHA-256 of the weights."""
    return {
        "models": json.dumps(checkpoints),
        "tta": ",".join(tta_of(config)),
        "predicted_with": json.dumps(network_settings(config)),
    }


def blended_metadata(config: Config, checkpoints: dict[str, str], weights: dict[str, float]) -> dict[str, str]:
    """What a part of a blend's OOF says about itself; checkpoints: <member>/fold0 -> SHA-256 of the weights."""
    assert config.blend is not None, "a blend"
    return {
        "tta": ",".join(tta_of(config)),
        "predicted_with": json.dumps(network_settings(config)),
        "models": json.dumps(checkpoints),
        "weights": json.dumps(weights),
        "combine": config.blend.combine,
    }


def oof_origin(config: Config) -> OofOrigin:
    """What the OOF files of a run say they were predicted with. Raises StaleError when its parts disagree."""
    paths = RunPaths.of(config)
    stored = [read_metadata(paths.oof_parquet(part)) for part in range(config.folds.count)]
    problems = []
    for key, what in _SAME_IN_ALL_PARTS.items():
        found = sorted({metadata.get(key, "") for metadata in stored})
        if len(found) > 1:
            problems.append(f"different {what} ({', '.join(map(repr, found))})")
    checkpoints: dict[str, str] = {}
    for part, metadata in enumerate(stored):
        for name, digest in _checkpoints(metadata, part).items():
            if checkpoints.setdefault(name, digest) != digest:
                problems.append(f"different weights of {name}")
    if problems:
        raise StaleError(
            f"{display(paths.oof)}: the folds were predicted with {'; '.join(dict.fromkeys(problems))}; "
            f"run `python src/predict_oof.py --config configs/{config.name}.yaml`"
        )
    first = stored[0]
    return OofOrigin(
        tta=tuple(view for view in first.get("tta", "").split(",") if view),
        weights=json.loads(first["weights"]) if "weights" in first else equal_weights(config),
        checkpoints=checkpoints,
        predicted_with=json.loads(first.get("predicted_with", "null")),
        combine=cast("Combine | None", first.get("combine")),
    )


def _checkpoints(metadata: Mapping[str, str], part: int) -> dict[str, str]:
    """fold0, of a blend <member>/fold0, -> SHA-256 of the weights that predicted a part.

    `checkpoint` and `checkpoints` (by member) stand in files of the part's own model alone, made before `models` was.
    """
    if "models" in metadata:
        return dict(json.loads(metadata["models"]))
    members = {
        f"{member}/fold{part}": digest for member, digest in json.loads(metadata.get("checkpoints", "{}")).items()
    }
    return members | ({f"fold{part}": metadata["checkpoint"]} if "checkpoint" in metadata else {})
