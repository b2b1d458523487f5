"""Sampled settings: the space, the rows of applied rules, and the honesty of the choice without a fold."""

import json

import numpy as np
import pytest

from maskfold.config import TuningConfig
from maskfold.mask_metrics.metric import mask_metric
from maskfold.oof.store import OofImage
from maskfold.oof.with_truth import LabelledOof
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, ComponentRule, HardGate, MaskRule, TripletRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.sampled.measuring import measured_rows
from maskfold.tuning.sampled.sampling import ClassSampling
from maskfold.tuning.sampled.space import Space, kinds_of, rules_of

ALL = Space(("component", "mask", "triplet"), 8, 4000, gated=True, finishes=True)
PLAIN = Space(("component",), 4, 4000)


def test_settings_stand_for_rules():
    params = {"rule": "triplet", "threshold": 55, "rise": 0.5, "min_area_px": 7, "gate": 0, "largest_k": 0}
    assert ALL.rule(params) == TripletRule(bottom_threshold=55, top_threshold=155, min_area_px=7)
    params |= {"rule": "mask", "gate": 16, "largest_k": 1, "fill_holes": True, "min_area_px": 1}
    gate = HardGate(min_class_prob=0.5)
    assert ALL.rule(params) == MaskRule(threshold=55, min_area_px=0, gate=gate, largest_k=1, fill_holes=True)
    plain = {"rule": "component", "threshold": 9, "min_area_px": 2}
    assert PLAIN.rule(plain) == ComponentRule(threshold=9, min_area_px=2, connectivity=4)


@pytest.mark.parametrize("space", [ALL, PLAIN, Space(("mask",), 8, 100, finishes=True, holes=False)])
def test_the_coarse_grid_lies_in_the_space(space):
    known = space.distributions()
    for params in space.coarse():
        assert params.keys() == known.keys()
        assert all(known[key]._contains(known[key].to_internal_repr(value)) for key, value in params.items())
    assert len(rules_of(space, space.coarse())) == len(space.coarse())
    assert kinds_of("auto") == ("component", "mask", "triplet") and kinds_of("mask") == ("mask",)


def test_rows_are_those_of_the_applied_rules():
    rng = np.random.default_rng(0)
    images = [
        LabelledOof(
            OofImage(f"{number}", 0, rng.integers(0, 256, (2, 24, 30), dtype=np.uint8), None),
            (rng.random((2, 24, 30)) < 0.3).astype(np.uint8) * (np.arange(24) > 3)[None, :, None],
            (np.arange(24) <= 3)[:, None].repeat(30, 1).astype(np.uint8),
        )
        for number in range(5)
    ]
    rules = [
        [DEFAULT_RULE, MaskRule(threshold=200, min_area_px=3), EMPTY_RULE],
        [ComponentRule(threshold=60, min_area_px=9)],
    ]
    metric = mask_metric(TuningConfig(metric="surface_dice"))
    for threads in (1, 2):
        found = list(measured_rows(images, rules, metric, threads))
        assert [name for name, _ in found] == ["0", "1", "2", "3", "4"]
        for image, (_, rows) in zip(images, found, strict=True):
            for index, of_class in enumerate(rules):
                masks = [apply_rule(image.oof.prob[index], rule) for rule in of_class]
                expected = [metric.row(mask, image.truth[index], image.ignored) for mask in masks]
                assert rows[index].tolist() == [list(row) for row in expected]


def searched(score, trials=20):
    """A sampling of one class over three folds, whose score on a fold is a function of (rule, fold)."""
    start = ClassChoice(DEFAULT_RULE, (DEFAULT_RULE,) * 3, None)
    search = ClassSampling(PLAIN, 3, (0, 0), start)
    applied = []
    for number in range(1 + trials // 20):
        rules = search.wanted(number, 20)
        assert not set(rules) & set(applied)
        applied += rules
        search.learn({rule: np.array([[10 * score(rule, fold), 10] for fold in range(3)]) for rule in rules})
    return search, applied


def peak_at(threshold):
    return lambda rule, fold: -abs(rule.threshold - threshold) / 255 - rule.min_area_px / 4000


def test_the_search_comes_closer_to_the_best_setting():
    best = peak_at(149)
    search, applied = searched(best)
    coarse, _ = searched(best, trials=0)
    found, first = search.choice().rule, coarse.choice().rule
    assert first.threshold == 160 and best(found, 0) > best(first, 0)
    tried_on_all = [json.loads(trial.user_attrs["rule"]) for trial in search.trials]
    assert best(found, 0) == max(best(ComponentRule(**rule), 0) for rule in tried_on_all)
    assert search.tried == len(applied) > coarse.tried
    again, repeated = searched(best)
    assert repeated == applied and again.choice() == search.choice()


def test_what_is_chosen_without_a_fold_does_not_depend_on_it():
    def other_in_fold_0(rule, fold):
        return 9 * peak_at(20)(rule, fold) if fold == 0 else peak_at(149)(rule, fold)

    search, _ = searched(peak_at(149))
    other, _ = searched(other_in_fold_0)
    assert other.choice().without_fold[0] == search.choice().without_fold[0]
    assert other.choice().without_fold[1] != search.choice().without_fold[1]


def test_of_equal_rules_the_default_stays():
    search, _ = searched(lambda rule, fold: 0.5)
    assert search.choice() == ClassChoice(DEFAULT_RULE, (DEFAULT_RULE,) * 3, None)
