"""The only post-processing: from one probability map and a few numbers to a mask. Called by tuner and submitter.

Probabilities are 8-bit, q stands for q/255; a pixel is on at threshold t iff q >= t, t in 1..255.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

Threshold = Annotated[int, Field(ge=1, le=255)]
Pixels = Annotated[int, Field(ge=0)]
Calibrated = Annotated[int, Field(ge=0, le=2**16)]
LogOdds = Annotated[int, Field(ge=-(2**42), le=2**42)]  # so that a sum over signs fits 64 bits

CALIBRATED_ONE = 2**16  # a calibrated probability of 1
WEIGHT_STEPS = 16  # weights of the expected true area are whole numbers of 1/16
SCORE_STEPS = 1024  # limits of the expected score and of presence are whole numbers of 1/1024
PRESENCE_SIGNS = 10  # of a map, and one more with a classification head, see expected.presence_signs
GATE_STEPS = 32  # gates see the classification probability rounded to a whole number of 1/32


def gate_level(class_prob: float | None) -> int:
    """A classification probability as a whole number of 1/32, rounded to nearest, 0..32.

    Raises ValueError for None, NaN, and what is no probability.
    """
    if class_prob is None or not 0 <= class_prob <= 1:
        raise ValueError(f"the rule needs a classification probability in 0..1, found {class_prob}")
    return int(np.rint(class_prob * GATE_STEPS))


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HardGate(Strict):
    """A mask is empty where the classification probability, rounded to 1/32, is below `min_class_prob`."""

    kind: Literal["hard"] = "hard"
    min_class_prob: float = Field(ge=0, le=1)

    def required_area(self, level: int, min_area_px: int) -> int | None:
        """The minimum area at gate level `level`; None if the mask is dropped."""
        return min_area_px if level >= round(self.min_class_prob * GATE_STEPS) else None


class SoftGate(Strict):
    """The required area falls as the classifier grows confident, in place of the rule's min_area_px.

    area_px: one required area for each classification probability 0, 1/32, …, 1; it falls linearly, in steps of the
    area grid the rule was tuned on.
    """

    kind: Literal["soft"] = "soft"
    area_px: tuple[Pixels, ...] = Field(min_length=GATE_STEPS + 1, max_length=GATE_STEPS + 1)

    def required_area(self, level: int, min_area_px: int) -> int | None:
        """The minimum area at gate level `level`; `min_area_px` is not used."""
        return self.area_px[level]


Gate = Annotated[HardGate | SoftGate, Field(discriminator="kind")]


class _Rule(Strict):
    """What all rules share; the gate comes first, hole filling and the largest components last."""

    min_area_px: Pixels
    gate: Gate | None = None
    fill_holes: bool = False
    largest_k: int | None = Field(None, ge=1)  # keep only the k largest components


class ComponentRule(_Rule):
    """Threshold, then drop connected components of fewer than min_area_px pixels."""

    rule: Literal["component"] = "component"
    threshold: Threshold
    connectivity: Literal[4, 8] = 8


class MaskRule(_Rule):
    """Threshold, then drop the whole mask if it has fewer than min_area_px pixels."""

    rule: Literal["mask"] = "mask"
    threshold: Threshold


class TripletRule(_Rule):
    """Empty if fewer than min_area_px pixels reach top_threshold, else the pixels that reach bottom_threshold.

    Source: the winning solution of the SIIM-ACR pneumothorax competition.
    """

    rule: Literal["triplet"] = "triplet"
    top_threshold: Threshold
    bottom_threshold: Threshold

    @model_validator(mode="after")
    def _ordered(self) -> TripletRule:
        if self.bottom_threshold > self.top_threshold:
            raise ValueError(f"bottom_threshold {self.bottom_threshold} is above top_threshold {self.top_threshold}")
        return self


class ExpectedRule(_Rule):
    """Cut each map where the expected score of its mask is highest; empty if too little is expected.

    calibration: for each level 0..255 the probability that such a pixel is true, in 1/65536; never falling, 0 at level
    0. score: what is expected; total_weight: how much the expected true area of the image counts, in sixteenths (more:
    larger masks); min_expected_px: empty if fewer true pixels are expected in the image; min_expected_score: empty if
    even the best mask is expected to score less, in 1/1024; presence: weights of the signs that the mask scores more
    than none, see `expected.presence_steps`, with one for the classification head where there is one; min_presence:
    empty if that is less probable, in 1/1024; min_area_px: empty if the mask has fewer pixels.
    Source: Lipton et al. 2014, "Optimal thresholding of classifiers to maximize F1 measure"; Dai and Li 2023, "RankSEG:
    a consistent ranking-based framework for segmentation".
    """

    rule: Literal["expected"] = "expected"
    score: Literal["dice", "iou"]
    calibration: tuple[Calibrated, ...] = Field(min_length=256, max_length=256)
    total_weight: int = Field(WEIGHT_STEPS, ge=1, le=16 * WEIGHT_STEPS)
    min_expected_px: Pixels = 0
    min_expected_score: int = Field(0, ge=0, le=SCORE_STEPS)
    presence: tuple[LogOdds, ...] | None = Field(None, min_length=PRESENCE_SIGNS + 1, max_length=PRESENCE_SIGNS + 2)
    min_presence: int = Field(0, ge=0, le=SCORE_STEPS)

    @model_validator(mode="after")
    def _monotone(self) -> ExpectedRule:
        if self.calibration[0] != 0 or any(b < a for a, b in pairwise(self.calibration)):
            raise ValueError("calibration must start with 0 and never fall")
        if self.min_presence and self.presence is None:
            raise ValueError("min_presence needs the weights of presence")
        return self


AnyRule = ComponentRule | MaskRule | TripletRule | ExpectedRule
Rule = Annotated[AnyRule, Field(discriminator="rule")]  # as a field of a file

DEFAULT_RULE = ComponentRule(threshold=128, min_area_px=0)
EMPTY_RULE = MaskRule(threshold=255, min_area_px=2**40)  # more pixels than any image has
