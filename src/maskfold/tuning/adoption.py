"""Which answer of a class is used: its tuned rule, the default, or nothing at all; and what that choice is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskfold.pixels.metrics import class_score, image_scores
from maskfold.rules.tuned import Adopted

_NOISE_ERRORS = 2.0  # standard errors, over images, that answering nothing must gain over the better rule


@dataclass(frozen=True)
class Verdict:
    """The answer that is used, why, and the areas it leaves: (images, 3) int64, as in `judgement.JudgedImages`.

    used: under the answer, on the images it was chosen on; honest: where the rule of each fold was tuned, and the
    answer decided, on the other folds.
    """

    answer: Adopted
    reason: str
    used: np.ndarray
    honest: np.ndarray


def decide(metric: str, default: np.ndarray, tuned: np.ndarray, honest: np.ndarray, folds: np.ndarray) -> Verdict:
    """The answer with the best score, the tuned rule being scored as it does on folds it was not tuned on.

    default, tuned, honest: (images, 3) int64 areas (intersection, predicted, true) in px under the default, the rule
    tuned on all folds, and that tuned without the image's own; folds: (images,). Of equal scores the default stays; a
    class that no image shows keeps it. Answering nothing must be clearly better, or chance would give up classes.
    """
    areas: dict[Adopted, np.ndarray] = {"default": default, "tuned": honest, "empty": _blank(default)}
    answer, scores = _best(metric, areas)
    decided = default.copy()
    for fold in np.unique(folds):
        inside = folds == fold
        of_others, _ = _best(metric, {name: rows[~inside] for name, rows in areas.items()})
        decided[inside] = areas[of_others][inside]
    used = tuned if answer == "tuned" else areas[answer]
    return Verdict(answer, _reason(answer, scores), used, decided)


def _blank(areas: np.ndarray) -> np.ndarray:
    """The areas when nothing is predicted."""
    blank = np.zeros_like(areas)
    blank[:, 2] = areas[:, 2]
    return blank


def _best(metric: str, areas: dict[Adopted, np.ndarray]) -> tuple[Adopted, dict[Adopted, float]]:
    """The best answer on some images, of equal ones the first, and the score of each; none of an absent class."""
    if not areas["default"][:, 2].any():
        return "default", {}
    scores = {name: class_score(metric, *rows.T) for name, rows in areas.items()}
    rule: Adopted = "tuned" if scores["tuned"] > scores["default"] else "default"
    gains = image_scores(metric, *areas["empty"].T) - image_scores(metric, *areas[rule].T)
    noise = _NOISE_ERRORS * float(gains.std()) / np.sqrt(len(gains))
    return "empty" if scores["empty"] - scores[rule] > noise else rule, scores


def _reason(answer: Adopted, scores: dict[Adopted, float]) -> str:
    if not scores:
        return "no image shows this class, so there is nothing to tune on; the default stays"
    gain = scores["tuned"] - scores["default"]
    if answer == "empty":
        best = max(scores["tuned"], scores["default"])
        return (
            f"answering nothing scores {scores['empty']:.4f}, above the {best:.4f} of the best rule on folds it was "
            "not tuned on; the class is answered empty"
        )
    if answer == "tuned":
        return f"honest gain {gain:+.4f}"
    return f"honest gain {gain:+.4f} is not positive; the default stays"
