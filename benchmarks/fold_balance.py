"""How even our folds are, against those of sklearn's StratifiedGroupKFold on the same images.

Two drawn sets: one with Severstal's classes, one with groups. With --config also the training images of a config, with
--presence those of a csv with one row an image and a column of 0 and 1 a class. sklearn gets the same strata and
groups, unshuffled and shuffled with several seeds; the best of its splits counts. The worst class is the one, of the
classes and the empty images, whose count in a fold is furthest from even, relative to even.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from rich.table import Table
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from benchmarks.measuring.benchmark import Bench, Settings, say
from maskfold.config import load_config
from maskfold.data.opening import open_competition
from maskfold.execution.console import print_table
from maskfold.folds.balance import ALL, balance_table, shown_rows, worst_class
from maskfold.folds.splitting import EMPTY, assign_folds, with_strata


class Options(Settings):
    """What to split."""

    minutes: ClassVar[tuple[float, float]] = (0.1, 2)
    quick: ClassVar[dict[str, object]] = {"counts": (5,), "seeds": 5}
    counts: tuple[int, ...] = (3, 5, 10)
    """Numbers of folds."""
    seeds: int = 20
    """Shuffled splits of sklearn."""
    config: Path | None = None
    """Config whose training images are split."""
    set: tuple[str, ...] = ()
    """Overrides of that config, KEY=VALUE."""
    presence: Path | None = None
    """Csv: an id, then 0 or 1 for each class."""


@dataclass(frozen=True)
class Images:
    """Training images to cut. present: (images, C) bool; strata: (images,); groups: (images,), None without groups."""

    title: str
    class_names: tuple[str, ...]
    present: np.ndarray
    strata: np.ndarray
    groups: np.ndarray | None

    def ours(self, count: int, seed: int) -> np.ndarray:
        """(images,) int: the folds that make_folds makes."""
        groups = np.arange(len(self.strata)) if self.groups is None else self.groups
        return assign_folds(self.present, self.strata, groups, count, seed)

    def sklearn(self, count: int, seed: int | None) -> np.ndarray:
        """(images,) int: sklearn's folds; seed None: unshuffled."""
        kind = StratifiedKFold if self.groups is None else StratifiedGroupKFold
        cutter = kind(count, shuffle=seed is not None, random_state=seed)
        folds = np.zeros(len(self.strata), dtype=int)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class in y")  # rare combinations
            for fold, (_, held) in enumerate(cutter.split(self.present, self.strata, self.groups)):
                folds[held] = fold
        return folds

    def balance(self, folds: np.ndarray, count: int) -> pd.DataFrame:
        """The balance table of a split."""
        rows = shown_rows(pd.DataFrame({"stratum": self.strata}), self.class_names, count)
        return balance_table(pd.Series(folds), rows, count)


def of_table(title: str, names: tuple[str, ...], present: np.ndarray, groups: np.ndarray | None) -> Images:
    """The images of a table of classes: present (images, classes) bool."""
    strata = np.array(["+".join(np.array(names)[row]) or EMPTY for row in present])
    return Images(title, names, present, strata, groups)


def drawn_sets() -> list[Images]:
    """12,568 images with the class frequencies and overlaps of Severstal, and 1,058 in groups of all sizes."""
    rng = np.random.default_rng(0)
    combinations = ((), (0,), (1,), (2,), (3,), (0, 1), (0, 2), (1, 2), (2, 3))
    counts = (5902, 769, 195, 4759, 516, 35, 93, 14, 285)  # of Severstal's training images
    steel = np.zeros((sum(counts), 4), dtype=bool)
    for rows, classes in zip(np.split(rng.permutation(len(steel)), np.cumsum(counts)[:-1]), combinations, strict=True):
        for index in classes:
            steel[rows, index] = True
    sizes = np.clip(rng.geometric(0.15, 1058), 1, 12)
    groups = np.repeat(np.arange(len(sizes)), sizes)[:1058]
    usual = rng.random((groups.max() + 1, 5)) < np.array([0.15, 0.12, 0.1, 0.08, 0.15])  # classes that a group shows
    tiles = usual[groups] & (rng.random((1058, 5)) < 0.6)
    names = tuple(map(str, range(1, 6)))
    return [
        of_table("drawn like Severstal", names[:4], steel, None),
        of_table("drawn in groups", names, tiles, groups.astype(str)),
    ]


