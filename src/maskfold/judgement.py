"""What the chosen rules are worth on the OOF images, class by class and image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from maskfold.choosing import ClassChoice
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.executor import available_cores
from maskfold.honesty import gain_interval
from maskfold.metrics import class_score, dice, image_scores
from maskfold.oof import read_image_ids
from maskfold.oof_truth import iter_judged
from maskfold.paths import RunPaths
from maskfold.postprocess import DEFAULT_RULE, Pair, Scores, TunedClass
from maskfold.progress import tracked
from maskfold.rule_areas import AnyRule, rule_areas

_DEFAULT, _TUNED, _HONEST = range(3)

# What may follow a rule; the plain rule first, so that it stays where nothing beats it.
FINISHES: tuple[dict[str, Any], ...] = (
    {},
    {"fill_holes": True},
    {"largest_k": 1},
    {"largest_k": 2},
    {"largest_k": 1, "fill_holes": True},
)


@dataclass(frozen=True)
class JudgedImages:
    """All OOF images under the default, the tuned and the honest rule of each class.

    folds, groups: (images,); areas: (images, classes, 3 rules, 3) int64: intersection, predicted area, true area in px.
    """

    image_ids: list[str]
    folds: np.ndarray
    groups: np.ndarray
    areas: np.ndarray


def judge_rules(
    config: Config, competition: Competition, choices: Sequence[ClassChoice]
) -> tuple[list[ClassChoice], JudgedImages, list[list[tuple[AnyRule, float]]]]:
    """One more pass over the OOF: what the chosen rules leave, and which finish, if any, is best for each.

    A finish for the images of a fold is chosen on the other folds, as its rule is. Returns the choices with their
    finishes, the judged images, and for each class the finishes that were tried and their scores on all folds.
    """
    finishes = FINISHES if config.tuning.finishing else FINISHES[:1]
    image_ids, folds, areas = _all_areas(config, competition, choices, finishes)
    finished, judged, tried = [], [], []
    for index, choice in enumerate(choices):
        # (images, sets of folds, finishes, 3): all folds, then all but each in turn
        tuned = areas[:, index, 1:].reshape(len(areas), config.folds.count + 1, len(finishes), 3)
        chosen_on = [np.ones(len(folds), dtype=bool), *(folds != fold for fold in range(config.folds.count))]
        scores = [
            [class_score(config.tuning.metric, *tuned[mask, fold_set, finish].T) for finish in range(len(finishes))]
            for fold_set, mask in enumerate(chosen_on)
        ]
        best = np.argmax(scores, axis=1)  # of equal ones the first, which is the plain rule
        rules = [
            rule.model_copy(update=finishes[finish])
            for rule, finish in zip((choice.rule, *choice.without_fold), best, strict=True)
        ]
        finished.append(ClassChoice(rules[0], tuple(rules[1:]), choice.plateau))
        honest = tuned[np.arange(len(folds)), folds + 1, best[folds + 1]]
        judged.append(np.stack([areas[:, index, 0], tuned[:, 0, best[0]], honest], axis=1))
        tried.append(
            [(choice.rule.model_copy(update=more), score) for more, score in zip(finishes, scores[0], strict=True)][1:]
        )
    images = JudgedImages(image_ids, folds, _groups(competition, image_ids), np.stack(judged, axis=1))
    return finished, images, tried


def all_rules(choice: ClassChoice, finishes: Sequence[dict[str, Any]]) -> list[AnyRule]:
    """The default rule, then the one chosen on all folds and those chosen without each, with every finish."""
    chosen = (choice.rule, *choice.without_fold)
    return [DEFAULT_RULE, *(rule.model_copy(update=more) for rule in chosen for more in finishes)]


def _all_areas(
    config: Config, competition: Competition, choices: Sequence[ClassChoice], finishes: Sequence[dict[str, Any]]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Image ids, folds (images,) and areas (images, classes, rules, 3) of the default rule and of every other rule
    with every finish."""
    paths = RunPaths.of(config)
    rules = [all_rules(choice, finishes) for choice in choices]
    image_ids: list[str] = []
    folds: list[int] = []
    areas: list[np.ndarray] = []
    for fold in range(config.folds.count):
        path = paths.oof_parquet(fold)
        judged = tracked(iter_judged(path, fold, competition), len(read_image_ids(path)), f"chosen rules, fold {fold}")
        for image_id, of_image in rule_areas(judged, rules, available_cores()):
            image_ids.append(image_id)
            folds.append(fold)
            areas.append(of_image)
    return image_ids, np.array(folds), np.stack(areas)


