"""The competition's metric: named, asked for, or the default with a word about it; never guessed in silence."""

from __future__ import annotations

import sys
from typing import get_args

from maskfold.artefacts.own_code import METRIC_KEY, imported, is_own
from maskfold.config.tuning import Metric
from maskfold.errors import UsageError

METRICS = {
    "dice": "mean Dice over images and classes (Severstal, Understanding Clouds, SIIM-ACR Pneumothorax)",
    "iou": "mean IoU over images and classes",
    "f0.5": "mean F-measure with beta 0.5 over images and classes: precision counts more than recall",
    "f2": "the same with beta 2: recall counts more than precision",
    "tgs_precision": "mean precision at IoU thresholds 0.5 to 0.95 (TGS Salt)",
    "pooled_dice": "one Dice over the pixels of all images (HuBMAP Kidney)",
    "miou": "one IoU over the pixels of all images for each class, averaged (PASCAL VOC, Cityscapes)",
    "pooled_f0.5": "one F-measure with beta 0.5 over the pixels of all images (Vesuvius Ink Detection)",
    "pooled_f2": "the same with beta 2",
    "surface_dice": "share of both outlines within tuning.tolerance_px of the other, mean over images",
    "negative_hausdorff95": "minus the 95th percentile of the distances between outlines, in px, mean over images",
    "boundary_iou": "mean IoU of the bands along the outlines",
    "panoptic_quality": "one panoptic quality over the objects of all images for each class",
    "object_f2": "F2 of objects, mean over the IoU thresholds 0.5 to 0.95 and over images (Airbus Ship Detection)",
    "object_precision": "mean precision of objects, TP / (TP + FP + FN), over the same (Data Science Bowl 2018)",
}
DEFAULT = "dice"


def chosen_metric(named: str | None, on_terminal: bool | None = None) -> tuple[str, str]:
    """The metric and where it comes from, in words: named by the user, asked for on a terminal, or the default.

    on_terminal: whether somebody can answer, None: find out. Raises UsageError for an unknown name.
    """
    assert set(METRICS) == set(get_args(Metric))
    if named is not None:
        return _known(named), "named with --metric"
    if sys.stdin.isatty() and sys.stdout.isatty() if on_terminal is None else on_terminal:
        return _known(
            input(f"{_choices()}\nWhich metric does the competition use? [{DEFAULT}] ").strip() or DEFAULT
        ), "asked for"
    print(f"plan: no --metric was given, so {DEFAULT} is used; name the competition's own:\n{_choices()}", flush=True)
    return DEFAULT, "the default, as none was named: set the competition's own"


def _known(name: str) -> str:
    if is_own(name):
        imported(name, METRIC_KEY)
        return name
    if name not in METRICS:
        raise UsageError(f"--metric {name}: unknown; choose one of\n{_choices()}")
    return name


def _choices() -> str:
    own = "or package.module:name, a function of your own (docs/how-to/other-metrics.md)"
    return "\n".join([*(f"  {name:21}{words}" for name, words in METRICS.items()), f"  {own}"])
