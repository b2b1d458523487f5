"""The exact search on the OOF predictions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

Calibration = Literal["isotonic", "temperature", "none", "auto"]


class TuningConfig(Section):
    """The exact search for thresholds and minimum areas on the out-of-fold (OOF) predictions."""

    metric: Literal["dice", "iou", "tgs_precision", "pooled_dice", "miou"] = "dice"
    """The score to maximise; take the competition's. `dice` and `iou`: mean over images and classes, an empty
    prediction for an empty image scores 1. `tgs_precision`: mean precision at the IoU thresholds 0.5, 0.55, …, 0.95.
    `pooled_dice`: one Dice over the pixels of all images. `miou`: one IoU over the pixels of all images for each class,
    averaged, as PASCAL VOC and Cityscapes define it; `iou` is the mean over images."""

    rule: Literal["auto", "component", "mask", "triplet", "expected", "all"] = "auto"
    """How a probability map becomes a mask. `component`: apply a threshold, then remove small connected components.
    `mask`: apply a threshold, then empty the whole mask if it is small. `triplet`: empty unless enough pixels reach a
    high threshold, else use a lower one. `auto`: the best of the three for each class. `expected`: cut each image where
    the expected score of its mask is highest, under probabilities calibrated on the other folds, and empty it if too
    little is expected (not for `pooled_dice` and `miou`). `all`: the best of the three, or `expected` where that is
    clearly better on folds it was not chosen on."""

    calibration: Calibration = "isotonic"
    """How the probabilities of the `expected` rule are calibrated, on other folds. `isotonic`: the share of true pixels
    at each level, made monotone. `temperature`: all log-odds divided by one number. `none`: as the network gives them.
    `auto`: the one with the least squared error on folds it was not fitted on. Only with rule `expected` or `all`."""

    connectivity: Literal[4, 8] = 8
    """Whether pixels that touch at a corner only belong to one connected component (8) or not (4)."""

    gates: bool = True
    """Also try to empty masks whose class the classification head finds improbable. Without effect unless
    `model.classification_head` is on."""

    finishing: bool = True
    """Also try to fill holes and to keep only the largest components."""

    dense_areas: int = Field(256, ge=1, le=8192)
    """Every minimum area up to this many pixels is tried; above it, areas grow by `area_growth`."""

    area_growth: float = Field(1.05, gt=1, le=2)
    """Factor between one minimum area and the next above `dense_areas`. Smaller: finer, slower, more memory."""

    trials: int = Field(100, ge=0)
    """Optuna trials for each class over soft gates, which the exact tables cannot cover: the required area shrinks as
    the classification head grows confident. Only with `gates` and a classification head. 0: no soft gates."""

    bootstrap_samples: int = Field(1000, ge=100)
    """Bootstrap samples behind the confidence intervals of the scores."""

    @model_validator(mode="after")
    def _scores_by_image(self) -> TuningConfig:
        if self.rule in ("expected", "all") and self.metric in ("pooled_dice", "miou"):
            raise ValueError(
                f"rule {self.rule} cuts each image by its own score, which metric {self.metric} does not have"
            )
        return self