def of_config(path: Path, overrides: list[str]) -> Images:
    """The training images of a config."""
    config = load_config(path, overrides)
    competition = open_competition(config.data)
    folds = with_strata(pd.DataFrame({"image_id": competition.train["image_id"]}), competition)
    strata = folds["stratum"].to_numpy(dtype=str)
    names = competition.class_names
    rows = shown_rows(folds, names, 1)
    groups = competition.train["group"].to_numpy(dtype=str) if "group" in competition.train else None
    return Images(config.name, names, np.column_stack([rows[name] for name in names]), strata, groups)


def of_presence(path: Path) -> Images:
    """The images of a csv of classes."""
    table = pd.read_csv(path)
    return of_table(path.stem, tuple(map(str, table.columns[1:])), table.iloc[:, 1:].to_numpy() > 0, None)


def worst(table: pd.DataFrame) -> tuple[float, float]:
    """The worst class's distance from even relative to even, and the largest distance of any, in images."""
    own = table.iloc[: table.index.get_loc(ALL)]
    return worst_class(table)[1], float(own["off"].max())


def compare(images: Images, count: int, seeds: int, bench: Bench) -> None:
    """Print one comparison and state its claims."""
    started = time.process_time()
    ours = images.ours(count, 0)
    seconds = time.process_time() - started
    table = images.balance(ours, count)
    splits = [images.balance(images.sklearn(count, seed), count) for seed in (None, *range(seeds))]
    theirs = np.array([worst(split) for split in splits])
    best = splits[int(np.lexsort(theirs.T[::-1])[0])]
    groups = "no groups" if images.groups is None else f"{len(set(images.groups))} groups"
    say(f"{images.title}: {len(images.strata)} images, {groups}, {count} folds")
    show(table, best, count)
    own = worst(table)
    say(
        f"worst class: ours {own[0]:.1%} ({own[1]:.1f} images); sklearn {theirs[:, 0].min():.1%} at best, "
        f"{theirs[:, 0].mean():.1%} on average of {len(splits)} splits ({theirs[:, 1].min():.1f} images at best)"
    )
    where = f"{images.title}, {count} folds"
    bench.claim(f"{where}: worst class off even, ours minus sklearn's best", own[0] - theirs[:, 0].min(), "≤", 0)
    bench.claim(f"{where}: seconds of a split", seconds, "≤", 10)
    if images.groups is None:
        bench.claim(f"{where}: images that a class or the empty ones are off even", own[1], "≤", 1)
        bench.claim(f"{where}: that, ours minus sklearn's best", own[1] - theirs[:, 1].min(), "≤", 0)
    else:
        spread = max(len(set(ours[images.groups == group])) for group in set(images.groups))
        bench.claim(f"{where}: folds that a group is in", spread, "=", 1)


def show(table: pd.DataFrame, best: pd.DataFrame, count: int) -> None:
    """Print the images that show each class, fold by fold."""
    shown = Table("images that show", *[f"fold {fold}" for fold in range(count)], "even", "off", "sklearn's best, off")
    for row in table.index:
        counts = [f"{table.loc[row, fold]:.0f}" for fold in range(count)]
        ends = [f"{each:.1f}" for each in (table.loc[row, "even"], table.loc[row, "off"], best.loc[row, "off"])]
        shown.add_row(row, *counts, *ends)
    print_table(shown)


def run(options: Options, bench: Bench) -> None:
    """Compare on every set."""
    sets = drawn_sets()
    sets += [of_config(options.config, list(options.set))] if options.config is not None else []
    sets += [of_presence(options.presence)] if options.presence is not None else []
    for images in sets:
        for count in options.counts:
            compare(images, count, options.seeds, bench)
