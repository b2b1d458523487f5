"""The one way several experiments' probabilities become one: the same for OOF and test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from maskfold.config import Combine

_LEVELS = np.arange(256, dtype=np.float64)
# Log-odds are finite, so levels 0 and 255 count as this far inside; less than half, so that both are kept.
_LOGIT_END = 0.25
_VOTE_FROM = 128  # a probability of 0.5, the default threshold


def combine_maps(maps: Sequence[np.ndarray], weights: Sequence[float], combine: Combine) -> np.ndarray:
    """The maps of several experiments for one image as one: (C, H, W) uint8, rounded to nearest.

    maps: (C, H, W) uint8 each, q stands for q/255; weights: one a map, 0 or more, of any sum but 0. `mean` is the
    weighted mean of probabilities; `geometric` their weighted geometric mean, 0 where one is 0; `logit` the
    probability whose log-odds are the weighted mean of theirs; `vote` the weighted share of the maps that say 0.5 or
    more. A map with all the weight stays as it is.
    """
    used = [(prob, weight) for prob, weight in zip(maps, weights, strict=True) if weight > 0]
    shapes = {prob.shape for prob in maps}
    if not used or len(shapes) > 1:
        raise ValueError(f"maps of shapes {sorted(shapes)} and weights {list(weights)} do not combine")
    if len(used) == 1:
        return used[0][0]
    total = sum(weight for _, weight in used)
    # 256 values a map and a look-up a pixel: no logarithm a pixel.
    terms = [_terms(combine) * (weight / total) for _, weight in used]
    combined = np.empty_like(used[0][0])
    for index in range(len(combined)):  # class by class, as a float plane is eight times a map
        plane = terms[0][used[0][0][index]]
        for (prob, _), term in zip(used[1:], terms[1:], strict=True):
            plane += term[prob[index]]
        combined[index] = np.rint(_from_terms(plane, combine))
    return combined


def _terms(combine: Combine) -> np.ndarray:
    """What a map with all the weight adds at each of the levels 0..255: (256,) float64."""
    if combine == "vote":
        return np.where(_LEVELS >= _VOTE_FROM, 255.0, 0.0)
    if combine == "geometric":
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(_LEVELS / 255))
    if combine == "logit":
        return np.asarray(logit(np.clip(_LEVELS, _LOGIT_END, 255 - _LOGIT_END) / 255))
    return _LEVELS


def _from_terms(plane: np.ndarray, combine: Combine) -> np.ndarray:
    """The weighted sum of terms as levels 0..255, not rounded."""
    if combine == "geometric":
        return 255 * np.exp(plane)
    return np.asarray(255 * expit(plane)) if combine == "logit" else plane


def combine_class_probs(probs: Sequence[np.ndarray | None], weights: Sequence[float]) -> np.ndarray | None:
    """The weighted mean classification probability, (C,) float32 in 0..1, of the experiments that have one; or None."""
    given = [(prob, weight) for prob, weight in zip(probs, weights, strict=True) if prob is not None and weight > 0]
    if not given:
        return None
    total = sum(weight for _, weight in given)
    mean = sum(prob.astype(np.float64) * (weight / total) for prob, weight in given)
    return np.clip(mean, 0, 1).astype(np.float32)
