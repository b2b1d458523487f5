"""The settings that are sampled: their space, the coarse grid that comes first, and the rule that each stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from maskfold.rules.rules import GATE_STEPS, AnyRule, ComponentRule, HardGate, MaskRule, TripletRule

Params = dict[str, Any]

_THRESHOLDS = (32, 64, 96, 128, 160, 192, 224)
_TRIPLETS = ((64, 0.5), (64, 0.75), (128, 0.5))  # bottom threshold, and how far the top one is up from there to 255
_AREA_SHARES = (1 / 2000, 1 / 200)  # of the largest map
_MOST_KEPT = 2  # components, where only the largest stay


@dataclass(frozen=True)
class Space:
    """What may be tried for a class.

    kinds: of rules; largest_px: pixels of the largest map; gated: with a hard gate on the classification probability;
    finishes: with holes filled and only the largest components kept; holes: whether holes may be filled at all.
    """

    kinds: tuple[str, ...]
    connectivity: int
    largest_px: int
    gated: bool = False
    finishes: bool = False
    holes: bool = True

    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """The space in Optuna's terms; a key that could have one value only is left out."""
        whole, chosen = optuna.distributions.IntDistribution, optuna.distributions.CategoricalDistribution
        found: dict[str, optuna.distributions.BaseDistribution] = {
            "rule": chosen(self.kinds),
            "threshold": whole(1, 255),
            "min_area_px": whole(1, max(2, self.largest_px), log=True),
        }
        if "triplet" in self.kinds:
            found["rise"] = optuna.distributions.FloatDistribution(0.0, 1.0)
        if self.gated:
            found["gate"] = whole(0, GATE_STEPS)
        if self.finishes:
            found["largest_k"] = whole(0, _MOST_KEPT)
        if self.finishes and self.holes:
            found["fill_holes"] = chosen((False, True))
        return found

    def coarse(self) -> list[Params]:
        """The settings that are tried first: without a gate and finishes, the plain thresholds before all others."""
        areas = sorted({max(2, round(share * self.largest_px)) for share in _AREA_SHARES})
        grid: list[tuple[str, int, float, int]] = []
        if "component" in self.kinds:
            grid += [("component", threshold, 0.0, area) for area in (1, *areas) for threshold in _THRESHOLDS]
        if "mask" in self.kinds:
            least = areas if "component" in self.kinds else [1, *areas]
            grid += [("mask", threshold, 0.0, area) for area in least for threshold in _THRESHOLDS]
        if "triplet" in self.kinds:
            grid += [("triplet", bottom, rise, area) for area in areas for bottom, rise in _TRIPLETS]
        keys = ("rule", "threshold", "rise", "min_area_px")
        rest = {"gate": 0, "largest_k": 0, "fill_holes": False}
        known = self.distributions()
        return [
            {key: value for key, value in (dict(zip(keys, each, strict=True)) | rest).items() if key in known}
            for each in grid
        ]

    def rule(self, params: Params) -> AnyRule:
        """The rule of a setting; a minimum area of one pixel is none."""
        area = params["min_area_px"] if params["min_area_px"] > 1 else 0
        gate, kept = params.get("gate", 0), params.get("largest_k", 0)
        shared: Params = {
            "min_area_px": area,
            "gate": HardGate(min_class_prob=gate / GATE_STEPS) if gate else None,
            "fill_holes": params.get("fill_holes", False),
            "largest_k": kept or None,
        }
        threshold = params["threshold"]
        if params["rule"] == "triplet":
            top = threshold + round(params["rise"] * (255 - threshold))
            return TripletRule(bottom_threshold=threshold, top_threshold=top, **shared)
        if params["rule"] == "mask":
            return MaskRule(threshold=threshold, **shared)
        return ComponentRule(threshold=threshold, connectivity=self.connectivity, **shared)


def kinds_of(rule: str) -> tuple[str, ...]:
    """The kinds of rules that a value of `tuning.rule` allows."""
    return ("component", "mask", "triplet") if rule == "auto" else (rule,)


def rules_of(space: Space, settings: Sequence[Params]) -> list[AnyRule]:
    """The rules of some settings, each once, in order."""
    return list(dict.fromkeys(space.rule(params) for params in settings))
