"""The trained folds of a run: which there are, and how much each counts."""

from __future__ import annotations

from maskfold.config import Config
from maskfold.paths import RunPaths, display
from maskfold.provenance import StaleError, file_hash


def fold_names(config: Config) -> list[str]:
    """`fold0`, `fold1`, … in order."""
    return [f"fold{fold}" for fold in range(config.folds.count)]


def equal_weights(config: Config) -> dict[str, float]:
    """The same weight for every fold, summing to 1."""
    names = fold_names(config)
    return dict.fromkeys(names, 1 / len(names))


def model_hashes(config: Config) -> dict[str, str]:
    """`fold0` -> SHA-256 of its weights, for every fold. Raises StaleError when one is missing."""
    paths = RunPaths.of(config)
    missing = [fold for fold in range(config.folds.count) if not paths.model(fold).is_file()]
    if missing:
        raise StaleError(
            f"{display(paths.run)}: folds {missing} are not trained yet; "
            f"run `python src/train.py --config configs/{config.name}.yaml`"
        )
    return {name: file_hash(paths.model(fold)) for fold, name in enumerate(fold_names(config))}
