"""The training stage: which models are up to date, which are trained again, and why."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash
from maskfold.artefacts.lock import one_at_work, one_writer
from maskfold.artefacts.own_code import own_code, source_hash
from maskfold.artefacts.paths import RunPaths, display, resolve
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Blend, Config, Experiment, TrainConfig
from maskfold.data.competition import Competition
from maskfold.data.images.depth import training_intensity
from maskfold.data.opening import open_competition
from maskfold.data.volumes.missing import missing_neighbours
from maskfold.errors import UsageError
from maskfold.execution.cores import yield_to_others
from maskfold.execution.job import Job
from maskfold.execution.processes import is_first_process
from maskfold.execution.progress import JOBS_AFTER
from maskfold.folds.table import folds_hash, read_folds
from maskfold.folds.visibility import ids_hash, seen_by
from maskfold.pixels.intensity import Intensity
from maskfold.stages.side_by_side import do_jobs
from maskfold.stages.workers import workers_of
from maskfold.tracking.checks import check_trackers
from maskfold.training.history import usable_history, write_history
from maskfold.training.pseudo_labels import (
    check_labeller,
    pseudo_label_inputs,
    pseudo_label_settings,
    read_pseudo_labels,
)
from maskfold.training.summary import show_folds
from maskfold.training.warm_start import check_unseen, start_of


def models_asked_for(config: Config, fold: int | None, refit: bool) -> list[int] | None:
    """The numbers of the models that --fold and --refit name; None: all. Raises UsageError for what is not there."""
    if fold is not None and not 0 <= fold < config.folds.models:
        known = "fold 0 alone" if config.folds.models == 1 else f"folds 0 to {config.folds.models - 1}"
        raise UsageError(f"--fold {fold}: the config has {known} ({config.folds.title})")
    if refit and (isinstance(config, Blend) or config.refit is None):
        raise UsageError(f"--refit: {config.name} has no section refit; add `refit: {{models: 1}}` to its config")
    asked = [] if fold is None else [fold]
    return [*asked, *config.refit_numbers] if refit and isinstance(config, Experiment) else asked or None


@one_writer("train")
def train_models(
    config: Config,
    competition: Competition,
    only: Sequence[int] | None = None,
    accept_code_changes: bool = False,
    minutes: float | None = None,
) -> None:
    """Train every model that is not up to date; each continues at its last finished epoch if it was interrupted.

    only: numbers of the models to train, those of the folds first; None: all. minutes: the longest training of each,
    instead of what the config says.
    """
    if isinstance(config, Blend):
        _show_members(config)
        return
    check_trackers(config.track)
    numbers = range(config.models) if only is None else only
    step, folds = Step("train", accept_code_changes), read_folds(config, competition)
    if config.pseudo_labels is not None:
        check_labeller(config, competition, folds)
    intensity = cache(partial(_checked_intensity, config, competition))
    for group in _independent(config, numbers):
        due = [number for number in group if _is_due(config, competition, folds, number, step)]
        if not due:
            continue
        if config.run.engine == "local":
            _yield_to_others()
        scaled, workers = intensity(), workers_of(config, competition)
        if workers == 1:
            for place, number in enumerate(due):
                JOBS_AFTER.set(len(due) - place - 1)
                _train_model(config, competition, folds, number, step, minutes, scaled)
        else:
            jobs = [_job(config, number, accept_code_changes, minutes, scaled) for number in due]
            do_jobs(step.name, jobs, config, workers)
    if is_first_process():
        show_folds(config)


def _yield_to_others() -> None:
    """Say so if other programs keep the cores busy."""
    share = yield_to_others()
    if share is not None:
        print(
            f"train: other programs keep {share:.0%} of the cores busy: threads sleep instead of spinning while they "
            "wait for each other; one thread (run.cores=1, or run.workers=auto with several models) may train faster",
            flush=True,
        )


def _independent(config: Experiment, numbers: Sequence[int]) -> list[list[int]]:
    """The models in groups: those of a group need none of each other, only those of the groups before."""
    if config.refit is None or config.refit.start != "fold0":
        return [[*numbers]]
    return [[each for each in numbers if (each in config.refit_numbers) == refit] for refit in (False, True)]


def _is_due(config: Experiment, competition: Competition, folds: pd.DataFrame, number: int, step: Step) -> bool:
    """Whether a model must be trained; says so if not, and heals its history."""
    left_out = seen_by(config, competition, folds, number).left_out
    model = RunPaths.of(config).model(number)
    if step.reasons(model, training_provenance(config, competition, number, left_out)):
        return True
    if is_first_process():
        step.skip(model, config.model_title(number))
        _heal_history(config, number, step)
    return False


def _job(
    config: Experiment, number: int, accept_code_changes: bool, minutes: float | None, intensity: Intensity | None
) -> Job:
    """The training of one model for a worker."""
    paths, name = RunPaths.of(config), config.model_name(number)
    inputs = (config, number, accept_code_changes, minutes, intensity)
    log = paths.job_log("train", name)
    return Job(config.model_title(number), train_in_worker, inputs, paths.model(number), log)


def train_in_worker(
    config: Experiment, number: int, accept_code_changes: bool, minutes: float | None, intensity: Intensity | None
) -> None:
    """Train one model, unless it is up to date, in a process that knows nothing but these inputs.

    Test images are not read; those that cannot be were judged before.
    """
    competition = open_competition(config.data, config.in_channels, "empty")
    step, folds = Step("train", accept_code_changes), read_folds(config, competition)
    left_out = seen_by(config, competition, folds, number).left_out
    paths = RunPaths.of(config)
    with one_at_work(paths, f"train.{config.model_name(number)}"):  # a node that is given up may still be at work
        if step.reasons(paths.model(number), training_provenance(config, competition, number, left_out)):
            _train_model(config, competition, folds, number, step, minutes, intensity)


def _train_model(
    config: Experiment,
    competition: Competition,
    folds: pd.DataFrame,
    number: int,
    step: Step,
    minutes: float | None,
    intensity: Intensity | None,
) -> None:
    """Say why a model is trained, and train it in this process."""
    # torch and lightning take seconds to import, and a fresh stage needs neither.
    from maskfold.training.fit import train_fold

    images = seen_by(config, competition, folds, number)
    made_from = training_provenance(config, competition, number, images.left_out)
    if is_first_process():
        model, name = RunPaths.of(config).model(number), config.model_title(number)
        left_out = f"{len(images.left_out)} images of data.exclude are left out"
        more = [left_out] if images.left_out else []
        reasons = [*step.reasons(model, made_from), *more]
        alike = len(_alike(config, number))
        step.announce(model, reasons, name if alike == 1 else f"{name} of {alike}")
    pseudo = read_pseudo_labels(config, competition, number, step)
    settings = config.model_copy(update={"train": _settings_of(config, number, minutes)})
    start = start_of(config, number)
    if start is not None:
        warning = check_unseen(start, images.folds, number, config.model_title(number))
        if warning is not None and is_first_process():
            print(f"train: warning: {warning}", flush=True)
    train_fold(settings, images.competition, images.folds, number, made_from, step, pseudo, intensity, start)


def _checked_intensity(config: Experiment, competition: Competition) -> Intensity | None:
    """The range of stored values, once the loss and the augmentation are known to fit the competition."""
    from maskfold.training.checks import check_training

    neighbours = config.model.neighbours
    missing = None if neighbours is None else missing_neighbours(competition.train, neighbours, "training images")
    if is_first_process():
        hint_at_filler(config, competition)
        print(f"train: {missing}\n" if missing else "", end="", flush=True)
    intensity = _intensity(config, competition)
    check_training(config, competition, intensity)
    return intensity


def _alike(config: Experiment, number: int) -> range:
    """The numbers of the models of the folds, or of those of the refit, to which a model belongs."""
    folds = range(config.folds.models)
    return folds if number in folds else config.refit_numbers


def _settings_of(config: Experiment, number: int, minutes: float | None) -> TrainConfig:
    """The training section for one model, with the limits of the refit, which has no images to be validated on."""
    train, refit = config.train, config.refit
    changes: dict[str, object] = {} if minutes is None else {"minutes": minutes}
    if refit is not None and number in config.refit_numbers:
        changes = {"minutes": refit.minutes or train.minutes, "epochs": refit.epochs or train.epochs} | changes
        changes |= {"select": "last", "validate_every": None, "early_stopping_patience": None}
    return train.model_copy(update=changes)


def hint_at_filler(config: Experiment, competition: Competition) -> None:
    """Say so if more than a tenth of the pixels in training only fill images up, and what avoids it."""
    from maskfold.planning.padding import image_sizes, padding_hint  # with torch, as above

    hint = padding_hint(image_sizes(competition.train), config.model.resize, config.train.crop_size)
    if hint is not None:
        print(f"train: hint: {hint}", flush=True)


def _heal_history(config: Experiment, number: int, step: Step) -> None:
    """Write the history of a trained model again from its last checkpoint, where the csv is damaged or missing."""
    history_csv = RunPaths.of(config).history_csv(number)
    if usable_history(history_csv) is not None:
        return
    from maskfold.training.checkpoint_files import stored_history

    try:
        write_history(history_csv, stored_history(history_csv.parent, config.model_name(number)))
    except ValueError as error:
        step.say(f"warning: {display(history_csv)} is damaged or missing, and {error}; tables and report leave it out")
    else:
        step.say(f"{display(history_csv)} was damaged or missing: written again from the last checkpoint")


def _intensity(config: Experiment, competition: Competition) -> Intensity | None:
    """The range of stored values that all models of the run see, printed unless it is that of 8 bits."""
    paths = [Path(path) for path in competition.train["path"]]
    intensity = training_intensity(paths, config.model.in_channels, config.data.intensity)
    if intensity is not None and is_first_process():
        pairs = zip(intensity.low, intensity.high, strict=True)
        ranges = ", ".join(f"{low:g} to {high:g}" for low, high in pairs)
        print(f"train: {intensity.stored} images; black to white by channel: {ranges} (data.intensity)", flush=True)
    return None if intensity is None else intensity.repeated(config.model.images)


def _show_members(config: Blend) -> None:
    """Say that a blend has nothing to train, and how far its members are."""
    print("train: nothing to train: a blend uses the models of its members")
    for member in config.experiments:
        trained = sum(RunPaths.of(member).model(fold).is_file() for fold in range(member.folds.models))
        whole = trained == member.folds.models
        missing = "" if whole else f"; run `python src/train.py --config configs/{member.name}.yaml`"
        print(f"train: {member.name}: {trained} of {member.folds.models} models trained{missing}")


def training_provenance(
    config: Experiment, competition: Competition, number: int, left_out: Sequence[str] = ()
) -> Provenance:
    """Everything the weights of a model depend on; left_out: the images that data.exclude takes from it."""
    inputs, refit = competition.train_inputs(), number in config.refit_numbers
    if not refit:
        inputs |= {"folds": folds_hash(config)}
    model = config.model
    weights = resolve(model.encoder_weights) if model.encoder_weights and model.init_from is None else None
    if weights is not None and weights.is_file():
        inputs["encoder weights"] = file_hash(weights)
    if left_out:
        inputs["excluded images"] = ids_hash(left_out)
    start, by_contents = start_of(config, number), {"encoder_weights"} if "encoder weights" in inputs else set()
    if start is not None:
        inputs[start.label] = start.sha256
    if model.init_from is not None:
        by_contents = {"encoder_weights", "init_from"}
    inputs |= {f"code of {name}": source_hash(name, key) for name, key in own_code(config).items()}
    if not config.tuning.is_exact:
        inputs["code of the metric"] = code_version("mask metrics")
    inputs |= pseudo_label_inputs(config, competition, number)
    settings = {
        "seed": config.seed,
        "model": model.settings(by_contents),
        "train": config.train.settings(),
        **config.tuning.metric_settings(),
        **pseudo_label_settings(config),
    }
    if config.refit is not None and refit:
        settings["refit"] = config.refit.model_dump(exclude={"models"})
    return Provenance("train", settings, inputs, code_version("model"), config.model_name(number), config.name)
