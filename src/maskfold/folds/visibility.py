"""Which images a model is trained on, which it is validated on, and which are scored at all."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import display, resolve
from maskfold.config import Config, FoldsConfig
from maskfold.data.competition import Competition
from maskfold.data.csv_files import read_csv
from maskfold.errors import DataError
from maskfold.folds.table import NOT_HELD_OUT, read_folds, unknown_images


@dataclass(frozen=True)
class ModelImages:
    """What one model of a run gets to see.

    competition: without the images it has nothing to do with; folds: image_id and fold, which is the model's number for
    the images it is validated on and -1 for those it is trained on; left_out: image ids that data.exclude takes away.
    """

    competition: Competition
    folds: pd.DataFrame
    left_out: tuple[str, ...]


def seen_by(config: Config, competition: Competition, folds: pd.DataFrame, model: int) -> ModelImages:
    """The images of one model; a model of a refit, which follow those of the folds, is trained on all.

    Raises DataError when data.exclude leaves it nothing to train on or to be scored on.
    """
    train, ids = competition.train, competition.train["image_id"]
    refit = model >= config.folds.models
    held = ids.isin([] if refit else folds["image_id"][held_out(folds, config.folds, model)])
    out = ids.isin(excluded_ids(config, competition))
    if config.data.exclude_from == "training":
        out &= ~held
    for side, name in ((~held, "to train on"), (held, "to score it on")):
        if (side & ~out).sum() == 0 and not (refit and side is held):
            raise DataError([f"data.exclude: {config.data.exclude} leaves model {model} no image {name}"])
    seen = train[~out].reset_index(drop=True)
    marks = np.where(held[~out], model, NOT_HELD_OUT)
    table = pd.DataFrame({"image_id": seen["image_id"], "fold": marks})
    return ModelImages(replace(competition, train=seen), table, tuple(sorted(ids[out])))


def held_out(folds: pd.DataFrame, plan: FoldsConfig, model: int) -> pd.Series:
    """Bool, by the rows of `folds`: the images a model is not trained on."""
    if plan.held_out_once:
        return folds["fold"] != NOT_HELD_OUT
    repeat, fold = divmod(model, plan.count)
    return folds[plan.columns[repeat]] == fold


def models_of(folds: pd.DataFrame, plan: FoldsConfig) -> pd.Series:
    """image_id -> the models that have not seen the image, a tuple in ascending order; () where all have."""
    table = np.column_stack([held_out(folds, plan, model) for model in range(plan.models)])
    return pd.Series([tuple(np.flatnonzero(row).tolist()) for row in table], index=folds["image_id"], dtype=object)


def scored_images(config: Config, competition: Competition, folds: pd.DataFrame) -> pd.DataFrame:
    """The training images that OOF is predicted of and scores are over, with their fold in a column `fold`."""
    train = competition.train
    scored = train.assign(fold=train["image_id"].map(folds.set_index("image_id")["fold"]))
    if config.data.exclude_from == "everything":
        scored = scored[~scored["image_id"].isin(excluded_ids(config, competition))]
    return scored[scored["fold"] != NOT_HELD_OUT]


def scored_competition(config: Config, competition: Competition) -> Competition:
    """The competition with the scored training images alone.

    Raises StaleError where the folds are needed to know them and not there.
    """
    every_image = config.folds.kind == "k_fold"
    if every_image and (config.data.exclude is None or config.data.exclude_from == "training"):
        return competition
    scored = scored_images(config, competition, read_folds(config, competition))
    return replace(competition, train=scored.drop(columns="fold").reset_index(drop=True))


def excluded_ids(config: Config, competition: Competition) -> frozenset[str]:
    """The training images that data.exclude names.

    A csv with one row an image, or several; only its column image_id is read. Raises DataError with the row of every id
    that is unknown.
    """
    if config.data.exclude is None:
        return frozenset()
    path = resolve(config.data.exclude)
    rows = read_csv(path, [("image_id",)]).select(("image_id",))
    given = pd.Series([name for _, (name,) in rows], index=[number for number, _ in rows], dtype="str")
    problems = unknown_images(given, competition.train["image_id"], display(path))
    if problems:
        raise DataError(problems)
    return frozenset(given)


def ids_hash(image_ids: Collection[str]) -> str:
    """SHA-256 of a set of image ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(image_ids)).encode()).hexdigest()