def _groups(competition: Competition, image_ids: list[str]) -> np.ndarray:
    """The group of each image, its own where there are none."""
    if "group" not in competition.train:
        return np.array(image_ids)
    group_of = competition.train.set_index("image_id")["group"].astype(str)
    return group_of.loc[image_ids].to_numpy(dtype=str)


def tuned_class(config: Config, class_name: str, index: int, choice: ClassChoice, images: JudgedImages) -> TunedClass:
    """What was chosen for one class, what it is worth, and whether it is adopted."""
    metric = config.tuning.metric
    areas = images.areas[:, index]
    default, tuned, honest = (class_score(metric, *areas[:, rule].T) for rule in (_DEFAULT, _TUNED, _HONEST))
    blank = np.zeros(len(areas), dtype=np.int64)
    shown = areas[areas[:, 0, 2] > 0]
    adopted, reason = _verdict(default, honest, len(shown))
    rng = np.random.default_rng([config.seed, index])
    samples = config.tuning.bootstrap_samples
    interval = gain_interval(metric, areas[:, _DEFAULT], areas[:, _HONEST], images.groups, samples, rng)
    non_empty = [float(dice(*shown[:, rule].T).mean()) if len(shown) else None for rule in (_DEFAULT, _TUNED)]
    predicted = [float((areas[:, rule, 1] > 0).mean()) for rule in (_DEFAULT, _TUNED)]
    return TunedClass(
        class_name=class_name,
        rule=choice.rule if adopted else DEFAULT_RULE,
        tuned_rule=choice.rule,
        adopted=adopted,
        reason=reason,
        scores=Scores(
            all_empty=class_score(metric, blank, blank, areas[:, 0, 2]), default=default, tuned=tuned, honest=honest
        ),
        gain_interval=interval,
        non_empty_dice=Pair(default=non_empty[0], tuned=non_empty[1]),
        predicted_share=Pair(default=predicted[0], tuned=predicted[1]),
        true_share=len(shown) / len(areas),
        plateau=choice.plateau,
    )


def _verdict(default: float, honest: float, shown: int) -> tuple[bool, str]:
    """Whether the tuned rule replaces the default, and why."""
    if shown == 0:
        return False, "no image shows this class, so there is nothing to tune on; the default stays"
    if honest > default:
        return True, f"honest gain {honest - default:+.4f}"
    return False, f"honest gain {honest - default:+.4f} is not positive; the default stays"


def image_table(metric: str, classes: Sequence[TunedClass], images: JudgedImages) -> pd.DataFrame:
    """One row an image and class: its areas in px and scores under the default, the adopted and the honest rule.

    Pooled Dice has no score an image, so Dice stands in for it.
    """
    tables = []
    for index, entry in enumerate(classes):
        areas = images.areas[:, index]
        default, tuned, honest = (image_scores(metric, *areas[:, rule].T) for rule in (_DEFAULT, _TUNED, _HONEST))
        columns = {
            "image_id": images.image_ids,
            "class_name": entry.class_name,
            "fold": images.folds,
            "true_area": areas[:, 0, 2],
            "default_area": areas[:, _DEFAULT, 1],
            "default_score": default,
            "adopted_area": areas[:, _TUNED if entry.adopted else _DEFAULT, 1],
            "adopted_score": tuned if entry.adopted else default,
            "honest_score": honest if entry.adopted else default,
        }
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
