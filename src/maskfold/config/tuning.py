"""The exact search on the OOF predictions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from maskfold.config.section import Section


class TuningConfig(Section):
    """The exact search for thresholds and minimum areas on the OOF predictions."""

    metric: Literal["dice", "iou", "tgs_precision", "pooled_dice"] = "dice"
    rule: Literal["auto", "component", "mask", "triplet"] = "auto"  # auto: the best of the three for each class
    connectivity: Literal[4, 8] = 8
    gates: bool = True  # by the classification probability, where the model predicts one
    finishing: bool = True  # try hole filling and keeping only the largest components
    dense_areas: int = Field(256, ge=1, le=8192)  # every minimum area up to this one is tried, then geometric steps
    area_growth: float = Field(1.05, gt=1, le=2)
    trials: int = Field(100, ge=0)  # of the Optuna study over what does not decompose
    bootstrap_samples: int = Field(1000, ge=100)
