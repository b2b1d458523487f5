"""Folds: partition, balance, groups, and the check that refuses anything else."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from maskfold.config import REPOSITORY, Config, FoldsConfig, RleCsvData
from maskfold.data.competition import DataError
from maskfold.folds import assign_folds, balance_table, check_folds, make_folds, read_folds, stratified_folds
from maskfold.paths import RunPaths
from maskfold.provenance import StaleError

REAL = REPOSITORY.parent / "shared" / "data"


def strata_of(present):
    return np.array(["+".join(str(c) for c in np.flatnonzero(row)) or "empty" for row in present])


def fold_counts(present, folds, count):
    shown = np.column_stack([present, ~present.any(axis=1)])
    return np.array([shown[folds == fold].sum(axis=0) for fold in range(count)])


def random_presence(seed, images):
    rng = np.random.default_rng(seed)
    return (rng.random((images, 4)) < [0.07, 0.02, 0.4, 0.06]) & (rng.random((images, 1)) < 0.8)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 5])
def test_without_groups_every_class_and_the_empties_are_within_one_of_even(seed, count):
    present = random_presence(seed, 500)
    folds = assign_folds(present, strata_of(present), np.arange(500), count, seed)
    counts = fold_counts(present, folds, count)
    assert np.abs(counts - counts.sum(axis=0) / count).max() <= 1
    assert np.ptp(np.bincount(folds)) <= 2


def test_the_same_seed_gives_the_same_folds_and_another_does_not():
    present = random_presence(0, 200)
    first, again, other = (assign_folds(present, strata_of(present), np.arange(200), 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_groups_stay_together_and_the_rare_class_is_spread():
    present = random_presence(3, 300)
    groups = np.random.default_rng(0).integers(0, 80, 300)
    folds = assign_folds(present, strata_of(present), groups, 4, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    counts = fold_counts(present, folds, 4)
    even = counts.sum(axis=0) / 4
    assert np.abs(counts - even).max() <= 1


def worst_class(present, folds, count):
    counts = fold_counts(present, folds, count)
    even = counts.sum(axis=0) / count
    return (np.abs(counts - even) / even).max()


@pytest.mark.parametrize("count", [3, 5])
def test_groups_are_balanced_at_least_as_well_as_sklearn_does(count):
    present = random_presence(4, 400)
    groups = np.random.default_rng(1).integers(0, 90, 400)
    strata = strata_of(present)
    ours = assign_folds(present, strata, groups, count, 0)
    theirs = np.zeros(400, int)
    for fold, (_, held_out) in enumerate(StratifiedGroupKFold(count).split(present, strata, groups)):
        theirs[held_out] = fold
    assert worst_class(present, ours, count) <= worst_class(present, theirs, count)


def config_of(root, count=3):
    return Config(
        name="x",
        output_root=str(root),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        folds=FoldsConfig(count=count),
    )


def test_strata_are_combinations_of_classes(tiny_competition):
    folds = stratified_folds(tiny_competition, 2, 0)
    assert folds["stratum"].tolist() == ["bright", "dark", "empty"] * 4
    table = balance_table(folds, 2)
    assert table.loc["bright"].tolist() == [2, 2, 2.0]
    assert table.loc["all images"].tolist() == [6, 6, 6.0]


def test_one_class_is_stratified_by_coverage(tiny_competition):
    class OneClass:
        def __call__(self, image_id):
            mask = np.zeros((1, 10, 10), np.uint8)
            mask[0, : int(image_id[5:-4]) % 9] = 1
            return mask

    competition = dataclasses.replace(tiny_competition, class_names=("mask",), masks=OneClass())
    strata = stratified_folds(competition, 2, 0)["stratum"]
    assert strata[0] == strata[9] == "empty"
    assert strata[1] == "coverage 1/4"
    assert strata[8] == "coverage 4/4"


def test_folds_are_written_once_and_read_back(tmp_path, tiny_competition, capsys):
    config = config_of(tmp_path)
    with pytest.raises(StaleError, match=r"make_folds\.py"):
        read_folds(config, tiny_competition)
    make_folds(config, tiny_competition)
    written = RunPaths.of(config).folds_csv.read_bytes()
    folds = read_folds(config, tiny_competition)
    assert sorted(folds["fold"].unique()) == [0, 1, 2]
    make_folds(config, tiny_competition)
    assert "fresh" in capsys.readouterr().out
    assert RunPaths.of(config).folds_csv.read_bytes() == written
    make_folds(config_of(tmp_path, count=2), tiny_competition)
    assert "folds.count: 3 -> 2" in capsys.readouterr().out


def test_a_csv_put_there_by_hand_is_kept(tmp_path, tiny_competition, capsys):
    config = config_of(tmp_path, count=2)
    path = RunPaths.of(config).folds_csv
    path.parent.mkdir()
    image_ids = ["NA", *tiny_competition.train["image_id"][1:]]  # a name that pandas likes to read as nothing
    competition = dataclasses.replace(tiny_competition, train=tiny_competition.train.assign(image_id=image_ids))
    given = pd.DataFrame({"image_id": image_ids, "fold": [0] * 7 + [1] * 5, "stratum": "empty"})
    given.to_csv(path, index=False)
    make_folds(config, competition)
    assert "was given: checked and kept" in capsys.readouterr().out
    assert read_folds(config, competition)["fold"].tolist() == [0] * 7 + [1] * 5


def test_folds_that_leak_or_miss_images_are_refused_all_together(tiny_competition):
    grouped = tiny_competition.train.assign(group=["a"] * 4 + ["b"] * 8)
    competition = dataclasses.replace(tiny_competition, train=grouped)
    ids = tiny_competition.train["image_id"].tolist()
    folds = pd.DataFrame({"image_id": [*ids[1:], ids[2], "strange.png"], "fold": [0] * 12 + [5]})
    folds.loc[0, "fold"] = 1
    with pytest.raises(DataError) as error:
        check_folds(folds, competition, 2, "folds/x.csv")
    text = str(error.value)
    for part in (
        "in two rows",
        "strange.png is not a training image",
        "has no fold",
        "found [0, 1, 5]",
        "group a lies in 2",
    ):
        assert part in text


@pytest.mark.skipif(not REAL.is_dir(), reason="the real Severstal labels are not beside this repository")
def test_severstal_folds_are_within_one_of_even():
    table = pd.read_csv(Path(REAL) / "severstal_labels" / "defect_presence_all.csv")
    present = table.iloc[:, 1:].to_numpy() > 0
    folds = assign_folds(present, strata_of(present), np.arange(len(table)), 5, 0)
    counts = fold_counts(present, folds, 5)
    assert np.abs(counts - counts.sum(axis=0) / 5).max() <= 1
