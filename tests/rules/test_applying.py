"""Rules by hand, and against the brute-force reference."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.rules.applying import active_window, apply_rule, apply_rules
from maskfold.rules.rules import (
    DEFAULT_RULE,
    GATE_STEPS,
    ComponentRule,
    ExpectedRule,
    HardGate,
    MaskRule,
    SoftGate,
    TripletRule,
    gate_level,
)
from support.brute_force import KINDS, brute_finish, brute_mask, random_map

PROB = np.array(
    [
        [200, 200, 0, 0, 0],
        [200, 0, 0, 0, 90],
        [0, 0, 0, 90, 90],
        [130, 0, 0, 0, 0],
    ],
    np.uint8,
)


@pytest.mark.parametrize(
    ("rule", "area"),
    [
        (DEFAULT_RULE, 4),
        (ComponentRule(threshold=130, min_area_px=2), 3),
        (ComponentRule(threshold=131, min_area_px=4), 0),
        (ComponentRule(threshold=90, min_area_px=3), 6),
        (ComponentRule(threshold=90, min_area_px=3, connectivity=4), 6),
        (MaskRule(threshold=90, min_area_px=7), 7),
        (MaskRule(threshold=90, min_area_px=8), 0),
        (TripletRule(top_threshold=200, min_area_px=3, bottom_threshold=90), 7),
        (TripletRule(top_threshold=200, min_area_px=4, bottom_threshold=90), 0),
        (ComponentRule(threshold=90, min_area_px=0, largest_k=1), 3),
        (ComponentRule(threshold=90, min_area_px=0, largest_k=2), 6),
    ],
)
def test_area_each_rule_leaves(rule, area):
    assert apply_rule(PROB, rule).sum() == area


def test_threshold_is_reached_at_its_value():
    prob = np.array([[127, 128]], np.uint8)
    assert apply_rule(prob, DEFAULT_RULE).tolist() == [[0, 1]]


def test_largest_of_equals_is_the_first():
    mask = apply_rule(np.array([[9, 0, 9, 0, 9]], np.uint8), ComponentRule(threshold=9, min_area_px=0, largest_k=2))
    assert mask.tolist() == [[1, 0, 1, 0, 0]]


def test_holes_are_filled_but_bays_are_not():
    ring = np.full((5, 7), 200, np.uint8)
    ring[2, 2:4] = 0
    ring[1:4, 6] = 0  # a bay open to the right
    filled = apply_rule(ring, ComponentRule(threshold=128, min_area_px=0, fill_holes=True))
    assert filled[2, 2:4].tolist() == [1, 1]
    assert filled[1:4, 6].tolist() == [0, 0, 0]


def test_gates():
    rule = ComponentRule(threshold=90, min_area_px=0, gate=HardGate(min_class_prob=0.5))
    assert apply_rule(PROB, rule, 0.4).sum() == 0
    assert apply_rule(PROB, rule, 0.5).sum() == 7
    soft = MaskRule(threshold=90, min_area_px=0, gate=SoftGate(area_px=tuple(range(GATE_STEPS, -1, -1))))
    assert apply_rule(PROB, soft, 0.5).sum() == 0  # 16 px required
    assert apply_rule(PROB, soft, 0.9).sum() == 7  # 3 px required
    assert gate_level(0.9) == 29
    for wrong in (None, float("nan"), 1.5, 1.001, -0.001, -1):
        with pytest.raises(ValueError, match="classification probability"):
            apply_rule(PROB, rule, wrong)


def test_every_class_has_its_own_rule_and_class_probability():
    gate = HardGate(min_class_prob=0.5)
    rules = [ComponentRule(threshold=threshold, min_area_px=0, gate=gate) for threshold in (200, 90, 90)]
    masks = apply_rules(np.stack([PROB] * 3), rules, np.array([0.5, 0.5, 0.25], np.float32))
    assert masks.dtype == np.uint8 and masks.sum(axis=(1, 2)).tolist() == [3, 7, 0]
    assert apply_rules(PROB[None], [DEFAULT_RULE], None).sum() == 4
    with pytest.raises(ValueError, match="argument"):
        apply_rules(np.stack([PROB] * 2), [DEFAULT_RULE], None)


def test_impossible_rules_are_refused():
    for wrong in ({"threshold": 0}, {"threshold": 256}, {"min_area_px": -1}, {"largest_k": 0}, {"connectivity": 6}):
        with pytest.raises(ValidationError):
            ComponentRule(**{"threshold": 128, "min_area_px": 0} | wrong)
    for threshold in (1, 255):
        assert ComponentRule(threshold=threshold, min_area_px=0).threshold == threshold
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValidationError):
            HardGate(min_class_prob=wrong)
    for count in (GATE_STEPS, GATE_STEPS + 2):
        with pytest.raises(ValidationError):
            SoftGate(area_px=(0,) * count)
    with pytest.raises(ValidationError, match="above top_threshold"):
        TripletRule(top_threshold=100, min_area_px=0, bottom_threshold=101)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("connectivity", [4, 8])
def test_component_rule_equals_brute_force(kind, connectivity):
    rng = np.random.default_rng(3)
    for _ in range(5):
        prob = random_map(kind, rng, int(rng.integers(1, 40)), int(rng.integers(1, 40)))
        threshold, area = int(rng.integers(1, 256)), int(rng.integers(0, 20))
        found = apply_rule(prob, ComponentRule(threshold=threshold, min_area_px=area, connectivity=connectivity))
        assert np.array_equal(found, brute_mask(prob, threshold, area, connectivity))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize(("largest_k", "fill_holes"), [(1, False), (3, False), (None, True), (2, True)])
def test_finishes_equal_brute_force(kind, connectivity, largest_k, fill_holes):
    rng = np.random.default_rng(4)
    for size in ((1, 1), (1, 17), (19, 1), (9, 23), (30, 11), (24, 24)):
        prob = random_map(kind, rng, *size)
        threshold, area = int(rng.integers(1, 256)), int(rng.integers(0, 9))
        rule = ComponentRule(
            threshold=threshold,
            min_area_px=area,
            connectivity=connectivity,
            largest_k=largest_k,
            fill_holes=fill_holes,
        )
        mask = brute_mask(prob, threshold, area, connectivity)
        assert np.array_equal(apply_rule(prob, rule), brute_finish(mask, connectivity, largest_k, fill_holes))


@pytest.mark.parametrize("kind", KINDS)
def test_mask_and_triplet_rules_equal_counting_pixels(kind):
    rng = np.random.default_rng(5)
    for size in ((1, 9), (9, 1), (9, 23), (30, 11)):
        prob = random_map(kind, rng, *size)
        bottom, top = sorted(rng.integers(1, 256, 2).tolist())
        for area in (0, 1, int((prob >= top).sum()), int((prob >= top).sum()) + 1):
            kept = (prob >= bottom) * np.uint8((prob >= top).sum() >= area)
            rule = TripletRule(top_threshold=top, min_area_px=area, bottom_threshold=bottom)
            assert np.array_equal(apply_rule(prob, rule), kept)
            kept = (prob >= top) * np.uint8((prob >= top).sum() >= area)
            assert np.array_equal(apply_rule(prob, MaskRule(threshold=top, min_area_px=area)), kept)


def test_mask_and_triplet_rules_are_finished_with_eight_neighbours():
    # Two pixels that touch at a corner are one component, and they close a ring.
    ring = np.array([[0, 9, 0, 0], [9, 0, 9, 0], [0, 9, 0, 0], [0, 0, 0, 9]], np.uint8)
    for rule in (
        MaskRule(threshold=9, min_area_px=0, largest_k=1, fill_holes=True),
        TripletRule(top_threshold=9, bottom_threshold=9, min_area_px=0, largest_k=1, fill_holes=True),
    ):
        assert apply_rule(ring, rule).tolist() == [[0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("prob", "level"), [(0, 0), (0.5 / 32, 0), (1.5 / 32, 2), (0.51 / 32, 1), (0.985, 32), (1, 32)]
)
def test_class_probabilities_are_rounded_to_the_nearest_32nd(prob, level):
    assert gate_level(prob) == level  # halves go to the even number


def test_a_hard_gate_opens_at_its_own_level():
    rule = ComponentRule(threshold=90, min_area_px=4, gate=HardGate(min_class_prob=0.5))
    assert apply_rule(PROB, rule, 15.4 / 32).sum() == 0
    assert apply_rule(PROB, rule, 15.6 / 32).sum() == 0  # open, but no component has four pixels
    assert apply_rule(PROB, rule.model_copy(update={"min_area_px": 3}), 15.6 / 32).sum() == 6
    closed = rule.model_copy(update={"gate": HardGate(min_class_prob=1.0)})
    assert [apply_rule(PROB, closed.model_copy(update={"min_area_px": 0}), p).sum() for p in (0.98, 0.99, 1)] == [
        0,
        7,
        7,
    ]


def test_a_soft_gate_takes_the_place_of_the_minimum_area():
    areas = tuple(4 if level < 20 else 3 for level in range(GATE_STEPS + 1))
    rule = ComponentRule(threshold=90, min_area_px=100, gate=SoftGate(area_px=areas))
    assert [apply_rule(PROB, rule, level / 32).sum() for level in (0, 19, 20, 32)] == [0, 0, 6, 6]


def test_a_map_is_seen_where_it_is_active_and_no_further():
    prob = np.zeros((6, 9), np.uint8)
    prob[2, 3], prob[4, 7], prob[3, 1] = 50, 51, 49
    assert active_window(prob, 50) == (slice(2, 5), slice(3, 8))
    assert active_window(prob, 49) == (slice(2, 5), slice(1, 8))
    assert active_window(prob, 51) == (slice(4, 5), slice(7, 8))
    assert active_window(prob, 52) is None
    assert active_window(np.zeros((0, 5), np.uint8), 1) is None


def test_what_a_rule_does_not_name_changes_nothing():
    shared = {"min_area_px": 0, "gate": None, "fill_holes": False, "largest_k": None}
    found = ComponentRule(threshold=9, min_area_px=0).model_dump()
    assert found == {"rule": "component", "threshold": 9, "connectivity": 8, **shared}
    assert MaskRule(threshold=9, min_area_px=0).model_dump() == {"rule": "mask", "threshold": 9, **shared}
    levels = (0, *(1,) * 255)
    own = {"rule": "expected", "score": "iou", "calibration": levels, "total_weight": 16}  # in sixteenths: as it is
    limits = {"min_expected_px": 0, "min_expected_score": 0, "presence": None, "min_presence": 0}
    assert ExpectedRule(score="iou", calibration=levels, min_area_px=0).model_dump() == own | limits | shared
