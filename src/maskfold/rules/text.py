"""Rules in words."""

from __future__ import annotations

from maskfold.rules.rules import (
    EMPTY_RULE,
    SCORE_STEPS,
    WEIGHT_STEPS,
    AnyRule,
    ExpectedRule,
    HardGate,
    SoftGate,
    TripletRule,
)
from maskfold.rules.tuned import TunedClass


def plateau_text(entry: TunedClass) -> str:
    """The thresholds and minimum areas that score about as well as the chosen ones; `-` where none are known."""
    if entry.plateau is None:
        return "-"
    (low, high), (small, large) = entry.plateau.threshold, entry.plateau.min_area_px
    return f"p {probability_text(low)} to {probability_text(high)}, {small} to {large} px"


def probability_text(threshold: int) -> str:
    """A threshold of 1..255 as a probability with two digits, or three where two would say 0 or 1."""
    text = f"{threshold / 255:.2f}"
    return f"{threshold / 255:.3f}" if text in ("0.00", "1.00") else text


def rule_text(rule: AnyRule) -> str:
    """A rule in a few words: `component p ≥ 0.37, ≥ 120 px`."""
    if rule == EMPTY_RULE:
        return "always empty"
    if isinstance(rule, TripletRule):
        numbers = (
            f"p ≥ {probability_text(rule.top_threshold)} on ≥ {rule.min_area_px} px, "
            f"then p ≥ {probability_text(rule.bottom_threshold)}"
        )
    elif isinstance(rule, ExpectedRule):
        numbers = _expected_text(rule)
    else:
        numbers = f"p ≥ {probability_text(rule.threshold)}, ≥ {rule.min_area_px} px"
    extras = []
    if isinstance(rule.gate, HardGate):
        extras.append(f"gate ≥ {rule.gate.min_class_prob:.2f}")
    if isinstance(rule.gate, SoftGate):
        numbers = numbers.replace(f"≥ {rule.min_area_px} px", f"≥ {rule.gate.area_px[0]}…{rule.gate.area_px[-1]} px")
        extras.append("soft gate")
    if rule.largest_k is not None:
        extras.append(f"largest {rule.largest_k}")
    if rule.fill_holes:
        extras.append("holes filled")
    return ", ".join([f"{rule.rule} {numbers}", *extras])


def _expected_text(rule: ExpectedRule) -> str:
    """`dice, ≥ 120 px expected, weight 1.25`; only what is not neutral."""
    parts: list[str] = [rule.score]
    if rule.min_expected_px:
        parts.append(f"≥ {rule.min_expected_px} px expected")
    if rule.min_expected_score:
        parts.append(f"expected score ≥ {rule.min_expected_score / SCORE_STEPS:.2f}")
    if rule.min_presence:
        parts.append(f"presence ≥ {rule.min_presence / SCORE_STEPS:.2f}")
    if rule.total_weight != WEIGHT_STEPS:
        parts.append(f"weight {rule.total_weight / WEIGHT_STEPS:.2f}")
    if rule.min_area_px:
        parts.append(f"≥ {rule.min_area_px} px")
    return ", ".join(parts)
