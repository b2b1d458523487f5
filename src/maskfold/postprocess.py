"""The only post-processing: from one probability map and a few numbers to a mask. Called by tuner and submitter.

Probabilities are 8-bit, q stands for q/255; a pixel is on at threshold t iff q >= t, t in 1..255.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maskfold.config import Combine
from maskfold.paths import display
from maskfold.provenance import StaleError, whole_file

Threshold = Annotated[int, Field(ge=1, le=255)]
Pixels = Annotated[int, Field(ge=0)]

GATE_STEPS = 32  # gates see the classification probability rounded to a whole number of 1/32


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HardGate(_Strict):
    """A mask is empty where the classification probability, rounded to 1/32, is below `min_class_prob`."""

    kind: Literal["hard"] = "hard"
    min_class_prob: float = Field(ge=0, le=1)

    def required_area(self, level: int, min_area_px: int) -> int | None:
        """The minimum area at gate level `level`; None where everything goes."""
        return min_area_px if level >= round(self.min_class_prob * GATE_STEPS) else None


class SoftGate(_Strict):
    """The required area falls as the classifier grows confident, in place of the rule's min_area_px.

    area_px: one required area for each classification probability 0, 1/32, …, 1; it falls linearly, in steps of the
    area grid the rule was tuned on.
    """

    kind: Literal["soft"] = "soft"
    area_px: tuple[Pixels, ...] = Field(min_length=GATE_STEPS + 1, max_length=GATE_STEPS + 1)

    def required_area(self, level: int, min_area_px: int) -> int | None:
        """The minimum area at gate level `level`; `min_area_px` plays no part."""
        return self.area_px[level]


Gate = Annotated[HardGate | SoftGate, Field(discriminator="kind")]


class _Rule(_Strict):
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


Rule = Annotated[ComponentRule | MaskRule | TripletRule, Field(discriminator="rule")]

DEFAULT_RULE = ComponentRule(threshold=128, min_area_px=0)
EMPTY_RULE = MaskRule(threshold=255, min_area_px=2**40)  # more pixels than any image has: the answer is always empty

Answer = Literal["default", "tuned", "empty"]


def gate_level(class_prob: float) -> int:
    """The classification probability as a whole number of 1/32, rounded to nearest, 0..32."""
    return int(np.rint(class_prob * GATE_STEPS))


def apply_rule(
    prob: np.ndarray, rule: ComponentRule | MaskRule | TripletRule, class_prob: float | None = None
) -> np.ndarray:
    """The mask a rule makes of one probability map.

    prob: (H, W) uint8; class_prob: probability that the class is in the image, 0..1, for rules with a gate. Returns
    (H, W) uint8 in {0, 1}. Raises ValueError when a gated rule gets no (or a NaN) class_prob.
    """
    min_area_px = _required_area(rule, class_prob)
    mask = np.zeros(prob.shape, dtype=np.uint8)
    threshold = lowest_threshold(rule)
    window = active_window(prob, threshold)
    if min_area_px is None or window is None:
        return mask
    inside = prob[window]
    on = (inside >= threshold).astype(np.uint8)
    if isinstance(rule, ComponentRule):
        if min_area_px > 1:
            on = _drop_small(on, min_area_px, rule.connectivity)
    else:
        counted = on if isinstance(rule, MaskRule) else inside >= rule.top_threshold
        if np.count_nonzero(counted) < min_area_px:
            return mask
    mask[window] = _finish(on, rule)
    return mask


def _required_area(rule: _Rule, class_prob: float | None) -> int | None:
    if rule.gate is None:
        return rule.min_area_px
    if class_prob is None or not 0 <= class_prob <= 1:
        raise ValueError(f"a rule with a gate needs a classification probability in 0..1, found {class_prob}")
    return rule.gate.required_area(gate_level(class_prob), rule.min_area_px)


def lowest_threshold(rule: ComponentRule | MaskRule | TripletRule) -> int:
    """The threshold a pixel must reach to be switched on."""
    return rule.bottom_threshold if isinstance(rule, TripletRule) else rule.threshold


def active_window(prob: np.ndarray, threshold: int) -> tuple[slice, slice] | None:
    """The rows and columns that hold all pixels at or above the threshold; most maps are blank but for a corner."""
    if prob.max(initial=0) < threshold:
        return None
    rows = np.flatnonzero(prob.max(axis=1, initial=0) >= threshold)
    columns = np.flatnonzero(prob[rows[0] : rows[-1] + 1].max(axis=0, initial=0) >= threshold)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _drop_small(mask: np.ndarray, min_area_px: int, connectivity: int) -> np.ndarray:
    """`mask` without its components of fewer than `min_area_px` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    keep = (stats[:, cv2.CC_STAT_AREA] >= min_area_px).astype(np.uint8)
    keep[0] = 0  # the background
    return keep[labels]


