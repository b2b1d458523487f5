"""What the report says of each class: scores of the tuned rule, and figures of the rule in use."""

from __future__ import annotations

from maskfold.rules.in_use import figure_in_use
from maskfold.rules.text import plateau_text, rule_text
from maskfold.rules.tuned import TunedClass


def class_row(entry: TunedClass) -> dict[str, object]:
    """Values of one class.

    name, scores, gain: of the tuned rule; used: default, tuned or empty; honest_used: None in files of older versions;
    dice: mean on non-empty images, None where there are none; predicted_share, true_share: of images; rule, reason,
    plateau: text.
    """
    return {
        "name": entry.class_name,
        "scores": entry.scores,
        "gain": entry.gain_interval,
        "used": entry.used,
        "honest_used": entry.honest_used,
        "dice": figure_in_use(entry, entry.non_empty_dice),
        "predicted_share": figure_in_use(entry, entry.predicted_share),
        "true_share": entry.true_share,
        "rule": rule_text(entry.rule),
        "reason": entry.reason,
        "plateau": "" if entry.plateau is None else plateau_text(entry),
    }
