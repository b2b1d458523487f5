"""Stratified folds that respect groups: balanced over every class, the empty images and their combinations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from maskfold.config import Config
from maskfold.data.competition import Competition, DataError
from maskfold.fold_assignment import assign_units
from maskfold.paths import RunPaths, display
from maskfold.progress import tracked
from maskfold.provenance import Provenance, StaleError, code_version, file_hash, record_path, whole_file

EMPTY = "empty"
_COVERAGE_BINS = 4  # of the non-empty images, where there is one class only


def make_folds(config: Config, competition: Competition, accept_code_changes: bool = False) -> None:
    """Write folds/<name>.csv unless it is fresh, and show how even the folds are.

    The folds of a blend are those of its members. A csv without a record beside it was put there by hand: it is checked
    and kept.
    """
    path = RunPaths.of(config).folds_csv
    settings: dict[str, object] = {"folds": config.folds.model_dump(), "classes": competition.class_names}
    if config.blend is None:
        made_from = Provenance(
            "make_folds", {"seed": config.seed, **settings}, competition.train_inputs(), code_version("maskfold.folds")
        )
    else:
        members = {member.name: file_hash(RunPaths.of(member).folds_csv) for member in _with_folds(config)}
        made_from = Provenance("make_folds", settings, members, code_version("maskfold.folds"))
    given = path.is_file() and not record_path(path).is_file()
    reasons = [] if given else made_from.staleness(path, accept_code_changes)
    if reasons:
        print(f"make_folds: {'; '.join(reasons)}")
        if config.blend is None:
            folds = stratified_folds(competition, config.folds.count, config.seed)
        else:
            folds = shared_folds(config, competition)
        check_folds(folds, competition, config.folds.count, "the folds just made")
        with whole_file(path) as temporary:
            folds.to_csv(temporary, index=False)
        made_from.write(path)
    else:
        folds = read_folds(config, competition)
        print(f"make_folds: {display(path)} {'was given: checked and kept' if given else 'is fresh, skipped'}")
    show_balance(folds, config.folds.count)


def stratified_folds(competition: Competition, count: int, seed: int) -> pd.DataFrame:
    """One row a training image: image_id, fold, stratum, and group where there are groups.

    The stratum is the combination of classes an image shows (`1+3`, or `empty`); with a single class the non-empty
    images are split by how much of the image is covered.
    """
    images = competition.train
    coverage = np.array(
        [
            competition.masks(image_id).mean(axis=(1, 2))
            for image_id in tracked(images["image_id"], len(images), "labels")
        ]
    )
    folds = pd.DataFrame(
        {"image_id": images["image_id"].to_numpy(), "stratum": _strata(coverage, competition.class_names)}
    )
    groups = images["group"].to_numpy() if "group" in images else np.arange(len(images))
    folds.insert(1, "fold", assign_folds(coverage > 0, folds["stratum"].to_numpy(), groups, count, seed))
    if "group" in images:
        folds["group"] = groups
    return folds


def assign_folds(present: np.ndarray, strata: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fold of every image, (images,) int.

    present: (images, C) bool; strata, groups: (images,) labels; images of one group share a fold. Without groups each
    stratum is dealt out evenly, and only what is left over (fewer than `count` images a stratum) has to be placed.
    """
    unit_of = pd.factorize(groups)[0]
    features = np.column_stack([present, ~present.any(axis=1), np.ones(len(present)), pd.get_dummies(strata)]).astype(
        float
    )
    important = present.shape[1] + 1  # the classes and the empties; then the total; then the combinations
    weights = np.r_[np.ones(important), 0.3, np.full(features.shape[1] - important - 1, 0.02)]
    units = unit_of.max() + 1
    sums = np.zeros((units, features.shape[1]))
    np.add.at(sums, unit_of, features)
    fold_of_unit = np.full(units, -1)
    rng = np.random.default_rng(seed)
    if units == len(present):
        for stratum in np.unique(strata):
            members = rng.permutation(unit_of[strata == stratum])
            dealt = len(members) // count * count
            fold_of_unit[members[:dealt]] = np.arange(dealt) % count
    return assign_units(sums, weights, fold_of_unit, count, rng)[unit_of]


