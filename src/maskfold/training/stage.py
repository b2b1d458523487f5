"""The training stage: which folds are fresh, which are trained anew, and why."""

from __future__ import annotations

from maskfold.command_line import UsageError
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.ensemble import experiments
from maskfold.folds import read_folds
from maskfold.paths import RunPaths, resolve
from maskfold.provenance import Provenance, code_version, file_hash
from maskfold.training.processes import is_first_process
from maskfold.training.summary import show_folds


def train_folds(
    config: Config, competition: Competition, only_fold: int | None = None, accept_code_changes: bool = False
) -> None:
    """Train every fold that is not fresh; each continues at its last finished epoch if it was cut off.

    Raises UsageError when `only_fold` is not a fold of the config.
    """
    if only_fold is not None and not 0 <= only_fold < config.folds.count:
        raise UsageError(f"--fold {only_fold}: the config has folds 0 to {config.folds.count - 1}")
    if config.blend is not None:
        _show_members(config)
        return
    folds = read_folds(config, competition)
    paths = RunPaths.of(config)
    made_from = training_provenance(config, competition)
    stale = {}
    for fold in range(config.folds.count) if only_fold is None else [only_fold]:
        reasons = made_from.staleness(paths.model(fold), accept_code_changes)
        if reasons:
            stale[fold] = reasons
        elif is_first_process():
            print(f"train: fold {fold} is fresh, skipped")
    if not stale:
        show_folds(config, write=False)
        return
    # torch and lightning take seconds to import, and a fresh stage needs neither.
    from maskfold.training.fit import check_training, train_fold

    check_training(config, competition)
    for fold, reasons in stale.items():
        if is_first_process():
            print(f"train: fold {fold} of {config.folds.count}: {'; '.join(reasons)}", flush=True)
        train_fold(config, competition, folds, fold, made_from, accept_code_changes)
    if is_first_process():
        show_folds(config, write=True)


def _show_members(config: Config) -> None:
    """Say that a blend has nothing to train, and how far its members are."""
    print("train: nothing to train: a blend answers with the folds of its members")
    for member in experiments(config):
        trained = sum(RunPaths.of(member).model(fold).is_file() for fold in range(member.folds.count))
        whole = trained == member.folds.count
        missing = "" if whole else f"; run `python src/train.py --config configs/{member.name}.yaml`"
        print(f"train: {member.name}: {trained} of {member.folds.count} folds trained{missing}")


def training_provenance(config: Config, competition: Competition) -> Provenance:
    """Everything the weights of a fold depend on."""
    inputs = competition.train_inputs() | {"folds": file_hash(RunPaths.of(config).folds_csv)}
    weights = resolve(config.model.encoder_weights) if config.model.encoder_weights else None
    if weights is not None and weights.is_file():
        inputs["encoder weights"] = file_hash(weights)
    settings = {
        "seed": config.seed,
        "model": config.model.model_dump(exclude={"encoder_weights"} if "encoder weights" in inputs else None),
        "train": config.train.model_dump(exclude={"workers", "accelerator", "cache"}),
        "metric": config.tuning.metric,
    }
    return Provenance("train", settings, inputs, code_version("maskfold.training.fit"))
