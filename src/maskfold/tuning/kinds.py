"""A fixed threshold or a cut for each image: whichever is better, class by class, on folds it was not chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskfold.data.competition import Competition
from maskfold.execution.jobs import available_cores
from maskfold.execution.progress import tracked
from maskfold.oof.store import read_image_ids
from maskfold.oof.with_truth import iter_with_truth, largest_map_px
from maskfold.pixels.metrics import scores
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.rule_areas import rule_areas

# Standard errors, over images, by which the expected rule must beat the fixed one: ties go to the simpler rule.
NOISE_ERRORS = 1.0


def choose_kinds(
    oof_files: Sequence[Path],
    competition: Competition,
    metric: str,
    fixed: Sequence[ClassChoice],
    expected: Sequence[ClassChoice],
    part: str = "fold",
) -> list[ClassChoice]:
    """For each class the fixed or the expected choice, and for each fold the one that is better on the other folds.

    oof_files: that of each fold; fixed, expected: one a class; part: what a fold is called on the screen. One pass over
    the OOF, in which every image has the rules that were chosen without its fold.
    """
    found, folds = [], []
    counts = [len(read_image_ids(path)) for path in oof_files]
    for fold, path in enumerate(oof_files):
        rules = [(one.without_fold[fold], other.without_fold[fold]) for one, other in zip(fixed, expected, strict=True)]
        labelled, title = iter_with_truth(path, fold, competition), f"kinds, {part} {fold}"
        images = tracked(labelled, counts[fold], title, sum(counts[fold + 1 :]))
        for _, areas in rule_areas(images, rules, largest_map_px(competition), available_cores()):
            found.append(scores(metric, *np.moveaxis(areas, -1, 0)))
            folds.append(fold)
    gains = np.stack(found)[:, :, 1] - np.stack(found)[:, :, 0]
    return [
        chosen_kind(one, other, gains[:, index], np.array(folds))
        for index, (one, other) in enumerate(zip(fixed, expected, strict=True))
    ]


def chosen_kind(fixed: ClassChoice, expected: ClassChoice, gains: np.ndarray, folds: np.ndarray) -> ClassChoice:
    """One class; gains: (images,) held-out score of the expected rule minus the fixed one; folds: (images,)."""
    pairs = zip(fixed.without_fold, expected.without_fold, strict=True)
    without = [other if clearly_better(gains[folds != fold]) else one for fold, (one, other) in enumerate(pairs)]
    whole = expected if clearly_better(gains) else fixed
    return ClassChoice(whole.rule, tuple(without), whole.plateau)


def clearly_better(gains: np.ndarray) -> bool:
    """Whether the mean of gains is above 0 by more than their noise; of fewer than two images never."""
    if len(gains) < 2:
        return False
    return bool(gains.mean() > NOISE_ERRORS * gains.std(ddof=1) / np.sqrt(len(gains)))
