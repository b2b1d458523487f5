"""The exact search on the OOF predictions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from maskfold.config.section import Section

Metric = Literal["dice", "iou", "f0.5", "f2", "tgs_precision", "pooled_dice", "miou", "pooled_f0.5", "pooled_f2"]
Calibration = Literal["isotonic", "temperature", "none", "auto"]
# Metric -> the score whose expectation decides where the rule `expected` cuts an image; the others have no such rule.
CUT_BY_IMAGE: dict[str, Literal["dice", "iou"]] = {"dice": "dice", "iou": "iou", "tgs_precision": "iou"}


class TuningConfig(Section):
    """The exact search for thresholds and minimum areas on the out-of-fold (OOF) predictions."""

    metric: Metric = "dice"
    """The score to maximise; take the competition's. `dice`, `iou`, `f0.5` and `f2`: mean over images and classes, an
    empty prediction for an empty image scores 1. `f0.5` and `f2` are F-measures: with 0.5 precision counts more than
    recall, with 2 less; `dice` is F1. `tgs_precision`: mean precision at the IoU thresholds 0.5, 0.55, …, 0.95.
    `pooled_dice`, `pooled_f0.5`, `pooled_f2`: one Dice or F-measure over the pixels of all images for each class,
    averaged. `miou`: the same with IoU, as PASCAL VOC and Cityscapes define it; `iou` is the mean over images."""

    rule: Literal["auto", "component", "mask", "triplet", "expected", "all"] = "auto"
    """How a probability map becomes a mask. `component`: apply a threshold, then remove small connected components.
    `mask`: apply a threshold, then empty the whole mask if it is small. `triplet`: empty unless enough pixels reach a
    high threshold, else use a lower one. `auto`: the best of the three for each class. `expected`: cut each image where
    the expected score of its mask is highest, under probabilities calibrated on the other folds, and empty it if too
    little is expected (only for `dice`, `iou` and `tgs_precision`). `all`: the best of the three, or `expected`
    where that is clearly better on folds it was not chosen on."""

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
        if self.rule in ("expected", "all") and self.metric not in CUT_BY_IMAGE:
            raise ValueError(
                f"rule {self.rule} cuts each image by its expected score: for the metrics {', '.join(CUT_BY_IMAGE)}, "
                f"not for {self.metric}; take rule auto"
            )
        return self
