"""From evidence to a ranking: how suspicious each label is, why, and whether to fix or exclude it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from maskfold.audit.labels.evidence import Evidence, Region

FINE, QUICK_FIX, EXCLUDE = PILES = ("fine", "quick fix", "exclude")
SUSPICIOUS = 0.5  # the score from which a label is not fine
_SPOILT = 0.2  # damage from which a fix is no longer quick

# Strengths and the least that is suspicious in a clean set; chosen on faults planted with another seed than those that
# benchmarks/label_audit.py reports on. One move of the whole label explains many pixels at once, so it takes fewer.
LIMITS = {"missing": 0.05, "stray": 0.05, "exchanged": 0.05, "shifted": 0.01, "edge": 0.01}
# A strength that many labels of a class reach is the model's error: no limit is below so many times a percentile.
_COMMON = {0.75: 3.0, 0.9: 1.5}
# Models miss what is hard, but rarely invent it: what they predict surely is trusted until a quarter of labels lack it.
_COMMON_MISSING = {0.75: 3.0}
_FEWEST = 10  # labels; fewer say nothing about a class


def evidence_row(evidence: Evidence, short_side: int, class_names: Sequence[str]) -> dict[str, Any]:
    """The numbers of one image and class as a row: what `rank` wants, and what the csv shows.

    short_side: of the image, px; class_names: all, in order. Shares are of the pixels that label or prediction show.
    """
    moved, edge = evidence.moved, evidence.edge
    shift_gain, edge_gain = evidence.share(moved.gain_px), evidence.share(edge.gain_px)
    return {
        "true_px": evidence.true_px,
        "predicted_px": evidence.predicted_px,
        "damage": evidence.damage,
        "label_quality": evidence.label_quality,
        "missing": evidence.missing.share,
        "stray": evidence.stray.share,
        "exchanged": evidence.exchanged,
        "shifted": shift_gain * _explained_share(shift_gain, evidence.damage),
        "edge": math.sqrt(
            edge_gain * _explained_share(edge_gain, evidence.damage) * edge.agreed_px / short_side,
        ),
        "shift_gain": shift_gain,
        "edge_gain": edge_gain,
        "edge_px": math.copysign(edge.agreed_px, edge.px),
        "shift_down_px": moved.down_px,
        "shift_right_px": moved.right_px,
        "other": class_names[evidence.other_class] if evidence.exchanged else "",
        "missing_detached": evidence.missing.detached,
        **_place("missing", evidence.missing),
        **_place("stray", evidence.stray),
    }


def _explained_share(gain: float, damage: float) -> float:
    """The share of the damage that one move repairs, 0..1; half a label without any support is no moved edge."""
    return min(1.0, gain / damage) if damage else 0.0


def _place(name: str, region: Region) -> dict[str, Any]:
    return {
        f"{name}_px": region.area_px,
        f"{name}_prob": region.prob,
        f"{name}_row": region.row,
        f"{name}_column": region.column,
    }


def rank(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with score, pile, reason and detail, the most suspicious label first; ties by image_id and class.

    rows: one an image and class, image_id, class_name and what `evidence_row` gives. A strength x scores
    x / (x + limit) and the strongest counts, so 0.5 is the limit, which `class_limits` raises for hard classes.
    """
    ranked = rows.copy()
    scores = np.zeros((len(rows), len(LIMITS)))
    for _, own in rows.groupby("class_name", sort=False):
        limits = class_limits(own)
        strengths = own[list(LIMITS)].to_numpy(dtype=np.float64)
        scores[rows.index.get_indexer(own.index)] = strengths / (strengths + [limits[kind] for kind in LIMITS])
    ranked["score"] = scores.max(axis=1)
    kinds = [list(LIMITS)[index] for index in scores.argmax(axis=1)]
    suspicious = ranked["score"] >= SUSPICIOUS
    spoilt = ranked["damage"] >= _SPOILT
    ranked["pile"] = np.where(suspicious, np.where(spoilt, EXCLUDE, QUICK_FIX), FINE)
    words = [
        explained(kind, row) if bad else ("", "")
        for kind, row, bad in zip(kinds, rows.to_dict("records"), suspicious, strict=True)
    ]
    ranked["reason"] = [reason for reason, _ in words]
    ranked["detail"] = [detail for _, detail in words]
    return ranked.sort_values(["score", "image_id", "class_name"], ascending=[False, True, True], ignore_index=True)


def class_limits(rows: pd.DataFrame) -> dict[str, float]:
    """What each strength must reach to be suspicious, from the labels of one class that could show the fault.

    A class of which many labels show much of it is hard rather than mislabelled, and gets a higher limit.
    """
    true, predicted = rows["true_px"] > 0, rows["predicted_px"] > 0
    could = {"missing": predicted, "stray": true, "exchanged": true | predicted}
    limits = {}
    for kind, least in LIMITS.items():
        relevant = rows.loc[could.get(kind, true & predicted), kind]
        common = _COMMON_MISSING if kind == "missing" else _COMMON
        # The lower value, so that of a dozen labels a single bad one does not raise its own limit.
        values = [times * float(relevant.quantile(part, "lower")) for part, times in common.items()]
        limits[kind] = max(least, *values) if len(relevant) >= _FEWEST else least
    return limits


def explained(kind: str, row: Mapping[str, Any]) -> tuple[str, str]:
    """The reason in a few words, and a sentence with its numbers; kind: the strongest, row: as `evidence_row`."""
    if kind == "exchanged":
        shown = f"{row['exchanged']:.0%} of the object"
        return "wrong class", f"where label and network differ on {shown}, it is between this class and {row['other']}"
    if kind == "missing":
        return _missing(row)
    if kind == "stray":
        place = f"{row['stray_px']:,} px around row {row['stray_row']}, column {row['stray_column']}"
        return "stray blob", f"the label has {place}, where the network sees nothing ({row['stray_prob']:.2f})"
    if row["edge_px"] == 0 or row["edge_gain"] < row["shift_gain"]:
        return _shifted(row)
    reason, where = ("swollen edge", "outside") if row["edge_px"] > 0 else ("shrunken edge", "inside")
    return reason, f"the label's edge lies about {round(abs(row['edge_px']), 1):g} px {where} the network's"


def _missing(row: Mapping[str, Any]) -> tuple[str, str]:
    place = f"{row['missing_px']:,} px around row {row['missing_row']}, column {row['missing_column']}"
    seen = f"the network sees {place} ({row['missing_prob']:.2f})"
    if row["true_px"] == 0:
        return "empty by mistake", f"the label is empty, but {seen}"
    reason = "missing object" if row["missing_detached"] else "missing part"
    return reason, f"{seen} and the label does not show it"


def _shifted(row: Mapping[str, Any]) -> tuple[str, str]:
    down, right = row["shift_down_px"], row["shift_right_px"]
    parts = [f"{abs(down)} px {'lower' if down > 0 else 'higher'}"] if down else []
    parts += [f"{abs(right)} px farther {'right' if right > 0 else 'left'}"] if right else []
    return "shifted edge", f"the label lies about {' and '.join(parts)} than what the network sees"
