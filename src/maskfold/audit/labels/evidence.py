"""The evidence against one label: numbers of one image and class, before they are ranked.

A pixel contradicts its label where the probability c of the opposite is above one half, and counts
(2c - 1)^3 pixels: an unsure network (0.7) counts 0.06, a sure one (0.98) 0.88. Shares are of the pixels that label or
prediction show, so a fault weighs by the object it spoils.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from maskfold.audit.labels.edges import (
    Displacement,
    Translation,
    displacement,
    reach_px,
    translation,
)
from maskfold.audit.labels.quality import label_quality
from maskfold.pixels.geometry import without
from maskfold.rules.applying import active_window

_SOLID_SHARE = 0.02  # of the shorter side: disagreement nowhere wider than twice that is an edge, not a region
_MATCHED = 0.1  # share of an object's pixels the other side must show, else it is an object on its own
_SIGNED = ((np.arange(256) / 127.5 - 1) ** 3).astype(np.float32)  # of a probability: how surely it is on, -1..1


@dataclass(frozen=True)
class Region:
    """Where label and prediction differ beyond edges: pixels, weighed by how sure the network is, as share and count.

    prob: mean probability there; row, column: of the middle, px; detached: no pixel touches the label's objects
    (of missing pixels) or the prediction's (of stray ones).
    """

    share: float = 0.0
    area_px: int = 0
    prob: float = 0.0
    row: int = 0
    column: int = 0
    detached: bool = False


@dataclass(frozen=True)
class Evidence:
    """The numbers of one image and class.

    either_px: pixels that label or prediction show; damage: share of them that the network is sure are wrong;
    label_quality: cleanlab's score, 1 where the worst pixels fit; missing, stray: what the label lacks and what it has
    too much; exchanged: what the label shows as this class and the network as another, or the other way round, as a
    share; other_class: which, -1 for none; moved, edge: see edges.
    """

    true_px: int = 0
    predicted_px: int = 0
    either_px: int = 0
    damage: float = 0.0
    label_quality: float = 1.0
    missing: Region = field(default_factory=Region)
    stray: Region = field(default_factory=Region)
    exchanged: float = 0.0
    other_class: int = -1
    moved: Translation = field(default_factory=Translation)
    edge: Displacement = field(default_factory=Displacement)

    def share(self, pixels: float) -> float:
        """Pixels as a share of those that label or prediction show."""
        return pixels / self.either_px if self.either_px else 0.0


def image_evidence(
    prob: np.ndarray, truth: np.ndarray, predicted: np.ndarray, ignored: np.ndarray | None = None
) -> list[Evidence]:
    """The evidence on each class of one image.

    prob: (C, H, W) uint8, q stands for q/255; truth, predicted: (C, H, W) uint8 in {0, 1}, the latter by the rules in
    use; ignored: (H, W) uint8 in {0, 1}, pixels without a label, where nothing speaks against one: there the label is
    taken for what is predicted, and no area counts them.
    """
    quality = [label_quality(own, label, ignored) for own, label in zip(prob, truth, strict=True)]
    if ignored is None:
        ignored = np.zeros(truth.shape[1:], dtype=np.uint8)
    truth = np.where(ignored, predicted, truth)
    blank = [Evidence(label_quality=value) for value in quality]
    either = (truth | predicted).max(axis=0)
    window = active_window(either, 1)
    if window is None:
        return blank
    margin = reach_px(either.shape)
    rows, columns = (slice(max(0, part.start - margin), part.stop + margin) for part in window)
    short_side = min(either.shape)
    inside = np.s_[:, rows, columns]
    prob, truth, predicted = (np.ascontiguousarray(maps[inside]) for maps in (prob, truth, predicted))
    ignored = ignored[rows, columns]
    weights = _weights(prob, truth, predicted)
    exchanged, others = _exchanges(weights, truth)
    found = []
    for index, label in enumerate(truth):
        if not without(label | predicted[index], ignored).any():
            found.append(blank[index])
            continue
        own = _Planes(prob[index], label, predicted[index], weights[index], exchanged[index], ignored)
        evidence = _class_evidence(own, short_side, (rows.start, columns.start))
        found.append(replace(evidence, label_quality=quality[index], other_class=others[index]))
    return found


@dataclass(frozen=True)
class _Planes:
    """One class inside the window: probabilities, label, prediction, and the weights of what speaks against the label,
    all of it and what an exchange of classes explains, and the pixels without a label; (H, W) each.
    """

    prob: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    weights: np.ndarray
    exchanged: np.ndarray
    ignored: np.ndarray


def _weights(prob: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(C, H, W) float32: how surely the network contradicts the label, 0 where it does not, or the rule does not."""
    contradicted = (truth != predicted) & ((prob >= 128) != (truth > 0))
    return np.where(contradicted, np.abs(_SIGNED)[prob], np.float32(0))


