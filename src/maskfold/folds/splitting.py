"""Cutting the training images into folds: balanced over every class, the empty images and their combinations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import display, resolve
from maskfold.config import Config, FoldsConfig
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.execution.progress import tracked
from maskfold.folds.assignment import SEARCHED, assign_units
from maskfold.folds.table import NOT_HELD_OUT, check_folds, read_table

EMPTY = "empty"
_COVERAGE_BINS = 4  # of the non-empty images, where there is one class only
_TOTAL_WEIGHT, _STRATUM_WEIGHT = 0.3, 0.02  # of the number of images and of each combination; a class weighs 1
_OTHER_CUTS = 20  # tried for a repeat before giving up


def cut_folds(config: Config, competition: Competition) -> pd.DataFrame:
    """One row a training image: image_id, fold (and repeat1, …), stratum, and group where there are groups.

    The index are the rows' numbers in the csv this becomes. The stratum is the combination of classes an image shows
    (`1+3`, or `empty`); with a single class the non-empty images are split by how much of the image is covered. Raises
    DataError where the data cannot be cut as the config wants.
    """
    images, plan = competition.train, config.folds
    folds = pd.DataFrame({"image_id": images["image_id"].to_numpy()}, index=pd.RangeIndex(2, len(images) + 2))
    if plan.kind == "csv":
        folds["fold"] = _given(plan, competition)
    folds, present = _stratified(folds, competition)
    if "group" in images:
        folds["group"] = images["group"].to_numpy()
    groups = folds["group"].to_numpy() if "group" in folds else np.arange(len(folds))
    strata = folds["stratum"].to_numpy()
    if plan.held_out_once:
        own = plan.kind == "valid_folder"
        held = _valid_images(images) if own else hold_out(present, strata, groups, plan, config.seed)
        cut = np.full(len(folds), NOT_HELD_OUT)
        cut[held] = assign_folds(present[held], strata[held], groups[held], plan.count, config.seed)
        folds["fold"] = cut
    elif plan.kind == "k_fold":
        cuts = repeated_folds(present, strata, groups, plan, config.seed)
        folds = folds.assign(**dict(zip(plan.columns, cuts, strict=True)))
    return folds[["image_id", *plan.columns, "stratum", *(["group"] if "group" in folds else [])]]


def with_strata(folds: pd.DataFrame, competition: Competition) -> pd.DataFrame:
    """The folds with the stratum of each image, which a csv made by hand may lack."""
    return folds if "stratum" in folds else _stratified(folds, competition)[0]


def _stratified(folds: pd.DataFrame, competition: Competition) -> tuple[pd.DataFrame, np.ndarray]:
    """The folds with the stratum of each image, and (images, C) bool: which classes each shows."""
    ids = folds["image_id"]
    coverage = np.array([competition.masks(name).mean(axis=(1, 2)) for name in tracked(ids, len(ids), "labels")])
    coverage = coverage.reshape(len(ids), len(competition.class_names))
    return folds.assign(stratum=_strata(coverage, competition.class_names)), coverage > 0


def _strata(coverage: np.ndarray, class_names: tuple[str, ...]) -> list[str]:
    """The stratum of each image from the covered share of each class, (images, C)."""
    if coverage.shape[1] > 1:
        return ["+".join(n for n, c in zip(class_names, row, strict=True) if c) or EMPTY for row in coverage]
    shares = coverage[:, 0]
    edges = np.quantile(shares[shares > 0], np.linspace(0, 1, _COVERAGE_BINS + 1)[1:-1]) if shares.any() else []
    bins = np.searchsorted(edges, shares)
    return [f"coverage {b + 1}/{_COVERAGE_BINS}" if s > 0 else EMPTY for b, s in zip(bins, shares, strict=True)]


def _given(plan: FoldsConfig, competition: Competition) -> np.ndarray:
    """The folds of the csv that the config names, in the order of the training images. Raises DataError."""
    assert plan.csv is not None, "kind: csv"
    path = resolve(plan.csv)
    given = read_table(path, plan)
    check_folds(given, competition, plan, display(path))
    return given.set_index("image_id")["fold"].loc[competition.train["image_id"]].to_numpy()


def _valid_images(images: pd.DataFrame) -> np.ndarray:
    """(images,) bool: the competition's own validation images. Raises DataError where there are none."""
    held = images["split"].to_numpy() == "valid" if "split" in images else np.zeros(len(images), dtype=bool)
    if not held.any() or held.all():
        raise DataError(
            [
                f"folds.kind: valid_folder, but {'all' if held.any() else 'none'} of the {len(images)} labelled images "
                "are validation images; name them (data.valid_images with valid_masks or valid_json, or "
                "data.valid_csv) or take folds.kind: hold_out"
            ]
        )
    return held


