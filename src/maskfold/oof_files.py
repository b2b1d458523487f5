"""The OOF files of a run: whether all are there, and what is in them, as hashes."""

from __future__ import annotations

from maskfold.config import Config
from maskfold.paths import RunPaths, display
from maskfold.provenance import StaleError, file_hash


def oof_hashes(config: Config) -> dict[str, str]:
    """`fold0` -> SHA-256 of its OOF file. Raises StaleError when one is missing."""
    paths = RunPaths.of(config)
    missing = [fold for fold in range(config.folds.count) if not paths.oof_parquet(fold).is_file()]
    if missing:
        raise StaleError(
            f"{display(paths.oof)}: the OOF of folds {missing} is not there yet; "
            f"run `python src/predict_oof.py --config configs/{config.name}.yaml`"
        )
    return {f"fold{fold}": file_hash(paths.oof_parquet(fold)) for fold in range(config.folds.count)}
