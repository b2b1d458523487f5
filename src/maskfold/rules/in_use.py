"""What the rule in use of a class is worth, be it the tuned one, the default or none."""

from __future__ import annotations

from maskfold.rules.tuned import Pair, TunedClass


def figure_in_use(entry: TunedClass, pair: Pair) -> float | None:
    """The figure of the rule in use; both figures of one that is always empty are 0; None where no image shows it."""
    if entry.used == "empty":
        return None if pair.default is None else 0.0
    return pair.tuned if entry.used == "tuned" else pair.default


def score_in_use(entry: TunedClass) -> float:
    """The score of the rule that is used, on the images it was chosen on."""
    scores = entry.scores
    return {"tuned": scores.tuned, "default": scores.default, "empty": scores.all_empty}[entry.used]


def honest_in_use(entry: TunedClass) -> float:
    """The honest score of the choice; in files of older versions, that of the tuned rule."""
    return entry.scores.honest if entry.honest_used is None else entry.honest_used
