"""How even our folds are, beside those of sklearn's StratifiedGroupKFold on the same images.

usage: python benchmarks/folds.py [--config FILE] [--set KEY=VALUE …] [--presence CSV] [--counts N …] [--seeds N]
  python benchmarks/folds.py --config configs/magnetic_tile.yaml --set data.root=/data/magnetic_tile
  python benchmarks/folds.py --presence defect_presence_all.csv

Cuts the training images of a config (its groups are respected), or a csv with one row an image and a column of 0 and 1
a class. sklearn gets the same strata and groups, unshuffled and shuffled with several seeds; the best of its cuts
counts. The worst class is the one, of the classes and the empties, whose count in a fold is furthest from even, beside
even. Prints the tables and one JSON line a claim; exits with 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
from claims import claim
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from maskfold.config import load_config
from maskfold.data.opening import open_competition
from maskfold.folds.balance import ALL, balance_table, shown_rows, worst_class
from maskfold.folds.splitting import EMPTY, assign_folds, with_strata

SECONDS = 10.0  # a cut may take


@dataclass(frozen=True)
class Images:
    """Training images to cut. present: (images, C) bool; strata: (images,); groups: (images,), None without groups."""

    title: str
    class_names: tuple[str, ...]
    present: np.ndarray
    strata: np.ndarray
    groups: np.ndarray | None

    def ours(self, count: int, seed: int) -> np.ndarray:
        """(images,) int: the folds that make_folds cuts."""
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
        """The balance table of a cut."""
        rows = shown_rows(pd.DataFrame({"stratum": self.strata}), self.class_names, count)
        return balance_table(pd.Series(folds), rows, count)


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
    """The images of a csv of classes shown."""
    table = pd.read_csv(path)
    names = tuple(map(str, table.columns[1:]))
    present = table.iloc[:, 1:].to_numpy() > 0
    strata = np.array(["+".join(np.array(names)[row]) or EMPTY for row in present])
    return Images(path.stem, names, present, strata, None)


def worst(table: pd.DataFrame) -> tuple[float, float]:
    """The worst class's distance from even beside even, and the largest distance of any, in images."""
    own = table.iloc[: table.index.get_loc(ALL)]
    return worst_class(table)[1], float(own["off"].max())


def compare(images: Images, count: int, seeds: int, console: Console) -> list[bool]:
    """Print one comparison; returns which claims hold."""
    started = time.process_time()
    ours = images.ours(count, 0)
    seconds = time.process_time() - started
    table = images.balance(ours, count)
    cuts = [images.balance(images.sklearn(count, seed), count) for seed in (None, *range(seeds))]
    theirs = np.array([worst(cut) for cut in cuts])
    best = cuts[int(np.lexsort(theirs.T[::-1])[0])]
    shown = Table("images that show", *[f"fold {fold}" for fold in range(count)], "even", "off", "sklearn's best, off")
    for row in table.index:
        counts = [f"{table.loc[row, fold]:.0f}" for fold in range(count)]
        shown.add_row(
            row, *counts, f"{table.loc[row, 'even']:.1f}", f"{table.loc[row, 'off']:.1f}", f"{best.loc[row, 'off']:.1f}"
        )
    groups = "no groups" if images.groups is None else f"{len(set(images.groups))} groups"
    console.print(f"{images.title}: {len(images.strata)} images, {groups}, {count} folds")
    console.print(shown)
    own = worst(table)
    console.print(
        f"worst class: ours {own[0]:.1%} ({own[1]:.1f} images); sklearn {theirs[:, 0].min():.1%} at best, "
        f"{theirs[:, 0].mean():.1%} on average of {len(cuts)} cuts ({theirs[:, 1].min():.1f} images at best)"
    )
    where = f"{images.title}, {count} folds"
    best_ratio, best_off = theirs[:, 0].min(), theirs[:, 1].min()
    holds = [
        claim(f"{where}: worst class off even, ours against sklearn's best", own[0], best_ratio, own[0] <= best_ratio),
        claim(f"{where}: seconds of a cut", seconds, SECONDS, seconds <= SECONDS),
    ]
    if images.groups is None:
        holds.append(claim(f"{where}: images a class or the empties are off even", own[1], 1, own[1] <= 1))
        holds.append(claim(f"{where}: that, against sklearn's best", own[1], best_off, own[1] <= best_off))
    else:
        spread = max(len(set(ours[images.groups == group])) for group in set(images.groups))
        holds.append(claim(f"{where}: folds that a group lies in", spread, 1, spread == 1))
    return holds


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, help="cut the training images of this config")
    parser.add_argument("--set", dest="overrides", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--presence", type=Path, help="cut the images of this csv: an id, then 0 or 1 a class")
    parser.add_argument("--counts", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--seeds", type=int, default=20, help="of sklearn's shuffled cuts")
    args = parser.parse_args()
    if args.config is None and args.presence is None:
        parser.error("give --config, --presence or both")
    return args


def main() -> int:
    """Compare; 1 when a claim does not hold."""
    args = parse_args()
    sets = [of_config(args.config, args.overrides)] if args.config is not None else []
    sets += [of_presence(args.presence)] if args.presence is not None else []
    console = Console(width=140)
    holds = [held for images in sets for count in args.counts for held in compare(images, count, args.seeds, console)]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