def _exchanges(weights: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """What another class explains: (C, H, W) float32 weights, and for each class the one it is mostly exchanged with.

    A pixel is exchanged between two classes where the label shows one and the network is sure of the other instead.
    """
    exchanged = np.zeros_like(weights)
    others = [-1] * len(weights)
    most = [0.0] * len(weights)
    for first in range(len(weights)):
        for second in range(first):
            swapped = truth[first] != truth[second]
            both = np.where(swapped, np.minimum(weights[first], weights[second]), np.float32(0))
            total = float(both.sum())
            for own, other in ((first, second), (second, first)):
                exchanged[own] = np.maximum(exchanged[own], both)
                if total > most[own]:
                    others[own], most[own] = other, total
    return exchanged, others


def _class_evidence(own: _Planes, short_side: int, corner: tuple[int, int]) -> Evidence:
    true_px, predicted_px, either = (
        int(np.count_nonzero(without(mask, own.ignored)))
        for mask in (own.truth, own.predicted, own.truth | own.predicted)
    )
    swapped = (own.exchanged > 0).astype(np.uint8)  # another class accounts for these, so neither side lacks them
    radius = max(1, round(_SOLID_SHARE * short_side))
    missing = _region(own.predicted, own.truth | swapped, own, radius, corner)
    stray = _region(own.truth, own.predicted | swapped, own, radius, corner)
    edge, moved = Displacement(), Translation()
    if own.truth.any() and own.predicted.any() and not own.truth.all() and not own.predicted.all():
        signed = _SIGNED[own.prob]
        edge = displacement(signed, own.truth, own.predicted, short_side)
        moved = translation(signed, own.truth, short_side)
    return Evidence(
        true_px=true_px,
        predicted_px=predicted_px,
        either_px=either,
        damage=float(own.weights.sum()) / either,
        missing=replace(missing, share=missing.share / either),
        stray=replace(stray, share=stray.share / either),
        exchanged=float(own.exchanged.sum()) / either,
        moved=moved,
        edge=edge,
    )


def _region(shown: np.ndarray, other: np.ndarray, own: _Planes, radius: int, corner: tuple[int, int]) -> Region:
    """What `shown` shows and `other` does not: parts wider than an edge, and objects that `other` lacks whole.

    `share` is still in px here.
    """
    only = ((shown > 0) & (other == 0) & (own.weights > 0)).astype(np.uint8)
    if not only.any():
        return Region()
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    solid = cv2.morphologyEx(only, cv2.MORPH_OPEN, disc)
    solid = np.asarray(solid | (only & _unmatched(shown, other)))
    rows, columns = np.nonzero(solid)
    if len(rows) == 0:
        return Region()
    near = cv2.dilate(solid, np.ones((3, 3), np.uint8))
    return Region(
        share=float(own.weights[rows, columns].sum()),
        area_px=len(rows),
        prob=float(own.prob[rows, columns].mean()) / 255,
        row=int(np.median(rows)) + corner[0],
        column=int(np.median(columns)) + corner[1],
        detached=not (near & other).any(),
    )


def _unmatched(shown: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the objects of `shown` of which `other` shows less than a tenth."""
    count, labels = cv2.connectedComponents(shown, connectivity=8)
    areas = np.bincount(labels.ravel(), minlength=count)
    matched = np.bincount(labels.ravel(), weights=other.ravel(), minlength=count)
    alone = (matched < _MATCHED * areas).astype(np.uint8)
    alone[0] = 0
    return alone[labels]
