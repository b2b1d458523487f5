"""The OOF files of a run: whether all are there, and what is in them, as hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import contents_hash
from maskfold.config import Blend, Combine, Config
from maskfold.data.competition import Competition
from maskfold.errors import StaleError
from maskfold.network.trained import equal_weights, network_settings, tta_of
from maskfold.oof.store import read_metadata


def oof_hashes(config: Config) -> dict[str, str]:
    """`fold0` -> SHA-256 of its OOF file. Raises StaleError when one is missing or damaged."""
    paths, command = RunPaths.of(config), f"python src/predict_oof.py --config configs/{config.name}.yaml"
    missing = [fold for fold in range(config.folds.count) if not paths.oof_parquet(fold).is_file()]
    if missing:
        raise StaleError(f"{display(paths.oof)}: the OOF of folds {missing} is not there yet; run `{command}`")
    return {
        f"fold{fold}": contents_hash(paths.oof_parquet(fold), command, f"fold{fold}")
        for fold in range(config.folds.count)
    }


def label_hashes(competition: Competition) -> dict[str, str]:
    """The hash of all labels and of how they are read; tuning never looks at the images themselves."""
    labels = json.dumps(competition.label_inputs(), sort_keys=True)
    order = getattr(competition.masks, "order", None)  # of foreign labels, which no config describes
    return {"labels": hashlib.sha256(labels.encode()).hexdigest(), "labels' reading": json.dumps({"order": order})}


_SAME_IN_ALL_PARTS = {
    "tta": "TTA",
    "predicted_with": "networks or sizes",
    "combine": "ways to combine members",
    "weights": "weights of the members",
}


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


def blended_metadata(config: Blend, checkpoints: dict[str, str], weights: dict[str, float]) -> dict[str, str]:
    """What a part of a blend's OOF says about itself; checkpoints: <member>/fold0 -> SHA-256 of the weights."""
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