def _finish(mask: np.ndarray, rule: _Rule) -> np.ndarray:
    """The options that follow any rule: the largest components only, then holes filled."""
    connectivity = rule.connectivity if isinstance(rule, ComponentRule) else 8
    if rule.largest_k is not None:
        mask = _keep_largest(mask, rule.largest_k, connectivity)
    return _fill_holes(mask, connectivity) if rule.fill_holes else mask


def _keep_largest(mask: np.ndarray, count: int, connectivity: int) -> np.ndarray:
    """The `count` largest components; of equal ones the first in row-major order."""
    components, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=connectivity)
    if components - 1 <= count:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    _, first_pixel = np.unique(labels, return_index=True)
    order = np.lexsort((first_pixel[-len(areas) :], -areas))
    keep = np.zeros(components, dtype=np.uint8)
    keep[order[:count] + 1] = 1
    return keep[labels]


def _fill_holes(mask: np.ndarray, connectivity: int) -> np.ndarray:
    """`mask` with every background region filled that does not reach the edge of the window it lies in.

    Background is connected the other way (4 where the mask is 8-connected), as a digital closed curve demands.
    """
    outside = cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(outside, connectivity=4 if connectivity == 8 else 8)
    return (labels != labels[0, 0]).astype(np.uint8)[1:-1, 1:-1]


class Scores(_Strict):
    """Scores on the OOF images, 0..1.

    all_empty: every prediction blank; default: threshold 0.5, no minimum area; tuned: the chosen rule on the images it
    was chosen on; honest: chosen on the other folds.
    """

    all_empty: float
    default: float
    tuned: float
    honest: float


class Pair(_Strict):
    """One figure under the default and under the tuned rule; None where no image shows the class."""

    default: float | None
    tuned: float | None


class Interval(_Strict):
    """A 95 % bootstrap interval."""

    low: float
    high: float


class Plateau(_Strict):
    """How far the settings within noise of the best reach; `best` is the score at the very peak."""

    best: float
    settings: int
    threshold: tuple[int, int]
    min_area_px: tuple[int, int]


class TunedClass(_Strict):
    """What was chosen for one class, and how good it is."""

    class_name: str
    rule: Rule  # the one to use: the tuned where adopted, else the default, or the one that is always empty
    tuned_rule: Rule
    default_rule: Rule = DEFAULT_RULE
    adopted: bool
    reason: str  # why it was adopted or not, in words
    scores: Scores
    # The honest score with the choice between the tuned rule, the default and nothing made on the other folds too; None
    # in files made before there was that choice.
    honest_used: float | None = None
    gain_interval: Interval | None = None  # of honest minus default
    non_empty_dice: Pair  # mean Dice on the images that show the class
    predicted_share: Pair  # share of images predicted non-empty
    true_share: float  # share of images that show the class
    plateau: Plateau | None = None

    @property
    def answer(self) -> Answer:
        """Which rule is used."""
        if self.adopted:
            return "tuned"
        return "empty" if self.rule == EMPTY_RULE else "default"


class TunedArtefact(_Strict):
    """postprocess.json: the rules, what they were tuned on, and their scores."""

    format_version: Literal[1] = 1
    name: str
    metric: str
    classes: tuple[TunedClass, ...]
    scores: Scores  # means over classes; tuned and honest are of the rules in use
    tta: tuple[str, ...]  # views; of a blend <member>/<view>
    ensemble_weights: dict[str, float]  # fold0 -> weight; of a blend member -> weight
    combine: Combine | None = None  # of a blend: how its members' probabilities become one
    predicted_with: dict[str, Any] | None = None  # `ensemble.network_settings`; null for OOF of other pipelines
    checkpoints: dict[str, str]  # fold0 (of a blend <member>/fold0) -> SHA-256 of the weights OOF was predicted with
    oof: dict[str, str]  # fold0 -> SHA-256 of the OOF file

    def write(self, path: Path) -> None:
        """Write the artefact whole or not at all."""
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(self.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> TunedArtefact:
        """Read an artefact. Raises StaleError when it is missing, damaged or of another version."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            reason = _first_problem(error) if isinstance(error, ValidationError) else str(error)
            command = f"python src/tune_thresholds.py --config configs/{path.parent.name}.yaml"
            raise StaleError(f"{display(path)}: no usable tuned rules ({reason}); run `{command}`") from None


def _first_problem(error: ValidationError) -> str:
    """`classes.0.rule: field required` of the first of pydantic's problems."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
