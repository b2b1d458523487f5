"""Gates and the study: exact gates equal brute force, and an interrupted study ends as an undisturbed one."""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from maskfold.artefacts.provenance import Provenance
from maskfold.config import TuningConfig
from maskfold.pixels.metrics import class_score, mask_areas
from maskfold.rules.applying import apply_rule
from maskfold.tuning.choice import best_candidate
from maskfold.tuning.gates import SoftGateScores, soft_gate
from maskfold.tuning.search import ClassSearch
from maskfold.tuning.study import memory_study, open_study, sqlite_url
from maskfold.tuning.tables.table_filling import fold_tables
from support.oof_images import GRID, images


@pytest.fixture(scope="module")
def folds():
    return [images(seed, count=10, class_prob=True) for seed in (21, 22, 23)]


@pytest.fixture(scope="module")
def search(folds):
    tables = [fold_tables(labelled, "dice", GRID, 8, 2, 1) for labelled in folds]
    return ClassSearch(tables, 0, TuningConfig())


def score(labelled, rule):
    areas = [
        mask_areas(apply_rule(image.oof.prob[0], rule, float(image.oof.class_prob[0])), image.truth[0])
        for image in labelled
    ]
    return class_score("dice", *np.array(areas).T)


def test_every_candidate_scores_what_its_rule_scores(folds, search):
    for fold_set, candidates in zip(search.fold_sets, search.exact(), strict=True):
        labelled = [image for fold in fold_set for image in folds[fold]]
        assert [candidate.rule.rule for candidate in candidates] == [
            "component",
            "mask",
            "triplet",
            "component",
            "mask",
        ]
        for candidate in candidates:
            assert candidate.score == score(labelled, candidate.rule)
            assert candidate.best >= candidate.score


def test_soft_gates_score_what_their_rules_score(folds, search):
    scores = SoftGateScores(search.tables, search.grid, [0, 2])
    rng = np.random.default_rng(0)
    for kind in ("component", "mask"):
        for _ in range(10):
            threshold, column = int(rng.integers(1, 256)), int(rng.integers(len(GRID)))
            share = float(rng.integers(21)) / 20
            gate, _ = soft_gate(search.grid, column, share)
            rule = search.rule(kind, threshold, column).model_copy(update={"gate": gate})
            assert scores.score(kind, threshold, column, share) == score(folds[0] + folds[2], rule)
    assert soft_gate(search.grid, 10, 1.0)[0].area_px == (int(GRID[10]),) * 33


def test_a_study_never_ends_worse_than_the_exact_optima(search):
    exact = search.exact()[0]
    chosen = best_candidate(memory_study(), search, [0, 1, 2], exact, 15, seed=0)
    assert chosen.best >= max(candidate.score for candidate in exact)


def sampled(study):
    return [(trial.params, trial.value) for trial in study.trials if trial.state.name == "COMPLETE"]


def test_an_interrupted_study_ends_as_an_undisturbed_one(tmp_path, search):
    made = Provenance("study", {"seed": 3})
    exact = search.exact()[0]
    whole = open_study(tmp_path / "whole.sqlite3", "class 1", made)
    expected = best_candidate(whole, search, [0, 1, 2], exact, 16, seed=3)
    path = tmp_path / "cut.sqlite3"
    best_candidate(open_study(path, "class 1", made), search, [0, 1, 2], exact, 12, seed=3)
    open_study(path, "class 1", made).ask()  # a trial that a killed run never finished
    found = best_candidate(open_study(path, "class 1", made), search, [0, 1, 2], exact, 16, seed=3)
    assert found == expected
    opened = optuna.load_study(study_name="class 1", storage=sqlite_url(path))
    assert sampled(opened) == sampled(whole)
    assert len(open_study(path, "class 1", Provenance("study", {"seed": 4})).trials) == 0


@pytest.mark.parametrize("folder", ["My%20Project", "what?now", "a#b", "x&y=1;z", "sp ace", "Zürich"])
def test_a_study_lies_at_its_path_whatever_the_characters_in_it(tmp_path, folder):
    path = tmp_path / folder / "study.sqlite3"
    open_study(path, "class 1", Provenance("study", {})).set_user_attr("seen", 1)
    assert [entry.name for entry in tmp_path.iterdir()] == [folder]
    assert [entry.name for entry in path.parent.iterdir()] == ["study.sqlite3"]
    assert open_study(path, "class 1", Provenance("study", {})).user_attrs["seen"] == 1
