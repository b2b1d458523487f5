"""Hard and soft gates: their tables against rules applied image by image, on folds of unequal size."""

from __future__ import annotations

import numpy as np
import pytest

from maskfold.config import TuningConfig
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import GATE_STEPS, ComponentRule, HardGate
from maskfold.tuning.gates import gate_peaks, gated, soft_gate
from maskfold.tuning.search import ClassSearch
from maskfold.tuning.tables.score_tables import total
from maskfold.tuning.tables.table_filling import fold_tables
from support.oof_images import GRID, images

FOLDS = [images(seed, count=count, class_prob=True) for seed, count in ((41, 3), (42, 9))]


def score(labelled, rule, metric):
    areas = [
        mask_areas(apply_rule(image.oof.prob[0], rule, float(image.oof.class_prob[0])), image.truth[0])
        for image in labelled
    ]
    return class_score(metric, *np.array(areas).T)


@pytest.mark.parametrize("metric", ["dice", "iou", "f2", "pooled_dice", "miou", "pooled_f2"])
def test_hard_gates_equal_the_rule_applied(metric):
    tables = [fold_tables(labelled, metric, GRID, 8, 2, 1) for labelled in FOLDS]
    labelled = [image for fold in FOLDS for image in fold]
    levels = [total(list(both)) for both in zip(*(table.gate_tables(0) for table in tables), strict=True)]
    peaks = gate_peaks(levels)
    rng = np.random.default_rng(0)
    for gate in (1, 2, 11, 16, 31, 32):
        table = gated(levels, gate)
        assert peaks[gate - 1] == table.scores().max()
        assert (table.images, table.all_empty()) == (12, total(levels).all_empty())
        for _ in range(4):
            threshold, area = int(rng.integers(1, 256)), int(rng.choice(GRID))
            rule = ComponentRule(threshold=threshold, min_area_px=area, gate=HardGate(min_class_prob=gate / GATE_STEPS))
            assert table.at(threshold, area) == score(labelled, rule, metric)
    assert len(peaks) == GATE_STEPS


def search_of(**tuning):
    tables = [fold_tables(labelled, "dice", GRID, 8, 2, 1) for labelled in FOLDS]
    return ClassSearch(tables, 0, TuningConfig(**tuning))


def test_a_soft_gate_falls_linearly_to_its_share():
    column = int(np.flatnonzero(GRID == 30)[0])
    gate, columns = soft_gate(GRID, column, 0.5)
    # 30 px at probability 0, 15 at 1, and in between rounded up to whole pixels, which the grid has up to 32.
    expected = [int(np.ceil(30 - 15 * level / 32)) for level in range(33)]
    assert gate.area_px == tuple(expected)
    assert GRID[columns].tolist() == expected
    assert soft_gate(GRID, column, 0.0)[0].area_px[-1] == 0
    assert soft_gate(GRID, column, 1.0)[0].area_px == (30,) * 33
    # A single pixel is the same as none, and the grid leaves it out: the next area is 2.
    assert soft_gate(GRID, int(np.flatnonzero(GRID == 2)[0]), 0.5)[0].area_px[-1] == 2


@pytest.mark.parametrize(
    ("rule", "gates", "kinds"),
    [
        ("component", True, ["component", "component gated"]),
        ("mask", True, ["mask", "mask gated"]),
        ("triplet", True, ["triplet"]),
        ("auto", True, ["component", "mask", "triplet", "component gated", "mask gated"]),
        ("auto", False, ["component", "mask", "triplet"]),
    ],
)
def test_the_rules_that_the_config_allows_are_tried(rule, gates, kinds):
    for candidates in search_of(rule=rule, gates=gates).exact():
        found = [each.rule.rule + (" gated" if each.rule.gate else "") for each in candidates]
        assert found == kinds


def test_folds_are_left_out_one_at_a_time():
    assert search_of().fold_sets == [[0, 1], [1], [0]]


def test_the_gate_in_the_middle_of_equal_ones_is_taken():
    """Truth only where the classifier says 0.9, alarms only where it says 0.2: every gate between them is as good."""
    labelled = []
    for number, image in enumerate(images(43, count=6)):
        prob, truth = np.zeros((2, 9, 14), np.uint8), np.zeros((2, 9, 14), np.uint8)
        prob[:, 2:5, 3:9] = 200
        sure = number % 2 == 0
        truth[:, 2:5, 3:9] = sure
        oof = type(image.oof)(f"{number}", 0, prob, np.full(2, 0.9 if sure else 0.2, np.float32))
        labelled.append(type(image)(oof, truth))
    tables = [fold_tables(labelled[:2], "dice", GRID, 8, 2, 1), fold_tables(labelled[2:], "dice", GRID, 8, 2, 1)]
    search = ClassSearch(tables, 0, TuningConfig(rule="component"))
    [whole, *_] = search.exact()
    # 0.2 is level 6 and 0.9 is 29: gates 7 to 29 are equal, 23 of them; the middle one is 18.
    assert whole[1].score == 1.0
    assert whole[1].rule.gate == HardGate(min_class_prob=18 / 32)
