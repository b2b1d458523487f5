"""The areas that rules leave on OOF images: what the scores of the chosen rules are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from maskfold.executor import map_threads
from maskfold.oof_truth import JudgedImage
from maskfold.postprocess import (
    ComponentRule,
    MaskRule,
    TripletRule,
    active_window,
    apply_rule,
    lowest_threshold,
)

AnyRule = ComponentRule | MaskRule | TripletRule


def rule_areas(
    images: Iterable[JudgedImage], rules: Sequence[Sequence[AnyRule]], threads: int
) -> Iterator[tuple[str, np.ndarray]]:
    """The image ids and the areas each class's rules leave, image by image.

    rules: for each class the rules to try, as many for each. Yields (classes, rules, 3) int64: intersection, predicted
    area, true area in px.
    """

    def areas(image: JudgedImage) -> tuple[str, np.ndarray]:
        return image.oof.image_id, np.stack([_class_areas(image, index, rules[index]) for index in range(len(rules))])

    yield from map_threads(areas, images, threads)


def _class_areas(image: JudgedImage, index: int, rules: Sequence[AnyRule]) -> np.ndarray:
    """(rules, 3) int64 of one class; rules that are equal are applied once."""
    prob, truth = image.oof.prob[index], image.truth[index]
    class_prob = None if image.oof.class_prob is None else float(image.oof.class_prob[index])
    true_area = int(np.count_nonzero(truth))
    window = active_window(prob, min(lowest_threshold(rule) for rule in rules))
    done: dict[AnyRule, tuple[int, int, int]] = {}
    for rule in rules:
        if rule in done:
            continue
        if window is None:
            done[rule] = (0, 0, true_area)
            continue
        # No rule looks beyond the pixels it may switch on, so a window that holds them all is enough.
        mask = apply_rule(prob[window], rule, class_prob)
        overlap = int(np.count_nonzero(mask & truth[window])) if true_area else 0
        done[rule] = (overlap, int(np.count_nonzero(mask)), true_area)
    return np.array([done[rule] for rule in rules], dtype=np.int64)
