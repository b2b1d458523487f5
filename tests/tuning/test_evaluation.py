"""What chosen rules are worth, by hand: two folds of unequal size, two classes, three rules."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from maskfold.config import TuningConfig
from maskfold.data.competition import Competition
from maskfold.data.groups import image_groups
from maskfold.oof.store import OofWriter
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import (
    DEFAULT_RULE,
    EMPTY_RULE,
    ComponentRule,
    MaskRule,
)
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.evaluation import (
    EvaluatedImages,
    evaluate_rules,
    image_table,
    tuned_class,
)

FOLDS = np.array([0, 0, 0, 1])
TUNED = ComponentRule(threshold=40, min_area_px=3)
CHOICE = ClassChoice(TUNED, (MaskRule(threshold=41, min_area_px=0), MaskRule(threshold=42, min_area_px=0)), None)
# (intersection, predicted, true) of four images under the default, the tuned and the honest rule.
AREAS = np.array(
    [
        [(2, 4, 4), (4, 4, 4), (3, 4, 4)],  # Dice 0.5, 1, 0.75
        [(0, 6, 0), (0, 0, 0), (0, 0, 0)],  # 0, 1, 1
        [(0, 0, 12), (6, 12, 12), (3, 12, 12)],  # 0, 0.5, 0.25
        [(0, 0, 0), (0, 2, 0), (0, 2, 0)],  # 1, 0, 0
    ]
)


TUNING = TuningConfig(bootstrap_samples=100)


def evaluated(areas, folds=FOLDS):
    names = [f"i{number}" for number in range(len(areas))]
    return EvaluatedImages(names, folds, np.array(names), np.stack([0 * areas, areas], axis=1))


def test_every_figure_of_a_tuned_class():
    entry = tuned_class(TUNING, 0, "b", 1, CHOICE, evaluated(AREAS))
    assert entry.scores.model_dump() == {"all_empty": 0.5, "default": 0.375, "tuned": 0.625, "honest": 0.5}
    assert entry.non_empty_dice.model_dump() == {"default": 0.25, "tuned": 0.75}  # of images 0 and 2
    assert entry.predicted_share.model_dump() == {"default": 0.5, "tuned": 0.75}
    assert entry.true_share == 0.5
    assert entry.gain_interval.low <= 0.125 <= entry.gain_interval.high
    # Honest 0.5 is above the default 0.375, and empty is no better: the tuned rule.
    assert entry.adopted and entry.rule == entry.tuned_rule == TUNED
    assert entry.reason == "honest gain +0.1250"


def test_the_honest_choice_is_made_on_the_other_folds():
    entry = tuned_class(TUNING, 0, "b", 1, CHOICE, evaluated(AREAS))
    # Fold 0 sees fold 1 alone, which does not show the class: the default there, 0.5, 0 and 0. Fold 1 sees fold 0:
    # 0.1667 for the default, 0.6667 for the tuned rule: the tuned one, 0.
    assert entry.honest_used == pytest.approx((0.5 + 0 + 0 + 0) / 4)


@pytest.mark.parametrize(
    ("metric", "scores"),
    [
        # Intersections over unions: 2/6, 0, 0, 1; 1, 1, 6/18, 0; 3/5, 1, 3/21, 0
        ("iou", ((1 / 3 + 1) / 4, (2 + 1 / 3) / 4, (3 / 5 + 1 + 1 / 7) / 4, 0.5)),
        ("pooled_dice", (2 * 2 / (10 + 16), 2 * 10 / (18 + 16), 2 * 6 / (18 + 16), 0.0)),
        ("miou", (2 / (10 + 16 - 2), 10 / (18 + 16 - 10), 6 / (18 + 16 - 6), 0.0)),
    ],
)
def test_other_metrics(metric, scores):
    entry = tuned_class(TUNING.model_copy(update={"metric": metric}), 0, "b", 1, CHOICE, evaluated(AREAS))
    found = entry.scores
    assert (found.default, found.tuned, found.honest, found.all_empty) == pytest.approx(scores, abs=1e-11)


def test_a_class_that_is_never_shown_has_no_dice_of_its_own():
    entry = tuned_class(TUNING, 0, "a", 0, CHOICE, evaluated(AREAS))
    assert entry.non_empty_dice.model_dump() == {"default": None, "tuned": None}
    assert (entry.true_share, entry.rule, entry.adopted) == (0, DEFAULT_RULE, False)


def test_a_class_better_left_empty_is():
    wrong = np.array([[(0, 5, 0)] * 3] * 9 + [[(2, 4, 4)] * 3])
    entry = tuned_class(TUNING, 0, "b", 1, CHOICE, evaluated(wrong, np.arange(10) % 2))
    assert entry.rule == EMPTY_RULE and not entry.adopted
    assert (entry.scores.all_empty, entry.scores.honest) == (0.9, 0.05)


def test_one_row_an_image_and_class():
    images = evaluated(AREAS)
    classes = [tuned_class(TUNING, 0, name, index, CHOICE, images) for index, name in enumerate(("a", "b"))]
    table = image_table("dice", classes, images)
    assert table["class_name"].tolist() == ["a"] * 4 + ["b"] * 4
    rows = table[table["class_name"] == "b"]
    assert rows["image_id"].tolist() == ["i0", "i1", "i2", "i3"]
    assert rows["fold"].tolist() == [0, 0, 0, 1]
    assert rows["true_area"].tolist() == [4, 0, 12, 0]
    assert rows["default_area"].tolist() == [4, 6, 0, 0]
    assert rows["default_score"].tolist() == [0.5, 0, 0, 1]
    assert rows["adopted_area"].tolist() == [4, 0, 12, 2]
    assert rows["adopted_score"].tolist() == [1, 1, 0.5, 0]
    assert rows["honest_score"].tolist() == [0.5, 0, 0, 0]  # fold 0 under the default, fold 1 under the rule


def test_each_image_is_scored_under_the_rule_chosen_without_its_fold(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    sizes = {"p": (6, 9), "q": (9, 4), "r": (5, 5)}
    fold_of = {"p": 0, "q": 1, "r": 1}
    truth = {name: rng.integers(0, 2, (1, *size)).astype(np.uint8) for name, size in sizes.items()}
    prob = {name: rng.integers(0, 256, (1, *size)).astype(np.uint8) for name, size in sizes.items()}
    rows = [(name, f"{name}.png", *size, f"g{size[1] % 2}") for name, size in sizes.items()]
    train = pd.DataFrame(rows, columns=["image_id", "path", "height", "width", "group"])
    competition = Competition(("a",), train, train[:0], truth.__getitem__)
    oof_files = [tmp_path / "fold0.parquet", tmp_path / "fold1.parquet"]
    for fold, path in enumerate(oof_files):
        with OofWriter(path, 1) as writer:
            for name in ("r", "q", "p"):
                if fold_of[name] == fold:
                    writer.write(name, fold, prob[name])
    rules = (ComponentRule(threshold=90, min_area_px=2), MaskRule(threshold=160, min_area_px=3))
    choice = ClassChoice(ComponentRule(threshold=60, min_area_px=0), rules, None)
    monkeypatch.setattr("maskfold.execution.progress.SILENCE_SECONDS", 0.0)
    [found] = evaluate_rules(oof_files, competition, [[choice]], "part")
    assert "chosen rules, part 1: 1 of 2" in capsys.readouterr().out
    assert (found.image_ids, found.folds.tolist()) == (["p", "r", "q"], [0, 1, 1])
    assert found.groups.tolist() == ["g1", "g1", "g0"]
    for name, fold, areas in zip(found.image_ids, found.folds, found.areas, strict=True):
        expected = [
            mask_areas(apply_rule(prob[name][0], rule), truth[name][0])
            for rule in (DEFAULT_RULE, choice.rule, rules[fold])
        ]
        assert areas[0].tolist() == [list(row) for row in expected]
    assert class_score("dice", *found.areas[:, 0, 0].T) < 1
    del train["group"]
    assert image_groups(competition, ["r", "p"]).tolist() == ["r", "p"]
    assert math.isfinite(tuned_class(TUNING, 0, "a", 0, choice, found).gain_interval.low)
