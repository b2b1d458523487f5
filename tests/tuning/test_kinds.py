"""Fixed or expected: what a class gets, and what each fold gets from the other folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition
from maskfold.oof.store import OofWriter
from maskfold.rules.rules import CALIBRATED_ONE, ComponentRule, ExpectedRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.kinds import choose_kinds, chosen_kind, clearly_better

FIXED = [ComponentRule(threshold=threshold, min_area_px=0) for threshold in (100, 101, 102)]
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


def test_each_fold_follows_the_other():
    gains, folds = np.array([0.1, 0.1, -0.2, -0.2]), np.array([0, 0, 1, 1])
    found = chosen_kind(FIXED_CHOICE, EXPECTED_CHOICE, gains, folds)
    # Fold 0 sees the losses of fold 1, fold 1 the gains of fold 0; together they lose.
    assert found.without_fold == (FIXED[1], EXPECTED[2]) and found.rule == FIXED[0]
    found = chosen_kind(FIXED_CHOICE, EXPECTED_CHOICE, -gains, folds)
    assert found.without_fold == (EXPECTED[1], FIXED[2]) and found.rule == FIXED[0]
    found = chosen_kind(FIXED_CHOICE, EXPECTED_CHOICE, abs(gains), folds)
    assert found.without_fold == tuple(EXPECTED[1:]) and found.rule == EXPECTED[0]


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
    found = choose_kinds(files, competition, "dice", [FIXED_CHOICE] * 2, [EXPECTED_CHOICE] * 2)
    assert found == [EXPECTED_CHOICE, FIXED_CHOICE]
