"""The default threshold with a gate that follows from two numbers, so that it needs no search and few images.

A gate that is searched for among 32 is the luckiest of them: on 300 images of TGS salt it gave away a third of what a
gate is worth, and a threshold and a minimum area chosen with it half (docs/results.md, gates from few images).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from maskfold.config import TuningConfig
from maskfold.pixels.metrics import FIXED_ONE, POOLED
from maskfold.rules.rules import DEFAULT_RULE, GATE_STEPS, AnyRule, HardGate
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.tables.score_tables import FoldTables

_RULES = ("auto", "component", "all")  # values of tuning.rule that allow the default with a gate


def gated_defaults(
    tables_of: Callable[[int], Sequence[FoldTables]], chosen: Sequence[ClassChoice], tuning: TuningConfig
) -> list[ClassChoice] | None:
    """For each class the default with a derived gate, or what is already chosen where none can be derived.

    tables_of: the tables of every fold of a class, by its number; chosen: the fixed rules, one a class. None without
    gates: no classification head, `tuning.gates: false`, another `tuning.rule`, or a metric of all pixels together.
    """
    if not tuning.gates or tuning.rule not in _RULES or tuning.metric in POOLED:
        return None
    found = []
    for index, choice in enumerate(chosen):
        tables = tables_of(index)
        if len(tables[0].images[0]) == 1:
            return None
        found.append(gated_default(tables) or choice)
    return found


def gated_default(tables: Sequence[FoldTables]) -> ClassChoice | None:
    """The default with the gate derived on all folds, and those derived without each; None if no image shows the class.

    tables: of one class, by fold, with gate levels.
    """
    sums = np.array([non_empty_score(table) for table in tables])
    if not sums[:, 1].sum():
        return None
    return ClassChoice(
        _rule(sums.sum(axis=0)),
        tuple(_rule(np.delete(sums, fold, axis=0).sum(axis=0)) for fold in range(len(tables))),
        None,
    )


def derived_gate(mean_score: float) -> HardGate:
    """The gate below which an empty mask is expected to score more than the default.

    Where the class is present with probability p, the mask scores p D on average and an empty one 1 - p; so the mask is
    worth it from p = 1 / (1 + D) on, here rounded to 1/32. It takes the head for calibrated and D for the same at every
    p, and what a mask says more than the head it leaves out: where that is far from true, its honest gain is negative,
    and it is not used. mean_score: D, 0..1, of the default on images that show the class.
    """
    return HardGate(min_class_prob=round(GATE_STEPS / (1 + mean_score)) / GATE_STEPS)


def _rule(sums: np.ndarray) -> AnyRule:
    """The default with the gate of (score, images) of images that show the class; without such the default."""
    score, images = sums
    return DEFAULT_RULE.model_copy(update={"gate": derived_gate(score / images)}) if images else DEFAULT_RULE


def non_empty_score(tables: FoldTables) -> tuple[float, int]:
    """The sum of the default's scores over the images of a fold that show the (only) class, and their number."""
    table = tables.table(0)
    empty = int(table.blank[0]) // FIXED_ONE  # an empty mask scores 1 where the class is absent, else 0
    wrong = sum(_wrongly_predicted(maps) for maps in tables.histograms.chunks(0))
    everywhere = table.at(DEFAULT_RULE.threshold, DEFAULT_RULE.min_area_px) * table.images
    return everywhere - (empty - wrong), table.images - empty


def _wrongly_predicted(maps: np.ndarray) -> int:
    """In how many maps (`map_histograms.record`) without the class the default predicts pixels that count."""
    counted = maps["histograms"][:, 0].astype(np.int64)
    if maps["histograms"].shape[1] > 2:
        counted = counted - maps["histograms"][:, 2]  # ignored pixels
    predicted = counted[:, DEFAULT_RULE.threshold :].sum(axis=1) > 0
    return int(np.count_nonzero(predicted & (maps["true_area"] == 0)))
