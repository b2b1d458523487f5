"""The training stage: which folds are up to date, which are trained again, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash
from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Blend, Config, Experiment
from maskfold.data.competition import Competition
from maskfold.data.images.depth import training_intensity
from maskfold.errors import UsageError
from maskfold.folds.table import folds_hash, read_folds
from maskfold.folds.visibility import ids_hash, seen_by
from maskfold.pixels.intensity import Intensity
from maskfold.training.processes import is_first_process
from maskfold.training.pseudo_labels import (
    check_labeller,
    pseudo_label_inputs,
    pseudo_label_settings,
    read_pseudo_labels,
)
from maskfold.training.summary import show_folds


def train_folds(
    config: Config, competition: Competition, only_fold: int | None = None, accept_code_changes: bool = False
) -> None:
    """Train every fold that is not up to date; each continues at its last finished epoch if it was interrupted.

    Raises UsageError when `only_fold` is not a fold of the config.
    """
    if only_fold is not None and not 0 <= only_fold < config.folds.models:
        last = config.folds.models - 1
        raise UsageError(f"--fold {only_fold}: the config has folds 0 to {last} ({config.folds.title})")
    if isinstance(config, Blend):
        _show_members(config)
        return
    step, folds = Step("train", accept_code_changes), read_folds(config, competition)
    if config.pseudo_labels is not None:
        check_labeller(config, competition, folds)
    due = []
    for fold in range(config.folds.models) if only_fold is None else [only_fold]:
        images = seen_by(config, competition, folds, fold)
        made_from = training_provenance(config, competition, fold, images.left_out)
        model = RunPaths.of(config).model(fold)
        if reasons := step.reasons(model, made_from):
            due.append((fold, images, made_from, reasons))
        elif is_first_process():
            step.skip(model, f"fold {fold}")
    if not due:
        show_folds(config, write=False)
        return
    # torch and lightning take seconds to import, and a fresh stage needs neither.
    from maskfold.training.fit import check_training, train_fold

    intensity = _intensity(config, competition)
    check_training(config, competition, intensity)
    for fold, images, made_from, reasons in due:
        if is_first_process():
            left_out = f"{len(images.left_out)} images of data.exclude are left out"
            more = [left_out] if images.left_out else []
            step.announce(RunPaths.of(config).model(fold), [*reasons, *more], f"fold {fold} of {config.folds.models}")
        pseudo = read_pseudo_labels(config, competition, fold, step)
        train_fold(config, images.competition, images.folds, fold, made_from, step, pseudo, intensity)
    if is_first_process():
        show_folds(config, write=True)


def _intensity(config: Experiment, competition: Competition) -> Intensity | None:
    """The range of stored values that all models of the run see, printed unless it is that of 8 bits."""
    paths = [Path(path) for path in competition.train["path"]]
    intensity = training_intensity(paths, config.model.in_channels, config.data.intensity)
    if intensity is not None and is_first_process():
        pairs = zip(intensity.low, intensity.high, strict=True)
        ranges = ", ".join(f"{low:g} to {high:g}" for low, high in pairs)
        print(f"train: {intensity.stored} images; black to white by channel: {ranges} (data.intensity)", flush=True)
    return intensity


def _show_members(config: Blend) -> None:
    """Say that a blend has nothing to train, and how far its members are."""
    print("train: nothing to train: a blend uses the models of its members")
    for member in config.experiments:
        trained = sum(RunPaths.of(member).model(fold).is_file() for fold in range(member.folds.models))
        whole = trained == member.folds.models
        missing = "" if whole else f"; run `python src/train.py --config configs/{member.name}.yaml`"
        print(f"train: {member.name}: {trained} of {member.folds.models} folds trained{missing}")


def training_provenance(
    config: Experiment, competition: Competition, fold: int, left_out: Sequence[str] = ()
) -> Provenance:
    """Everything the weights of a fold depend on; left_out: the images that data.exclude takes from it."""
    inputs = competition.train_inputs() | {"folds": folds_hash(config)}
    weights = resolve(config.model.encoder_weights) if config.model.encoder_weights else None
    if weights is not None and weights.is_file():
        inputs["encoder weights"] = file_hash(weights)
    if left_out:
        inputs["excluded images"] = ids_hash(left_out)
    inputs |= pseudo_label_inputs(config, competition, fold)
    settings = {
        "seed": config.seed,
        "model": config.model.model_dump(exclude={"encoder_weights"} if "encoder weights" in inputs else None),
        "train": config.train.model_dump(exclude={"workers", "accelerator", "cache"}),
        "metric": config.tuning.metric,
        **pseudo_label_settings(config),
    }
    return Provenance("train", settings, inputs, code_version("model"), f"fold{fold}", config.name)
