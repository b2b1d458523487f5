"""A warning where so few images are scored that rules and scores are mostly chance."""

from __future__ import annotations

from collections.abc import Mapping

from maskfold.config.folds import FoldsConfig
from maskfold.rules.tuned import Interval

_FEW_IMAGES, _FEW_A_PART = 50, 10


def few_images(folds: FoldsConfig, scored: int, intervals: Mapping[str, Interval]) -> str:
    """What to know about so few scored images; "" where there are enough. intervals: see `OofScores.intervals`."""
    a_part = scored // folds.count
    if scored >= _FEW_IMAGES and a_part >= _FEW_A_PART:
        return ""
    kind = "honest" if "honest" in intervals else "adopted"
    words = {"honest": "honest score", "adopted": "score of the rules in use"}[kind]
    cure = "set a larger folds.share, or folds.kind=k_fold, which scores every image once"
    if not folds.held_out_once:
        cure = "only more labelled images help"
    elif folds.kind == "valid_folder":
        cure = "set folds.kind=k_fold, which scores every image once"
    return (
        f"The rules were chosen on {scored} images, {a_part} a {folds.part_word}: too few to tune on. "
        f"The 95 % interval of the {words} is {intervals[kind].low:.3f} to {intervals[kind].high:.3f}; {cure}."
    )
