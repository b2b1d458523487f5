"""A rule applied to a probability map."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from maskfold.pixels.exclusive import decided_maps
from maskfold.rules.expected import expected_cut
from maskfold.rules.rules import AnyRule, ComponentRule, ExpectedRule, TripletRule, gate_level


def apply_rules(
    prob: np.ndarray, rules: Sequence[AnyRule], class_prob: np.ndarray | None, exclusive: bool = False
) -> np.ndarray:
    """The masks of all classes of one image: (C, H, W) uint8 in {0, 1}.

    prob: (C, H, W) uint8, q stands for q/255; rules: one a class; class_prob: (C,) float32 in 0..1, or None without a
    classification head; exclusive: each pixel is of the most probable class or of none, see `decided_maps`; the rules
    must fill no holes then. Raises ValueError when a rule with a gate gets no (or a NaN) class_prob.
    """
    if exclusive:
        assert not any(rule.fill_holes for rule in rules), "a hole may hold another class"
        prob = decided_maps(prob)
    present = [None] * len(rules) if class_prob is None else class_prob.tolist()
    return np.stack([apply_rule(*each) for each in zip(prob, rules, present, strict=True)])


def apply_rule(prob: np.ndarray, rule: AnyRule, class_prob: float | None = None) -> np.ndarray:
    """The mask a rule makes of one probability map.

    prob: (H, W) uint8; class_prob: probability that the class is in the image, 0..1, for rules with a gate. Returns
    (H, W) uint8 in {0, 1}. Raises ValueError when a gated rule gets no (or a NaN) class_prob.
    """
    min_area_px = required_area(rule, class_prob)
    mask = np.zeros(prob.shape, dtype=np.uint8)
    threshold = None if min_area_px is None else _threshold(prob, rule, class_prob)
    window = None if threshold is None else active_window(prob, threshold)
    if min_area_px is None or threshold is None or window is None:
        return mask
    inside = prob[window]
    on = (inside >= threshold).astype(np.uint8)
    if isinstance(rule, ComponentRule):
        if min_area_px > 1:
            on = _drop_small(on, min_area_px, rule.connectivity)
    else:
        counted = inside >= rule.top_threshold if isinstance(rule, TripletRule) else on
        if np.count_nonzero(counted) < min_area_px:
            return mask
    mask[window] = finished(on, rule)
    return mask


def required_area(rule: AnyRule, class_prob: float | None) -> int | None:
    """The minimum area in px under the rule's gate, None if the mask is dropped; class_prob: as for `apply_rule`.

    Raises ValueError when a gated rule gets no (or a NaN) class_prob.
    """
    if rule.gate is None:
        return rule.min_area_px
    return rule.gate.required_area(gate_level(class_prob), rule.min_area_px)


def lowest_threshold(rule: AnyRule) -> int:
    """The lowest level that matters: what a pixel must reach to be on; 1 for an expected cut, as all pixels decide."""
    if isinstance(rule, ExpectedRule):
        return 1
    return rule.bottom_threshold if isinstance(rule, TripletRule) else rule.threshold


def mask_threshold(prob: np.ndarray, rule: AnyRule) -> int:
    """Where the mask of one map, (H, W) uint8, begins if it is not empty: a level of 1..255."""
    if isinstance(rule, ExpectedRule):
        rule = rule.model_copy(update={"presence": None, "min_presence": 0})
    return _threshold(prob, rule, None) or 255


def _threshold(prob: np.ndarray, rule: AnyRule, class_prob: float | None) -> int | None:
    """The level that a pixel must reach to be on, 1..255; None if an expected cut leaves nothing."""
    if not isinstance(rule, ExpectedRule):
        return lowest_threshold(rule)
    return expected_cut(np.bincount(prob.ravel(), minlength=256), rule, class_prob)


def active_window(prob: np.ndarray, threshold: int) -> tuple[slice, slice] | None:
    """The smallest window of rows and columns that holds all pixels at or above the threshold; None without any."""
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


def finished(mask: np.ndarray, rule: AnyRule) -> np.ndarray:
    """A mask, (H, W) uint8 in {0, 1}, after the options that follow any rule: the largest components, holes filled."""
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
    least = np.partition(areas, -count)[-count]
    keep = np.zeros(components, dtype=np.uint8)
    keep[1:] = areas > least
    equal = np.zeros(components, dtype=bool)
    equal[1:] = areas == least
    found, first_pixel = np.unique(labels[equal[labels]], return_index=True)
    keep[found[np.argsort(first_pixel)][: count - np.count_nonzero(keep)]] = 1
    return keep[labels]


def _fill_holes(mask: np.ndarray, connectivity: int) -> np.ndarray:
    """`mask` with every background region filled that does not reach the edge of the window it lies in.

    Background is connected the other way (4 where the mask is 8-connected), as a digital closed curve demands.
    """
    outside = cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(outside, connectivity=4 if connectivity == 8 else 8)
    return (labels != labels[0, 0]).astype(np.uint8)[1:-1, 1:-1]
