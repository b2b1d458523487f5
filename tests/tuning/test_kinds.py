"""Fixed or expected: what a class gets, and what each fold gets from the other folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition
from maskfold.oof.store import OofWriter
from maskfold.rules.rules import CALIBRATED_ONE, ComponentRule, ExpectedRule, HardGate
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.evaluation import EvaluatedImages, evaluate_rules
from maskfold.tuning.kinds import choose_kinds, clearly_better

FIXED = [ComponentRule(threshold=threshold, min_area_px=0) for threshold in (100, 101, 102)]
GATED = [rule.model_copy(update={"gate": HardGate(min_class_prob=0.5)}) for rule in FIXED]
CALIBRATION = (0, *(round(level * CALIBRATED_ONE / 255) for level in range(1, 256)))
EXPECTED = [ExpectedRule(score="dice", calibration=CALIBRATION, min_area_px=area) for area in (0, 1, 2)]
FIXED_CHOICE, EXPECTED_CHOICE = (
    ClassChoice(FIXED[0], tuple(FIXED[1:]), None),
    ClassChoice(EXPECTED[0], tuple(EXPECTED[1:]), None),
)


@pytest.mark.parametrize(
    ("gains", "better"),
    [
        ([], False),
        ([0.5], False),
        ([0.0, 0.0], False),
        ([0.1, 0.1], True),
        ([0.3, -0.1], False),  # 0.1 is not above 0.283 / sqrt(2) = 0.2
        ([0.31, 0.1, 0.0, 0.0], True),  # 0.1025 against 0.1461 / 2 = 0.073
        ([0.4, 0.0, 0.0, 0.0], False),  # 0.1 against 0.2 / 2 = 0.1
        ([-0.1, -0.1], False),
    ],
)
def test_a_gain_must_be_above_its_standard_error(gains, better):
    assert clearly_better(np.array(gains)) is better


def evaluated(honest, folds):
    """Images of one class under the default, the tuned and the honest rule; honest: (intersection, predicted, true)."""
    areas = np.array([[(0, 0, true), (0, 0, true), (inside, area, true)] for inside, area, true in honest])
    names = [f"i{number}" for number in range(len(honest))]
    return EvaluatedImages(names, np.array(folds), np.array(names), areas[:, None])


def test_each_fold_follows_the_other():
    # Dice of the expected rule minus the fixed one: 0.5, 0.75, -0.5, -0.75; fold 0 gains and fold 1 loses.
    fixed = [(1, 2, 2), (0, 6, 2), (2, 2, 2), (3, 4, 4)]
    expected = [(2, 2, 2), (3, 4, 4), (1, 2, 2), (0, 4, 4)]
    folds, kinds = [0, 0, 1, 1], [[FIXED_CHOICE], [EXPECTED_CHOICE]]
    images = evaluated(fixed, folds), evaluated(expected, folds)
    [found], of_found = choose_kinds("dice", kinds, images, [1.0])
    # Fold 0 sees the losses of fold 1, fold 1 the gains of fold 0; together they gain nothing.
    assert found == ClassChoice(FIXED[0], (FIXED[1], EXPECTED[2]), None)
    assert of_found.areas[:, 0, 2].tolist() == [list(row) for row in (*fixed[:2], *expected[2:])]
    assert of_found.areas[:, 0, 1].tolist() == images[0].areas[:, 0, 1].tolist()
    [found], of_found = choose_kinds("dice", kinds, images[::-1], [1.0])
    assert found == ClassChoice(FIXED[0], (EXPECTED[1], FIXED[2]), None)
    assert of_found.areas[:, 0, 2].tolist() == [list(row) for row in (*fixed[:2], *expected[2:])]


def test_a_rule_that_gains_in_every_fold_is_taken_whole():
    images = (
        evaluated([(1, 2, 2), (0, 6, 2), (0, 4, 4)], [0, 0, 1]),
        evaluated([(2, 2, 2), (3, 4, 4), (1, 1, 4)], [0, 0, 1]),
    )
    images[1].areas[:, :, 1] = 7  # another tuned rule
    # Fold 0 has one image to go by, which is too few.
    [found], of_found = choose_kinds("dice", [[FIXED_CHOICE], [EXPECTED_CHOICE]], images, [1.0])
    assert found == ClassChoice(EXPECTED[0], (FIXED[1], EXPECTED[2]), None)
    assert (of_found.areas[:, 0, 1] == 7).all()
    assert of_found.areas[:, 0, 2].tolist() == [[1, 2, 2], [0, 6, 2], [1, 1, 4]]


def test_a_rule_of_all_folds_that_is_worse_than_those_of_the_folds_is_not_taken():
    images = (
        evaluated([(1, 2, 2), (0, 6, 2), (0, 4, 4)], [0, 0, 1]),
        evaluated([(2, 2, 2), (3, 4, 4), (1, 1, 4)], [0, 0, 1]),
    )
    images[0].areas[:, :, 1] = (2, 2, 2)
    images[1].areas[:, :, 1] = (1, 2, 2)
    [found], of_found = choose_kinds("dice", [[FIXED_CHOICE], [EXPECTED_CHOICE]], images, [1.0])
    assert found == ClassChoice(FIXED[0], (FIXED[1], EXPECTED[2]), None)
    assert of_found.areas[:, 0, 1].tolist() == [[2, 2, 2]] * 3
    assert of_found.areas[:, 0, 2].tolist() == [[1, 2, 2], [0, 6, 2], [1, 1, 4]]


def test_three_kinds_are_compared_one_after_the_other():
    # Honest Dice: first 0.5 and 0.5, second 0.75 and 0.5, third 1 and 0.5; folds 0 and 0, fold 1 the same.
    kinds = [[FIXED_CHOICE], [ClassChoice(GATED[0], tuple(GATED[1:]), None)], [EXPECTED_CHOICE]]
    of_each = [[(1, 2, 2), (1, 2, 2)], [(3, 4, 4), (1, 2, 2)], [(2, 2, 2), (1, 2, 2)]]
    images = [evaluated(rows * 2, [0, 0, 1, 1]) for rows in of_each]
    # Of each fold's two gains, 0.25 and 0, or 0.5 and 0, the mean is as large as its standard error, so not above it.
    for errors, taken in (([0.0, 0.0], 2), ([0.0, 1.0], 1), ([1.0, 1.0], 0)):
        [found], of_found = choose_kinds("dice", kinds, images, errors)
        assert found.without_fold == kinds[taken][0].without_fold
        assert of_found.areas[:, 0, 2].tolist() == [list(row) for row in of_each[taken] * 2]
    [found], of_found = choose_kinds("dice", kinds[:1], images[:1], [])
    assert found == FIXED_CHOICE and of_found is images[0]


def test_a_class_of_faint_objects_is_cut_and_one_of_clear_ones_is_not(tmp_path):
    # Class 0 is at level 60, below every fixed threshold; class 1 is at 200, where both kinds find it.
    rng = np.random.default_rng(0)
    truths, files = {}, [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for fold, path in enumerate(files):
        with OofWriter(path, 2) as writer:
            for number in range(4):
                truth = (rng.random((2, 9, 11)) < 0.3).astype(np.uint8)
                truths[f"{fold}-{number}"] = truth
                writer.write(f"{fold}-{number}", fold, truth * np.array([60, 200], np.uint8)[:, None, None])
    rows = [(name, "", 9, 11) for name in truths]
    train = pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])
    competition = Competition(("a", "b"), train, train[:0], truths.__getitem__)
    kinds = [[FIXED_CHOICE] * 2, [EXPECTED_CHOICE] * 2]
    found, images = choose_kinds("dice", kinds, evaluate_rules(files, competition, kinds), [1.0])
    assert found == [EXPECTED_CHOICE, FIXED_CHOICE]
    # What the chosen rules leave is what evaluating them alone gives.
    [alone] = evaluate_rules(files, competition, [found])
    assert np.array_equal(images.areas, alone.areas) and images.image_ids == alone.image_ids
