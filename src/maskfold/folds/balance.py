"""How even a cut is: the images of every class in each fold, and how far they are from even."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from rich.table import Table

from maskfold.config import FoldsConfig
from maskfold.execution.console import print_table, table_of
from maskfold.execution.text import class_words
from maskfold.folds.splitting import EMPTY
from maskfold.folds.table import NOT_HELD_OUT

ALL = "all images"
_MOST_COMBINATIONS = 12  # of classes that a table shows


def shown_rows(folds: pd.DataFrame, class_names: tuple[str, ...], count: int) -> dict[str, np.ndarray]:
    """The rows of a balance table: name -> (images,) bool, which images count.

    Every class (a single one also by its bins of coverage), the empties, all images, and the most frequent combinations
    of classes, of those that are frequent enough for every fold.
    """
    strata = folds["stratum"].astype(str)
    if len(class_names) > 1:
        rows = {name: np.array([f"+{name}+" in f"+{stratum}+" for stratum in strata]) for name in class_names}
    else:
        rows = {class_names[0]: (strata != EMPTY).to_numpy()}
    rows[EMPTY] = (strata == EMPTY).to_numpy()
    rows[ALL] = np.ones(len(folds), dtype=bool)
    for stratum in sorted(_frequent(strata, rows, count)[:_MOST_COMBINATIONS]):
        rows[stratum] = (strata == stratum).to_numpy()
    return rows


def _frequent(strata: pd.Series, rows: Collection[str], count: int) -> list[str]:
    """The combinations of classes with an image for every fold, the most frequent first; rows: what is shown anyway."""
    images = strata.value_counts()
    own = [str(name) for name in images.index if images[name] >= count and name not in rows]
    return sorted(own, key=lambda name: (-images[name], name))


def balance_table(cut: pd.Series, rows: dict[str, np.ndarray], count: int) -> pd.DataFrame:
    """Images of each fold that count for each row; columns 0, 1, …, `even`, and `off`, the largest distance from it.

    cut: (images,) the fold of each image; those of none are left out. `off` is in images, as `even` is.
    """
    folds = cut.to_numpy()
    counts = np.array([[int((own & (folds == fold)).sum()) for fold in range(count)] for own in rows.values()])
    table = pd.DataFrame(counts, index=pd.Index(list(rows)), columns=list(range(count)))
    table["even"] = counts.sum(axis=1) / count
    table["off"] = np.abs(counts - counts.mean(axis=1, keepdims=True)).max(axis=1)
    return table


def worst_class(table: pd.DataFrame) -> tuple[str, float]:
    """The class, or the empties, whose `off` is largest compared with its even count, and that ratio."""
    own = table.iloc[: table.index.get_loc(ALL)]
    ratio = own["off"] / own["even"].where(own["even"] > 0)
    return (str(ratio.idxmax()), float(ratio.max())) if ratio.notna().any() else (str(own.index[0]), 0.0)


def show_balance(folds: pd.DataFrame, plan: FoldsConfig, class_names: tuple[str, ...]) -> None:
    """Print the balance of every cut, and a warning for every class that a fold or the training side lacks.

    folds: as `cut_folds` makes them.
    """
    rows = shown_rows(folds, class_names, plan.count)
    for column in plan.columns:
        balance = balance_table(folds[column], rows, plan.count)
        if column == "fold":
            print_table(_printed(balance, rows, folds["fold"].to_numpy() == NOT_HELD_OUT, plan))
            left_out = len(_frequent(folds["stratum"].astype(str), rows, plan.count))
            if left_out:
                print(f"{left_out} more combinations of classes: see the column stratum of the folds csv")
        print(_summary(balance, "" if column == "fold" else f"{column}: ", "group" in folds))
    for line in _missing(balance_table(folds["fold"], rows, plan.count), rows, folds, plan):
        print(f"warning: {line}")


def _printed(balance: pd.DataFrame, rows: dict[str, np.ndarray], trained: np.ndarray, plan: FoldsConfig) -> Table:
    """The table as it is shown, with a column of the images that are only trained on, where there are any."""
    name = "part" if plan.held_out_once else "fold"
    always = ["training only"] if trained.any() else []
    table = table_of(["images"], [*always, *(f"{name} {fold}" for fold in range(plan.count)), "even", "off by"])
    for row, counts in balance.iterrows():
        fixed = [str(int((rows[str(row)] & trained).sum()))] if always else []
        folds = [f"{counts[fold]:.0f}" for fold in range(plan.count)]
        off = f"{counts['off']:.1f}" + (f" ({counts['off'] / counts['even']:.0%})" if counts["even"] else "")
        table.add_row(str(row), *fixed, *folds, f"{counts['even']:.1f}", off)
    return table


def _summary(balance: pd.DataFrame, where: str, grouped: bool) -> str:
    """How far from even the cut is, in a sentence."""
    own = balance.iloc[: balance.index.get_loc(ALL)]
    if (own["off"] <= 1).all():
        return f"{where}every class and the empties are within 1 of even in every fold"
    name, ratio = worst_class(balance)
    why = "groups stay together, which costs: " if grouped else ""
    return f"{where}{why}worst is {name}, {own.loc[name, 'off']:.1f} images or {ratio:.1%} off even"


def _missing(balance: pd.DataFrame, rows: dict[str, np.ndarray], folds: pd.DataFrame, plan: FoldsConfig) -> list[str]:
    """Classes that are missing from a fold, or from all images that a model is trained on."""
    lines = []
    for name in balance.index[: balance.index.get_loc(EMPTY)]:
        if not rows[name].any():
            lines.append(f"{class_words(name)} is in no training image")
            continue
        for fold in range(plan.count):
            if not balance.loc[name, fold]:
                part = "part" if plan.held_out_once else "fold"
                which = f"{part} {fold} has no image with {class_words(name)}"
                lines.append(f"{which}; the honest score of that class rests on the others")
        if plan.held_out_once and not (rows[name] & (folds["fold"].to_numpy() == NOT_HELD_OUT)).any():
            lines.append(f"every image with {class_words(name)} is held out, so it cannot be learned")
    return lines
