"""The areas that rules leave on OOF images: what the scores of the chosen rules are computed from."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

import numpy as np

from maskfold.execution.compiled import compiled
from maskfold.execution.jobs import map_threads
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.geometry import without
from maskfold.rules.applying import active_window, apply_rule, finished, lowest_threshold, required_area
from maskfold.rules.expected import expected_cut
from maskfold.rules.rules import AnyRule, ComponentRule, ExpectedRule, TripletRule
from maskfold.tuning.tables.component_pass import ComponentAreas, Scratch

_NO_FINISH = {"fill_holes": False, "largest_k": None}


def rule_areas(
    images: Iterable[LabelledOof], rules: Sequence[Sequence[AnyRule]], largest_map_px: int, threads: int
) -> Iterator[tuple[str, np.ndarray]]:
    """The image ids and the areas each class's rules leave, image by image.

    rules: for each class the rules to try, as many for each. Yields (classes, rules, 3) int64: intersection, predicted
    area, true area in px, without ignored pixels, though the rules see them; the same as `apply_rule` and counting, but
    plain component rules share one pass, and rules that need only the levels of the pixels share one count of them.
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
        distinct = dict.fromkeys(rules)
        self.shared: list[tuple[list[ComponentRule], ComponentAreas]] = []
        for connectivity in (4, 8):
            plain = [rule for rule in distinct if is_plain(rule) and rule.connectivity == connectivity]
            if plain:
                settings = [(rule.threshold, rule.min_area_px) for rule in plain]
                self.shared.append((plain, ComponentAreas(settings, connectivity, largest_map_px, scratch)))
        self.by_levels = [rule for rule in distinct if _needs_levels_only(rule)]
        self.others: dict[AnyRule, list[AnyRule]] = {}  # by the rule that they finish
        for rule in distinct:
            if not (is_plain(rule) or _needs_levels_only(rule)):
                self.others.setdefault(rule.model_copy(update=_NO_FINISH), []).append(rule)
        of_pixels = [rule for rule in distinct if not _needs_levels_only(rule)]
        self.lowest = min(map(lowest_threshold, of_pixels), default=None)

    def areas(self, image: LabelledOof, index: int) -> np.ndarray:
        """(rules, 3) int64 of class `index` of one image."""
        prob, truth = image.oof.prob[index], image.truth[index]
        class_prob = None if image.oof.class_prob is None else float(image.oof.class_prob[index])
        done: dict[AnyRule, tuple[int, int]] = {}
        if self.by_levels:
            levels = _pixels_of_levels(prob, truth, truth[:0] if image.ignored is None else image.ignored)
            done |= {rule: _areas_of_levels(levels, rule, class_prob) for rule in self.by_levels}
        window = None if self.lowest is None else active_window(prob, self.lowest)
        if window is not None:
            # No rule looks beyond the pixels it may switch on, so a window that holds them all is enough.
            ignored = None if image.ignored is None else np.ascontiguousarray(image.ignored[window])
            prob, inside = (np.ascontiguousarray(part[window]) for part in (prob, truth))
            done |= self._in_window(prob, inside, ignored, class_prob)
        true_area = int(np.count_nonzero(truth))
        return np.array([(*done.get(rule, (0, 0)), true_area) for rule in self.rules], dtype=np.int64)

    def _in_window(
        self, prob: np.ndarray, truth: np.ndarray, ignored: np.ndarray | None, class_prob: float | None
    ) -> dict[AnyRule, tuple[int, int]]:
        """The intersection and the predicted area of the rules that need the pixels themselves."""
        done: dict[AnyRule, tuple[int, int]] = {}
        for plain, component_areas in self.shared:
            done |= dict(zip(plain, component_areas.areas(prob, truth, ignored), strict=True))
        for plain_rule, rules in self.others.items():
            mask = apply_rule(prob, plain_rule, class_prob)
            window = active_window(mask, 1)
            if window is None:
                continue
            mask, true, left_out = mask[window], truth[window], None if ignored is None else ignored[window]
            for rule in rules:
                counted = without(finished(mask, rule), left_out)
                done[rule] = (int(np.count_nonzero(counted & true)), int(np.count_nonzero(counted)))
        return done


def is_plain(rule: AnyRule) -> TypeGuard[ComponentRule]:
    """Whether a rule is a component rule with neither gate nor finish."""
    return isinstance(rule, ComponentRule) and rule.gate is None and not _has_finish(rule)


def _needs_levels_only(rule: AnyRule) -> bool:
    """Whether it does not matter to a rule where the pixels of a level are."""
    return not (isinstance(rule, ComponentRule) or _has_finish(rule))


def _has_finish(rule: AnyRule) -> bool:
    return any(getattr(rule, name) != value for name, value in _NO_FINISH.items())


def _areas_of_levels(levels: np.ndarray, rule: AnyRule, class_prob: float | None) -> tuple[int, int]:
    """The intersection and the predicted area in px that `apply_rule` would leave, without ignored pixels.

    levels: (3, 256) int64, how many pixels, true ones and ignored ones have each level above 0.
    """
    min_area_px = required_area(rule, class_prob)
    cut = expected_cut(levels[0], rule, class_prob) if isinstance(rule, ExpectedRule) else lowest_threshold(rule)
    if min_area_px is None or cut is None:
        return 0, 0
    counted_from = rule.top_threshold if isinstance(rule, TripletRule) else cut
    if levels[0, counted_from:].sum() < min_area_px:
        return 0, 0
    pixels, true, ignored = levels[:, cut:].sum(axis=1)
    return int(true), int(pixels - ignored)


@compiled
def _pixels_of_levels(prob: np.ndarray, truth: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """(3, 256) int64: the pixels, the true and the ignored pixels of each level above 0; (H, W) uint8 each.

    truth: 0 where a pixel is ignored; ignored: no rows if no pixel is.
    """
    levels = np.zeros((3, 256), dtype=np.int64)
    for row in range(prob.shape[0]):
        for column in range(prob.shape[1]):
            level = prob[row, column]
            if level:
                levels[0, level] += 1
                levels[1, level] += truth[row, column]
                if len(ignored):
                    levels[2, level] += ignored[row, column]
    return levels
