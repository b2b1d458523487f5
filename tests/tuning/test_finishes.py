"""Which finish a rule gets: the one that clearly helps, chosen without the fold it is then scored on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from maskfold.data.competition import Competition
from maskfold.oof.store import OofWriter
from maskfold.pixels.metrics import dice, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.rules.rules import ComponentRule
from maskfold.tuning.choice import ClassChoice
from maskfold.tuning.finishes import FINISHES, all_rules, choose_finishes

RULE = ComponentRule(threshold=100, min_area_px=0)
OTHER = ComponentRule(threshold=90, min_area_px=0)
SIZE = (12, 17)


def ring_in_a_disc():
    """A truth without a hole and a map with one: filling gains."""
    truth = np.zeros(SIZE, np.uint8)
    truth[2:9, 3:12] = 1
    prob = truth * np.uint8(200)
    prob[4:7, 6:9] = 0
    return prob, truth


def two_for_one():
    """A map with a second, smaller component that the truth does not have: keeping the largest gains."""
    truth = np.zeros(SIZE, np.uint8)
    truth[1:6, 1:6] = 1
    prob = truth * np.uint8(200)
    prob[8:11, 9:14] = 200
    return prob, truth


def right():
    truth = np.zeros(SIZE, np.uint8)
    truth[3:5, 3:6] = 1
    return truth * np.uint8(200), truth


def chosen(tmp_path, *folds, rules=None):
    """The choice of finishes on folds of images, each (prob, truth)."""
    truths, files = {}, []
    for fold, images in enumerate(folds):
        files.append(tmp_path / f"fold{fold}.parquet")
        with OofWriter(files[-1], 1) as writer:
            for number, (prob, truth) in enumerate(images):
                name = f"{fold}-{number}"
                truths[name] = truth[None]
                writer.write(name, fold, prob[None])
    rows = [(name, "", *SIZE) for name in truths]
    train = pd.DataFrame(rows, columns=["image_id", "path", "height", "width"])
    competition = Competition(("a",), train, train[:0], truths.__getitem__)
    choice = ClassChoice(RULE, rules or (RULE,) * len(folds), None)
    [found], [tried] = choose_finishes(files, competition, "dice", [choice])
    return found, tried


def finish_of(rule):
    return {key: value for key, value in (("fill_holes", rule.fill_holes), ("largest_k", rule.largest_k)) if value}


@pytest.mark.parametrize("images", [2, 3])
def test_a_finish_that_helps_every_image_is_taken(tmp_path, images):
    found, _ = chosen(tmp_path, [ring_in_a_disc()] * images, [ring_in_a_disc()] * (images + 2))
    assert finish_of(found.rule) == {"fill_holes": True}
    assert [finish_of(rule) for rule in found.without_fold] == [{"fill_holes": True}] * 2
    assert found.rule.threshold == RULE.threshold


def test_both_finishes_together_are_taken_where_both_help(tmp_path):
    prob, truth = ring_in_a_disc()
    prob = prob.copy()
    prob[10:12, 14:17] = 200
    found, _ = chosen(tmp_path, [(prob, truth)] * 2, [(prob, truth)] * 2)
    assert finish_of(found.rule) == {"fill_holes": True, "largest_k": 1}


def test_nothing_changes_where_nothing_helps(tmp_path):
    found, _ = chosen(tmp_path, [right()] * 3, [right()] * 3)
    assert finish_of(found.rule) == {} and found.without_fold == (RULE, RULE)


def test_the_finish_of_a_fold_is_chosen_on_the_others(tmp_path):
    # Fold 0 gains by filling, fold 1 by the largest component, fold 2 by nothing.
    folds = [ring_in_a_disc()] * 4, [two_for_one()] * 4, [right()] * 4
    rules = (RULE, OTHER, RULE)
    found, _ = chosen(tmp_path, *folds, rules=rules)
    # Without fold 0 the largest component helps half of the images, without fold 1 filling does.
    assert [finish_of(rule) for rule in found.without_fold[:2]] == [{"largest_k": 1}, {"fill_holes": True}]
    assert [rule.threshold for rule in found.without_fold] == [100, 90, 100]
    assert finish_of(found.without_fold[2]) == {"largest_k": 1, "fill_holes": True}
    assert finish_of(found.rule) == {"largest_k": 1, "fill_holes": True}


@pytest.mark.parametrize(("helped", "taken"), [(2, False), (3, False), (4, True), (5, True)])
def test_a_gain_must_be_two_standard_errors(tmp_path, helped, taken):
    """Filling gains the same on `helped` of 20 images and nothing on the others.

    A share p of gains g has the mean p g and the error g sqrt(p (1 - p) / 20). The mean is above two errors where
    p / (1 - p) is above 4 / 20, which is p above 1/6: from 4 of 20 images on.
    """
    images = [ring_in_a_disc()] * helped + [right()] * (20 - helped)
    found, _ = chosen(tmp_path, images[::2], images[1::2])
    assert finish_of(found.rule) == ({"fill_holes": True} if taken else {})


def test_every_finish_tried_has_its_score_on_all_images(tmp_path):
    images = [ring_in_a_disc(), two_for_one(), right()]
    _, tried = chosen(tmp_path, images[:1], images[1:], rules=(OTHER, OTHER))
    assert [finish_of(each.rule) for each in tried] == [dict(finish) for finish in FINISHES[1:]]
    for each in tried:
        assert each.rule.threshold == RULE.threshold
        areas = np.array([mask_areas(apply_rule(prob, each.rule), truth) for prob, truth in images])
        assert each.score == pytest.approx(dice(*areas.T).mean(), abs=1e-11)


def test_all_rules_are_the_chosen_ones_with_every_finish():
    rules = all_rules(ClassChoice(RULE, (OTHER, RULE), None))
    assert len(rules) == 3 * len(FINISHES)
    assert [rule.threshold for rule in rules[:: len(FINISHES)]] == [100, 90, 100]
    assert rules[0] == RULE