def _strata(coverage: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """The stratum of each image from the covered share of each class, (images, C)."""
    if coverage.shape[1] > 1:
        return ["+".join(n for n, c in zip(class_names, row, strict=True) if c) or EMPTY for row in coverage]
    shares = coverage[:, 0]
    edges = np.quantile(shares[shares > 0], np.linspace(0, 1, _COVERAGE_BINS + 1)[1:-1]) if shares.any() else []
    bins = np.searchsorted(edges, shares)
    return [f"coverage {b + 1}/{_COVERAGE_BINS}" if s > 0 else EMPTY for b, s in zip(bins, shares, strict=True)]


def read_folds(config: Config, competition: Competition) -> pd.DataFrame:
    """The checked folds of a run. Raises StaleError when there are none, DataError when they do not fit."""
    path = RunPaths.of(config).folds_csv
    if not path.is_file():
        raise StaleError(_no_folds(config))
    # keep_default_na: an image may be called NA.
    folds = pd.read_csv(path, dtype={"image_id": str, "stratum": str, "group": str}, keep_default_na=False)
    missing = {"image_id", "fold"} - set(folds.columns)
    if missing:
        raise DataError([f"{display(path)}: no column {', '.join(sorted(missing))}; found {list(folds.columns)}"])
    check_folds(folds, competition, config.folds.count, display(path))
    return folds


def shared_folds(config: Config, competition: Competition) -> pd.DataFrame:
    """The folds of a blend's members, which must be one and the same.

    Raises StaleError when a member has none yet, DataError naming the images that lie in different folds.
    """
    first, *others = _with_folds(config)
    folds = read_folds(first, competition)
    problems = []
    for member in others:
        theirs = read_folds(member, competition)
        if not same_folds(folds, theirs):
            moved = folds.merge(theirs, on="image_id").query("fold_x != fold_y")
            row = moved.iloc[0]
            problems.append(
                f"{len(moved)} images are in other folds of {member.name} than of {first.name}, {row['image_id']} in "
                f"fold {row['fold_y']} instead of {row['fold_x']}; copy {display(RunPaths.of(first).folds_csv)} to "
                f"{display(RunPaths.of(member).folds_csv)} and train {member.name} on it"
            )
    if problems:
        raise DataError(problems)
    return folds


def same_folds(folds: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two tables put the same images into the same folds."""
    one, other = (table.set_index("image_id")["fold"].sort_index() for table in (folds, others))
    return bool(one.equals(other))


def _with_folds(config: Config) -> tuple[Config, ...]:
    """The members of a blend, all of which have folds. Raises StaleError otherwise."""
    assert config.blend is not None, "a blend"
    missing = [member for member in config.blend.members if not RunPaths.of(member).folds_csv.is_file()]
    if missing:
        raise StaleError("\n".join(_no_folds(member) for member in missing))
    return config.blend.members


def _no_folds(config: Config) -> str:
    path = display(RunPaths.of(config).folds_csv)
    return f"{path}: no folds yet; run `python src/make_folds.py --config configs/{config.name}.yaml`"


def check_folds(folds: pd.DataFrame, competition: Competition, count: int, source: str) -> None:
    """Raise DataError unless the folds are disjoint, complete, in range and keep groups together."""
    problems = [f"{source}: image {i} is in two rows" for i in folds["image_id"][folds["image_id"].duplicated()]]
    known, given = set(competition.train["image_id"]), set(folds["image_id"])
    problems += [f"{source}: image {i} is not a training image" for i in sorted(given - known)]
    problems += [f"{source}: training image {i} has no fold" for i in sorted(known - given)]
    unknown = sorted(set(folds["fold"]) ^ set(range(count)))
    if unknown:
        problems.append(
            f"{source}: folds must be 0 to {count - 1}, each with images; found {sorted(set(folds['fold']))}"
        )
    if "group" in competition.train:
        group_of = competition.train.set_index("image_id")["group"]
        spread = folds.groupby(folds["image_id"].map(group_of))["fold"].nunique()
        problems += [f"{source}: group {group} lies in {n} folds" for group, n in spread[spread > 1].items()]
    if problems:
        raise DataError(problems)


def balance_table(folds: pd.DataFrame, count: int) -> pd.DataFrame:
    """Images a fold that show each class, that are empty, and all; rows are classes, columns folds and `even`."""
    shown = folds["stratum"].map(
        lambda stratum: {stratum.partition(" ")[0]} if "+" not in stratum else {*stratum.split("+")}
    )
    rows = {}
    for name in [*sorted(set().union(*shown) - {EMPTY}), EMPTY]:
        has = shown.map(lambda names, name=name: name in names)
        rows[name] = [int((has & (folds["fold"] == fold)).sum()) for fold in range(count)]
    rows["all images"] = [int((folds["fold"] == fold).sum()) for fold in range(count)]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[f"fold {fold}" for fold in range(count)])
    table["even"] = table.sum(axis=1) / count
    return table


def show_balance(folds: pd.DataFrame, count: int) -> None:
    """Print the balance table, and a warning for every class that a fold does not show."""
    table = Table("images that show", *[f"fold {fold}" for fold in range(count)], "even")
    balance = balance_table(folds, count)
    for name, row in balance.iterrows():
        table.add_row(str(name), *[f"{value:.0f}" for value in row.iloc[:-1]], f"{row['even']:.1f}")
    console = Console()
    console.print(table)
    for name, row in balance.iloc[:-2].iterrows():
        for fold in np.flatnonzero(row.iloc[:-1].to_numpy() == 0):
            console.print(f"warning: fold {fold} has no image that shows {name}; its honest score rests on the others")