def assign_folds(present: np.ndarray, strata: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The fold of every image, (images,) int.

    present: (images, C) bool; strata, groups: (images,) labels; images of one group share a fold. Without groups each
    stratum is dealt out evenly, and only what is left over (fewer than `count` images a stratum) has to be placed.
    """
    return _assigned(present, strata, groups, np.full(count, 1 / count), np.random.default_rng(seed))


def repeated_folds(
    present: np.ndarray, strata: np.ndarray, groups: np.ndarray, plan: FoldsConfig, seed: int
) -> list[np.ndarray]:
    """The folds of every repeat, the first as `assign_folds` cuts them. Raises DataError when cuts are too few."""
    cuts = [assign_folds(present, strata, groups, plan.count, seed)]
    partitions = {_partition(cuts[0])}
    for repeat in range(1, plan.repeats):
        for attempt in range(_OTHER_CUTS):
            rng = np.random.default_rng([seed, repeat, attempt])
            cut = _assigned(present, strata, groups, np.full(plan.count, 1 / plan.count), rng)
            if _partition(cut) not in partitions:
                break
        else:
            raise DataError(
                [
                    f"folds.repeats: {plan.repeats}, but only {len(cuts)} balanced cuts into {plan.count} folds were "
                    f"found; set folds.repeats to {len(cuts)}"
                ]
            )
        cuts.append(cut)
        partitions.add(_partition(cut))
    return cuts


def _partition(cut: np.ndarray) -> bytes:
    """The same for two cuts that differ only in how folds are numbered."""
    return pd.factorize(cut)[0].tobytes()


def hold_out(present: np.ndarray, strata: np.ndarray, groups: np.ndarray, plan: FoldsConfig, seed: int) -> np.ndarray:
    """(images,) bool: the images to hold out, each class and stratum in the share of the plan as nearly as can be."""
    rng = np.random.default_rng(seed)
    return _assigned(present, strata, groups, np.array([1 - plan.share, plan.share]), rng) == 1


def _assigned(
    present: np.ndarray, strata: np.ndarray, groups: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The part of every image, (images,) int; shares: (parts,) of all images that each part is to have."""
    unit_of = pd.factorize(groups)[0]
    features = np.column_stack([present, ~present.any(axis=1), np.ones(len(present)), pd.get_dummies(strata)]).astype(
        float
    )
    important = present.shape[1] + 1  # the classes and the empties; then the total; then the combinations
    strata_count = features.shape[1] - important - 1
    weights = np.r_[np.ones(important), _TOTAL_WEIGHT, np.full(strata_count, _STRATUM_WEIGHT)]
    units = unit_of.max() + 1
    sums = np.zeros((units, features.shape[1]))
    np.add.at(sums, unit_of, features)
    fixed = np.full(units, -1)
    if units == len(present):
        for stratum in np.unique(strata):
            _deal(rng.permutation(unit_of[strata == stratum]), shares, fixed)
    elif units > SEARCHED:
        alike = np.unique(sums, axis=0, return_inverse=True)[1]
        for kind in range(alike.max() + 1):
            _deal(rng.permutation(np.flatnonzero(alike == kind)), shares, fixed)
    return assign_units(sums, weights, fixed, shares, rng)[unit_of]


def _deal(members: np.ndarray, shares: np.ndarray, fixed: np.ndarray) -> None:
    """Give units that are all alike to the parts, rounded down; those left over stay -1 in `fixed`."""
    quotas = np.floor(shares * len(members) + 1e-9).astype(int)
    dealt = int(quotas.sum())
    if np.ptp(quotas) == 0:
        fixed[members[:dealt]] = np.arange(dealt) % len(shares)  # in turn
    else:
        fixed[members[:dealt]] = np.repeat(np.arange(len(shares)), quotas)
