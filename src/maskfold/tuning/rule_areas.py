"""The areas that rules leave on OOF images: what the scores of the chosen rules are computed from."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

import numpy as np

from maskfold.execution.jobs import map_threads
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.geometry import without
from maskfold.rules.applying import active_window, apply_rule, lowest_threshold
from maskfold.rules.rules import AnyRule, ComponentRule
from maskfold.tuning.tables.component_pass import ComponentAreas, Scratch


def rule_areas(
    images: Iterable[LabelledOof], rules: Sequence[Sequence[AnyRule]], largest_map_px: int, threads: int
) -> Iterator[tuple[str, np.ndarray]]:
    """The image ids and the areas each class's rules leave, image by image.

    rules: for each class the rules to try, as many for each. Yields (classes, rules, 3) int64: intersection, predicted
    area, true area in px, without ignored pixels, though the rules see them; the same as `apply_rule` and counting, but
    plain component rules share one pass.
    """
    of_thread = threading.local()

    def areas(image: LabelledOof) -> tuple[str, np.ndarray]:
        """The id and the areas of one image."""
        if not hasattr(of_thread, "appliers"):
            scratch = Scratch()
            of_thread.appliers = [_ClassRules(of_class, largest_map_px, scratch) for of_class in rules]
        return image.oof.image_id, np.stack([rules_of.areas(image, k) for k, rules_of in enumerate(of_thread.appliers)])

    yield from map_threads(areas, images, threads)


class _ClassRules:
    """Applies the rules of one class; for one thread."""

    def __init__(self, rules: Sequence[AnyRule], largest_map_px: int, scratch: Scratch) -> None:
        self.rules = rules
        self.lowest = min(lowest_threshold(rule) for rule in rules)
        distinct = dict.fromkeys(rules)
        self.shared: list[tuple[list[ComponentRule], ComponentAreas]] = []
        for connectivity in (4, 8):
            plain = [rule for rule in distinct if is_plain(rule) and rule.connectivity == connectivity]
            if plain:
                settings = [(rule.threshold, rule.min_area_px) for rule in plain]
                self.shared.append((plain, ComponentAreas(settings, connectivity, largest_map_px, scratch)))
        self.others = [rule for rule in distinct if not is_plain(rule)]

    def areas(self, image: LabelledOof, index: int) -> np.ndarray:
        """(rules, 3) int64 of class `index` of one image."""
        prob, truth = image.oof.prob[index], image.truth[index]
        true_area = int(np.count_nonzero(truth))
        window = active_window(prob, self.lowest)
        if window is None:
            return np.array([(0, 0, true_area)] * len(self.rules), dtype=np.int64)
        # No rule looks beyond the pixels it may switch on, so a window that holds them all is enough.
        prob, truth = np.ascontiguousarray(prob[window]), np.ascontiguousarray(truth[window])
        ignored = None if image.ignored is None else np.ascontiguousarray(image.ignored[window])
        class_prob = None if image.oof.class_prob is None else float(image.oof.class_prob[index])
        done: dict[AnyRule, tuple[int, int]] = {}
        for plain, component_areas in self.shared:
            done |= dict(zip(plain, component_areas.areas(prob, truth, ignored), strict=True))
        for rule in self.others:
            mask = without(apply_rule(prob, rule, class_prob), ignored)
            done[rule] = (int(np.count_nonzero(mask & truth)), int(np.count_nonzero(mask)))
        return np.array([(*done[rule], true_area) for rule in self.rules], dtype=np.int64)


def is_plain(rule: AnyRule) -> TypeGuard[ComponentRule]:
    """Whether a rule is a component rule with neither gate nor finish."""
    return isinstance(rule, ComponentRule) and rule.gate is None and not rule.fill_holes and rule.largest_k is None
