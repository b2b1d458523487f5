"""The table of folds on disk: read, checked, and shared by the members of a blend."""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from maskfold.artefacts.paths import RunPaths, display
from maskfold.artefacts.provenance import contents_hash, record_path
from maskfold.config import Blend, Config, Experiment, FoldsConfig
from maskfold.data.competition import Competition
from maskfold.data.csv_files import read_csv
from maskfold.data.image_ids import nearest_name
from maskfold.errors import DataError, StaleError

NOT_HELD_OUT = -1  # the fold of an image that every model is trained on, and none is scored on
_HINTS = 20  # nearest names looked for; with very many images and mistakes it would take minutes


def read_folds(config: Config, competition: Competition) -> pd.DataFrame:
    """The checked folds of a run. Raises StaleError when there are none, DataError when they do not fit."""
    path = RunPaths.of(config).folds_csv
    if not path.is_file():
        raise StaleError(_no_folds(config))
    try:
        folds = read_table(path, config.folds)
        check_folds(folds, competition, config.folds, display(path))
    except DataError as error:
        if is_given(path):
            cure = f"came as a file: correct it, or remove it and run {_command(config)} for new folds"
        else:
            cure = f"made here; if the config or the data changed, run {_command(config)}"
        raise DataError([f"{display(path)}: {cure}", *error.problems]) from None
    return folds


def folds_hash(config: Config) -> str:
    """SHA-256 of a run's folds. Raises StaleError when they are not those that were made here."""
    return contents_hash(RunPaths.of(config).folds_csv, _command(config).strip("`"))


def is_given(path: Path) -> bool:
    """Whether a csv of folds was put there by hand or came with a clone: nothing records what it was made from."""
    return path.is_file() and not record_path(path).is_file()


def read_table(path: Path, plan: FoldsConfig) -> pd.DataFrame:
    """A csv of folds, its cuts as int64 and all else as text; the index are the rows' numbers in the file.

    Raises DataError for a file without the columns of the plan, or with folds that are no numbers.
    """
    table = read_csv(path, [("image_id", *plan.columns)])
    folds = pd.DataFrame([fields for _, fields in table.rows], columns=list(table.header), dtype="str")
    folds.index = pd.Index([number for number, _ in table.rows])
    problems = []
    for column in plan.columns:
        numbers = pd.to_numeric(folds[column], errors="coerce")
        wrong = folds[column][numbers.isna() | (numbers % 1 != 0)]
        problems += [
            f"{display(path)}, row {row}: {column} is {found!r}, expected a whole number"
            for row, found in wrong.items()
        ]
        if wrong.empty:
            folds[column] = numbers.astype("int64")
    if problems:
        raise DataError(problems)
    return folds


def unknown_images(given: pd.Series, known: pd.Series, source: str) -> list[str]:
    """A line for every id of `given`, whose index are row numbers, that is not among `known`; with the nearest one."""
    lines: list[str] = []
    names = known.tolist()
    for row, name in given[~given.isin(known)].items():
        hint = nearest_name(name, names) if len(lines) < _HINTS else ""
        near = difflib.get_close_matches(name, names, n=1) if len(lines) < _HINTS and not hint else []
        hint = f"; the nearest is {near[0]!r}" if near else hint
        lines.append(f"{source}, row {row}: image {name} is not a training image{hint}")
    return lines


def check_folds(folds: pd.DataFrame, competition: Competition, plan: FoldsConfig, source: str) -> None:
    """Raise DataError unless the folds are disjoint, complete, in range and keep groups together.

    The index of `folds` are the numbers of its rows in `source`.
    """
    known, given = competition.train["image_id"], folds["image_id"]
    problems = [
        f"{source}, row {row}: image {name} has a row already" for row, name in given[given.duplicated()].items()
    ]
    problems += unknown_images(given, known, source)
    problems += [f"{source}: training image {name} has no row" for name in known[~known.isin(given)]]
    for column in plan.columns:
        problems += _range_problems(folds[column], plan, f"{source}: column {column}")
        if "group" in competition.train:
            group_of = competition.train.set_index("image_id")["group"]
            spread = folds.groupby(folds["image_id"].map(group_of))[column].unique()
            problems += [
                f"{source}: group {group} is in the folds {sorted(map(int, own))} of column {column}; its images "
                "show the same thing and must share one fold"
                for group, own in spread[spread.map(len) > 1].items()
            ]
    if problems:
        raise DataError(problems)


def _range_problems(cut: pd.Series, plan: FoldsConfig, where: str) -> list[str]:
    """Folds must be 0, 1, … without gaps; those that hold out one part only mark all other images with -1."""
    found = set(map(int, cut))
    if plan.held_out_once or plan.kind == "csv":
        if plan.held_out_once and NOT_HELD_OUT not in found:
            return [f"{where}: every image is held out, so there is nothing to train on"]
        found -= {NOT_HELD_OUT}
    if found == set(range(plan.count)):
        return []
    expected = f"{where}: expected the folds 0 to {plan.count - 1}, each with images; found {sorted(found)}"
    if found and found == set(range(len(found))) and len(found) > 1:
        few = " (images or groups that stay together may be too few for more)" if len(found) < plan.count else ""
        return [f"{expected}; set folds.count to {len(found)}{few}"]
    if found == {0} or (not found and plan.held_out_once):
        more = "raise folds.share, or " if plan.kind == "hold_out" else ""
        return [
            f"{expected}; rules need two to be tuned and scored on: {more}label more images (a group counts as one)"
        ]
    return [f"{expected}; number them 0, 1, … without gaps"]


def shared_folds(config: Blend, competition: Competition) -> pd.DataFrame:
    """The folds of a blend's members, which must be one and the same.

    Raises StaleError when a member has none yet, DataError naming the images that lie in different folds.
    """
    first, *others = with_folds(config)
    folds = read_folds(first, competition)
    problems = []
    for member in others:
        theirs = read_folds(member, competition)
        if not same_folds(folds, theirs, config.folds):
            column = next(c for c in config.folds.columns if not _same_cut(folds, theirs, c))
            moved = folds.merge(theirs, on="image_id").query(f"{column}_x != {column}_y")
            row = moved.iloc[0]
            problems.append(
                f"{len(moved)} images are in other folds of {member.name} than of {first.name}, {row['image_id']} in "
                f"fold {row[f'{column}_y']} instead of {row[f'{column}_x']}; copy "
                f"{display(RunPaths.of(first).folds_csv)} to {display(RunPaths.of(member).folds_csv)} and train "
                f"{member.name} on it"
            )
    if problems:
        raise DataError(problems)
    return folds


def same_folds(folds: pd.DataFrame, others: pd.DataFrame, plan: FoldsConfig) -> bool:
    """Whether two tables put the same images into the same folds, in every cut."""
    return all(_same_cut(folds, others, column) for column in plan.columns)


def _same_cut(folds: pd.DataFrame, others: pd.DataFrame, column: str) -> bool:
    one, other = (table.set_index("image_id")[column].sort_index() for table in (folds, others))
    return bool(one.equals(other))


def with_folds(config: Blend) -> tuple[Experiment, ...]:
    """The members of a blend, all of which have folds. Raises StaleError otherwise."""
    missing = [member for member in config.experiments if not RunPaths.of(member).folds_csv.is_file()]
    if missing:
        raise StaleError("\n".join(_no_folds(member) for member in missing))
    return config.experiments


def _no_folds(config: Config) -> str:
    path = display(RunPaths.of(config).folds_csv)
    return f"{path}: no folds yet; run {_command(config)}"


def _command(config: Config) -> str:
    return f"`python src/make_folds.py --config configs/{config.name}.yaml`"
