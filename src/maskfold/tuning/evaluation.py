"""What the chosen rules are worth on the OOF images, class by class and image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.config import TuningConfig
from maskfold.data.competition import Competition
from maskfold.data.groups import image_groups
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked
from maskfold.mask_metrics.metric import MaskMetric
from maskfold.mask_metrics.rows import AREAS, PAIR, class_score, of_whole_masks, scores
from maskfold.oof.store import read_image_ids
from maskfold.oof.with_truth import iter_with_truth, largest_map_px
from maskfold.pixels.metrics import dice
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, AnyRule
from maskfold.rules.tuned import Pair, RuleScores, TunedClass
from maskfold.tuning.adoption import Adoption, adopt, blank
from maskfold.tuning.bootstrap import gain_interval
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.rule_areas import rule_areas
from maskfold.tuning.sampled.measuring import measured_rows

_DEFAULT, TUNED, HONEST, _EMPTY = range(4)  # the rules of `EvaluatedImages.areas`


@dataclass(frozen=True)
class EvaluatedImages:
    """All OOF images under the default, the tuned and the honest rule of each class.

    folds, groups: (images,); areas: (images, classes, 3 rules, 3) int64: intersection, predicted area, true area in px;
    with a metric of whole masks (images, classes, 4 rules, 5) float64, see `mask_metrics.rows`, the last rule empty.
    """

    image_ids: list[str]
    folds: np.ndarray
    groups: np.ndarray
    areas: np.ndarray


def evaluate_rules(
    oof_files: Sequence[Path],
    competition: Competition,
    alternatives: Sequence[Sequence[ClassChoice]],
    part: str = "fold",
    metric: MaskMetric | None = None,
) -> list[EvaluatedImages]:
    """One more pass over the OOF: the areas that the default, the tuned and the honest rules of each alternative leave.

    oof_files: that of each fold; alternatives: each a choice a class, in order; part: what a fold is called on the
    screen; metric: one of whole masks, to be measured as well. Raises DataError when the OOF does not fit.
    """
    image_ids: list[str] = []
    folds: list[int] = []
    areas: list[np.ndarray] = []
    counts = [len(read_image_ids(path)) for path in oof_files]
    for fold, path in enumerate(oof_files):
        more = () if metric is None else (EMPTY_RULE,)
        rules: list[list[AnyRule]] = [
            [rule for choice in of_class for rule in (DEFAULT_RULE, choice.rule, choice.without_fold[fold], *more)]
            for of_class in zip(*alternatives, strict=True)
        ]
        labelled, title = iter_with_truth(path, fold, competition), f"chosen rules, {part} {fold}"
        images = tracked(labelled, counts[fold], title, sum(counts[fold + 1 :]))
        if metric is None:
            found = rule_areas(images, rules, largest_map_px(competition), available_cores())
        else:
            found = ((name, np.stack(rows)) for name, rows in measured_rows(images, rules, metric, available_cores()))
        for image_id, of_image in found:
            image_ids.append(image_id)
            folds.append(fold)
            areas.append(of_image)
    groups = image_groups(competition, image_ids)
    by_alternative = np.split(np.stack(areas), len(alternatives), axis=2)
    return [EvaluatedImages(image_ids, np.array(folds), groups, of_one) for of_one in by_alternative]


def tuned_class(
    tuning: TuningConfig, seed: int, class_name: str, index: int, choice: ClassChoice, images: EvaluatedImages
) -> TunedClass:
    """What was chosen for one class (number `index`), what it is worth, and whether it is adopted."""
    metric = tuning.metric
    areas = images.areas[:, index]
    default, tuned, honest = (class_score(metric, areas[:, rule]) for rule in (_DEFAULT, TUNED, HONEST))
    non_empty = areas[areas[:, 0, 2] > 0]
    adoption = _adoption(metric, areas, images.folds)
    rng = np.random.default_rng([seed, index])
    interval = gain_interval(metric, areas[:, _DEFAULT], areas[:, HONEST], images.groups, tuning.bootstrap_samples, rng)
    pairs = (_DEFAULT, TUNED)
    non_empty_dice = [float(dice(*non_empty[:, rule, AREAS].T).mean()) if len(non_empty) else None for rule in pairs]
    predicted = [float((areas[:, rule, 1] > 0).mean()) for rule in pairs]
    return TunedClass(
        class_name=class_name,
        rule={"tuned": choice.rule, "default": DEFAULT_RULE, "empty": EMPTY_RULE}[adoption.used],
        tuned_rule=choice.rule,
        adopted=adoption.used == "tuned",
        reason=adoption.reason,
        honest_used=class_score(metric, adoption.honest),
        scores=RuleScores(all_empty=class_score(metric, _empty(areas)), default=default, tuned=tuned, honest=honest),
        gain_interval=interval,
        non_empty_dice=Pair(default=non_empty_dice[0], tuned=non_empty_dice[1]),
        predicted_share=Pair(default=predicted[0], tuned=predicted[1]),
        true_share=len(non_empty) / len(areas),
        plateau=choice.plateau,
    )


def _adoption(metric: str, areas: np.ndarray, folds: np.ndarray) -> Adoption:
    """Which rule of one class is used; areas: (images, rules, …) as in `EvaluatedImages`."""
    return adopt(metric, areas[:, _DEFAULT], areas[:, TUNED], areas[:, HONEST], folds, _empty(areas))


def _empty(areas: np.ndarray) -> np.ndarray:
    """What is left of the images of one class when nothing is predicted."""
    return areas[:, _EMPTY] if of_whole_masks(areas) else blank(areas[:, _DEFAULT])


def image_table(metric: str, classes: Sequence[TunedClass], images: EvaluatedImages) -> pd.DataFrame:
    """One row an image and class: its areas in px and scores under the default and the rule in use, and the honest one.

    Pooled Dice has no score an image, so Dice stands in for it. A metric of whole masks adds empty_score, that when
    nothing is predicted, and how much each score weighs in the class score, <kind>_weight.
    """
    tables = []
    for index, entry in enumerate(classes):
        areas = images.areas[:, index]
        adoption = _adoption(metric, areas, images.folds)
        columns = {
            "image_id": images.image_ids,
            "class_name": entry.class_name,
            "fold": images.folds,
            "true_area": areas[:, 0, 2].astype(np.int64),
            "default_area": areas[:, _DEFAULT, 1].astype(np.int64),
            "default_score": scores(metric, areas[:, _DEFAULT]),
            "adopted_area": adoption.areas[:, 1].astype(np.int64),
            "adopted_score": scores(metric, adoption.areas),
            "honest_score": scores(metric, adoption.honest),
        }
        if of_whole_masks(areas):
            kinds = {"empty": _empty(areas), "default": areas[:, _DEFAULT]}
            kinds |= {"adopted": adoption.areas, "honest": adoption.honest}
            columns |= {"empty_score": scores(metric, kinds["empty"])}
            columns |= {f"{kind}_weight": rows[:, PAIR][:, 1] for kind, rows in kinds.items()}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
