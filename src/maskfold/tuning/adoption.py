"""Which rule of a class is used (tuned, default or always empty), and what that choice is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maskfold.mask_metrics.rows import class_score, scores
from maskfold.rules.tuned import Adopted

_NOISE_ERRORS = 2.0  # standard errors, over images, by which always empty must beat the better rule


@dataclass(frozen=True)
class Adoption:
    """Which rule is used, why, and the areas it leaves: (images, 3) int64 (intersection, predicted, true) in px.

    areas: on the images it was chosen on; honest: where the rule of each fold was tuned, and adopted, on the others.
    """

    used: Adopted
    reason: str
    areas: np.ndarray
    honest: np.ndarray


def adopt(
    metric: str,
    default: np.ndarray,
    tuned: np.ndarray,
    honest: np.ndarray,
    folds: np.ndarray,
    empty: np.ndarray | None = None,
) -> Adoption:
    """The rule with the best score, the tuned one with its score on folds it was not tuned on.

    default, tuned, honest: (images, 3) int64 areas (intersection, predicted, true) in px under the default, the rule
    tuned on all folds, and that tuned without the image's own; folds: (images,); empty: those when nothing is
    predicted, needed for rows of whole masks (`mask_metrics.rows`). With equal scores the default stays.
    Always empty must be clearly better, or chance would give up classes; better is enough if no image shows the class.
    The rules of the folds may be good where that of all folds is not: if it loses on the very images it was tuned on,
    it is not used.
    """
    areas: dict[Adopted, np.ndarray] = {
        "default": default,
        "tuned": honest,
        "empty": blank(default) if empty is None else empty,
    }
    used, of_rules = _best(metric, areas)
    out_of_fold = default.copy()
    for fold in np.unique(folds):
        inside = folds == fold
        of_others, _ = _best(metric, {name: rows[~inside] for name, rows in areas.items()})
        out_of_fold[inside] = areas[of_others][inside]
    reason = _reason(used, of_rules)
    if used == "tuned":
        used, seen = _best(metric, areas | {"tuned": tuned})
        reason = reason if used == "tuned" else _loses(seen["tuned"], used, seen[used])
    return Adoption(used, reason, tuned if used == "tuned" else areas[used], out_of_fold)


def _loses(seen: float, instead: Adopted, score: float) -> str:
    """Why a tuned rule is not used that scores `seen` on the images it was tuned on."""
    what = "always empty" if instead == "empty" else "the default"
    return (
        f"the rule tuned on all folds scores {seen:.4f} on the images it was tuned on, less than the {score:.4f} of "
        f"{what}, which is used"
    )


def blank(areas: np.ndarray) -> np.ndarray:
    """The areas when nothing is predicted."""
    nothing = np.zeros_like(areas)
    nothing[:, 2] = areas[:, 2]
    return nothing


def _best(metric: str, areas: dict[Adopted, np.ndarray]) -> tuple[Adopted, dict[Adopted, float]]:
    """The best rule on some images, the first of equal ones, and the score of each; {} for an absent class."""
    of_rules = {name: class_score(metric, rows) for name, rows in areas.items()}
    if not areas["default"][:, 2].any():
        return "empty" if of_rules["empty"] > of_rules["default"] else "default", {}
    rule: Adopted = "tuned" if of_rules["tuned"] > of_rules["default"] else "default"
    gains = scores(metric, areas["empty"]) - scores(metric, areas[rule])
    noise = _NOISE_ERRORS * float(gains.std()) / np.sqrt(len(gains))
    return "empty" if of_rules["empty"] - of_rules[rule] > noise else rule, of_rules


def _reason(used: Adopted, of_rules: dict[Adopted, float]) -> str:
    if not of_rules:
        what = "every mask of this class will be empty" if used == "empty" else "the default stays, which is as good"
        return f"warning: no image shows this class, so there is nothing to tune on; {what}"
    gain = of_rules["tuned"] - of_rules["default"]
    if used == "empty":
        best = max(of_rules["tuned"], of_rules["default"])
        return (
            f"always empty scores {of_rules['empty']:.4f}, more than the {best:.4f} of the best rule on folds it was "
            "not tuned on; every mask of this class will be empty"
        )
    if used == "tuned":
        return f"honest gain {gain:+.4f}"
    return f"honest gain {gain:+.4f} is not positive; the default stays"
