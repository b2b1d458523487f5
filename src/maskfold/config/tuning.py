"""The exact search on the OOF predictions."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from maskfold.config.section import Section

AreaMetric = Literal["dice", "iou", "f0.5", "f2", "tgs_precision", "pooled_dice", "miou", "pooled_f0.5", "pooled_f2"]
# Those that look at whole masks: they do not follow from areas, so there are no exact tables of them.
MaskMetric = Literal[
    "surface_dice", "negative_hausdorff95", "boundary_iou", "panoptic_quality", "object_f2", "object_precision"
]
Metric = Literal[AreaMetric, MaskMetric]
OwnMetric = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
Calibration = Literal["isotonic", "temperature", "none", "auto"]
# Metric -> the score whose expectation decides where the rule `expected` cuts an image; the others have no such rule.
CUT_BY_IMAGE: dict[str, Literal["dice", "iou"]] = {"dice": "dice", "iou": "iou", "tgs_precision": "iou"}

# Keys that came later than the first runs: left out of the record at their defaults.
_LATER = ("tolerance_px", "boundary_width")


class TuningConfig(Section):
    """The search for thresholds and minimum areas on the out-of-fold (OOF) predictions, exact for metrics of areas."""

    metric: Metric | OwnMetric = "dice"
    """The score to maximise; take the competition's. `dice`, `iou`, `f0.5` and `f2`: mean over images and classes, an
    empty prediction for an empty image scores 1. `f0.5` and `f2` are F-measures: with 0.5 precision counts more than
    recall, with 2 less; `dice` is F1. `tgs_precision`: mean precision at the IoU thresholds 0.5, 0.55, …, 0.95.
    `pooled_dice`, `pooled_f0.5`, `pooled_f2`: one Dice or F-measure over the pixels of all images for each class,
    averaged. `miou`: the same with IoU, as PASCAL VOC and Cityscapes define it; `iou` is the mean over images.
    The others look at whole masks; their rules are sampled, not searched exactly (docs/how-to/other-metrics.md):
    `surface_dice`, `negative_hausdorff95` (the distance in px with a minus, so that more is better), `boundary_iou`,
    `panoptic_quality`, `object_f2` and `object_precision` over the IoU thresholds 0.5 to 0.95, and a function of your
    own, `package.module:name`."""

    tolerance_px: float = Field(1.0, ge=0)
    """How far two outlines may be apart for `surface_dice`, in px."""

    boundary_width: float = Field(0.02, gt=0, lt=1)
    """Width of the band along the outline that `boundary_iou` compares, as a share of the image's diagonal."""

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
    the classification head grows confident. Only with `gates` and a classification head. 0: no soft gates. With a
    metric of whole masks: the settings that are sampled for each class after a coarse grid, on all folds and again
    without each."""

    bootstrap_samples: int = Field(1000, ge=100)
    """Bootstrap samples behind the confidence intervals of the scores."""

    @field_validator("metric", mode="before")
    @classmethod
    def _known(cls, metric: object) -> object:
        """One message, where pydantic has one for each kind of name."""
        if metric not in get_args(Metric) and not (isinstance(metric, str) and ":" in metric):
            raise ValueError(f"unknown metric; choose one of {', '.join(get_args(Metric))}, or package.module:name")
        return metric

    @model_validator(mode="after")
    def _scores_by_image(self) -> TuningConfig:
        if self.rule in ("expected", "all") and self.metric not in CUT_BY_IMAGE:
            raise ValueError(
                f"rule {self.rule} cuts each image by its expected score: for the metrics {', '.join(CUT_BY_IMAGE)}, "
                f"not for {self.metric}; take rule auto"
            )
        return self

    @property
    def is_exact(self) -> bool:
        """Whether the metric follows from areas, so that every setting can be scored exactly."""
        return self.metric in get_args(AreaMetric)

    def with_exact_metric(self) -> TuningConfig:
        """These settings, by Dice where the metric has no exact tables."""
        return self if self.is_exact else self.model_copy(update={"metric": "dice"})

    def settings(self, exclude: set[str] | None = None) -> dict[str, Any]:
        """What decides the rules."""
        usual = {name: type(self).model_fields[name].get_default() for name in _LATER}
        values = self.model_dump(exclude=exclude)
        return {name: value for name, value in values.items() if name not in usual or value != usual[name]}

    def metric_settings(self) -> dict[str, Any]:
        """What decides the score of a mask."""
        names = {"surface_dice": {"tolerance_px"}, "boundary_iou": {"boundary_width"}}.get(self.metric, set())
        return self.model_dump(include={"metric", *names})
