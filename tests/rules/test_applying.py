"""Rules by hand, and against the brute-force reference."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from maskfold.rules.applying import apply_rule, gate_level
from maskfold.rules.rules import (
    DEFAULT_RULE,
    GATE_STEPS,
    ComponentRule,
    HardGate,
    MaskRule,
    SoftGate,
    TripletRule,
)
from support.brute_force import KINDS, brute_mask, random_map

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
    for wrong in (None, float("nan"), 1.5):
        with pytest.raises(ValueError, match="classification probability"):
            apply_rule(PROB, rule, wrong)


def test_impossible_rules_are_refused():
    with pytest.raises(ValidationError):
        ComponentRule(threshold=0, min_area_px=0)
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
