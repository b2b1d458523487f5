"""What the chosen rules are worth on the OOF images, class by class and image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.groups import image_groups
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked
from maskfold.oof.store import read_image_ids
from maskfold.oof.with_truth import iter_judged, largest_map_px
from maskfold.pixels.metrics import class_score, dice, image_scores
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE
from maskfold.rules.tuned import Pair, RuleScores, TunedClass
from maskfold.tuning.adoption import Verdict, decide
from maskfold.tuning.bootstrap import gain_interval
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.rule_areas import rule_areas

_DEFAULT, _TUNED, _HONEST = range(3)


@dataclass(frozen=True)
class JudgedImages:
    """All OOF images under the default, the tuned and the honest rule of each class.

    folds, groups: (images,); areas: (images, classes, 3 rules, 3) int64: intersection, predicted area, true area in px.
    """

    image_ids: list[str]
    folds: np.ndarray
    groups: np.ndarray
    areas: np.ndarray


def judge_rules(config: Config, competition: Competition, choices: Sequence[ClassChoice]) -> JudgedImages:
    """One more pass over the OOF: the areas that the default, the tuned and the honest rules leave."""
    image_ids: list[str] = []
    folds: list[int] = []
    areas: list[np.ndarray] = []
    for fold in range(config.folds.count):
        path = RunPaths.of(config).oof_parquet(fold)
        rules = [(DEFAULT_RULE, choice.rule, choice.without_fold[fold]) for choice in choices]
        judged = tracked(iter_judged(path, fold, competition), len(read_image_ids(path)), f"chosen rules, fold {fold}")
        for image_id, of_image in rule_areas(judged, rules, largest_map_px(competition), available_cores()):
            image_ids.append(image_id)
            folds.append(fold)
            areas.append(of_image)
    return JudgedImages(image_ids, np.array(folds), image_groups(competition, image_ids), np.stack(areas))


def tuned_class(config: Config, class_name: str, index: int, choice: ClassChoice, images: JudgedImages) -> TunedClass:
    """What was chosen for one class, what it is worth, and whether it is adopted."""
    metric = config.tuning.metric
    areas = images.areas[:, index]
    default, tuned, honest = (class_score(metric, *areas[:, rule].T) for rule in (_DEFAULT, _TUNED, _HONEST))
    blank = np.zeros(len(areas), dtype=np.int64)
    shown = areas[areas[:, 0, 2] > 0]
    verdict = _verdict(metric, areas, images.folds)
    rng = np.random.default_rng([config.seed, index])
    samples = config.tuning.bootstrap_samples
    interval = gain_interval(metric, areas[:, _DEFAULT], areas[:, _HONEST], images.groups, samples, rng)
    non_empty = [float(dice(*shown[:, rule].T).mean()) if len(shown) else None for rule in (_DEFAULT, _TUNED)]
    predicted = [float((areas[:, rule, 1] > 0).mean()) for rule in (_DEFAULT, _TUNED)]
    return TunedClass(
        class_name=class_name,
        rule={"tuned": choice.rule, "default": DEFAULT_RULE, "empty": EMPTY_RULE}[verdict.answer],
        tuned_rule=choice.rule,
        adopted=verdict.answer == "tuned",
        reason=verdict.reason,
        honest_used=class_score(metric, *verdict.honest.T),
        scores=RuleScores(
            all_empty=class_score(metric, blank, blank, areas[:, 0, 2]), default=default, tuned=tuned, honest=honest
        ),
        gain_interval=interval,
        non_empty_dice=Pair(default=non_empty[0], tuned=non_empty[1]),
        predicted_share=Pair(default=predicted[0], tuned=predicted[1]),
        true_share=len(shown) / len(areas),
        plateau=choice.plateau,
    )


def _verdict(metric: str, areas: np.ndarray, folds: np.ndarray) -> Verdict:
    """The answer of one class; areas: (images, 3 rules, 3)."""
    return decide(metric, areas[:, _DEFAULT], areas[:, _TUNED], areas[:, _HONEST], folds)


def image_table(metric: str, classes: Sequence[TunedClass], images: JudgedImages) -> pd.DataFrame:
    """One row an image and class: its areas in px and scores under the default, the rule in use, and honestly.

    Pooled Dice has no score an image, so Dice stands in for it.
    """
    tables = []
    for index, entry in enumerate(classes):
        areas = images.areas[:, index]
        verdict = _verdict(metric, areas, images.folds)
        columns = {
            "image_id": images.image_ids,
            "class_name": entry.class_name,
            "fold": images.folds,
            "true_area": areas[:, 0, 2],
            "default_area": areas[:, _DEFAULT, 1],
            "default_score": image_scores(metric, *areas[:, _DEFAULT].T),
            "adopted_area": verdict.used[:, 1],
            "adopted_score": image_scores(metric, *verdict.used.T),
            "honest_score": image_scores(metric, *verdict.honest.T),
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
