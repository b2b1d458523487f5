"""The folds stage: cuts the training images unless that was done, and shows how even the cut is."""

from __future__ import annotations

import shutil
from pathlib import Path

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_file
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths, display, resolve
from maskfold.artefacts.provenance import Provenance, damage, record_path
from maskfold.artefacts.step import Step
from maskfold.config import Blend, Config
from maskfold.data.competition import Competition
from maskfold.data.exclusive import check_exclusive
from maskfold.data.ignored import check_labelled
from maskfold.errors import DataError
from maskfold.folds.balance import show_balance
from maskfold.folds.splitting import cut_folds, with_strata
from maskfold.folds.table import check_folds, is_given, read_folds, shared_folds, with_folds
from maskfold.folds.visibility import excluded_ids
from maskfold.submission.form import submission_form


@one_writer("make_folds")
def make_folds(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Write folds/<name>.csv unless it is up to date, and show how even the folds are.

    The folds of a blend are those of its members. A csv without a record was made by hand: it is checked
    and kept. Raises DataError for data, or a given csv, that the folds of the config cannot be made of.
    """
    step, path = Step("make_folds", accept_code_changes), RunPaths.of(config).folds_csv
    made_from = _provenance(config, competition)
    excluded = excluded_ids(config, competition)
    given = is_given(path)
    if not given and step.due(path, made_from):
        left_out = excluded if config.data.exclude_from == "everything" else ()
        check_labelled(competition, left_out)
        check_exclusive(competition, left_out)
        _keep_changed(path, step)
        folds = shared_folds(config, competition) if isinstance(config, Blend) else cut_folds(config, competition)
        check_folds(folds, competition, config.folds, "the folds just made")
        with whole_file(path) as temporary:
            folds.to_csv(temporary, index=False)
        step.done(path, made_from)
    else:
        folds = read_folds(config, competition)
        if given:
            step.say(f"{display(path)} has no record of this stage, so it was made by hand: checked and kept")
    step.say(f"{config.folds.title}; metric: {config.tuning.metric} (tuning.metric)")
    show_balance(with_strata(folds, competition), config.folds, competition.class_names)
    if excluded:
        where = "training only" if config.data.exclude_from == "training" else "everything"
        step.say(f"data.exclude: {len(excluded)} images keep their folds, but are left out of {where}")
    _warn_of_submission(config, competition, step)


def _warn_of_submission(config: Config, competition: Competition, step: Step) -> None:
    """Say now why make_submission will refuse the config, which nobody wants to learn after the training."""
    try:
        if not competition.test.empty:
            submission_form(competition, config.submission)
    except DataError as error:
        step.say(f"warning: no submission can be written with this config yet: {error.problems[0]}")


def _keep_changed(path: Path, step: Step) -> None:
    """Copy a csv that was changed since it was made: the change may have been meant."""
    if path.is_file() and damage(path):
        kept = path.with_name(f"{path.stem}.changed.csv")
        with whole_file(kept) as temporary:
            shutil.copyfile(path, temporary)
        step.say(
            f"{display(path)} was changed since it was made; the changed one is kept as {display(kept)}: to use it, "
            f"copy it over the new one and remove {display(record_path(path))}"
        )


def _provenance(config: Config, competition: Competition) -> Provenance:
    """What the folds are made from; of a blend, the folds of its members."""
    cut = {"count": config.folds.count} | config.folds.model_dump(exclude_defaults=True, exclude={"csv"})
    settings: dict[str, object] = {"folds": cut, "classes": competition.class_names}
    if isinstance(config, Blend):
        inputs = {member.name: file_hash(RunPaths.of(member).folds_csv) for member in with_folds(config)}
        return Provenance("make_folds", settings, inputs, code_version("folds"))
    inputs = competition.train_inputs()
    if config.folds.csv is not None and resolve(config.folds.csv).is_file():
        inputs["folds.csv"] = file_hash(resolve(config.folds.csv))
    return Provenance("make_folds", {"seed": config.seed, **settings}, inputs, code_version("folds"))
