"""The printed scores: each figure is that of the rule in use, or of the one that its table names."""

import pytest

from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, ComponentRule
from maskfold.rules.tuned import Pair, RuleScores, TunedArtefact, TunedClass
from maskfold.tuning.printing import print_scores

TUNED = ComponentRule(threshold=100, min_area_px=7)


def entry(name, rule, adopted, honest_used):
    return TunedClass(
        class_name=name,
        rule=rule,
        tuned_rule=TUNED,
        adopted=adopted,
        reason="why",
        honest_used=honest_used,
        scores=RuleScores(all_empty=0.51, default=0.62, tuned=0.83, honest=0.74),
        non_empty_dice=Pair(default=0.611, tuned=0.822),
        predicted_share=Pair(default=0.533, tuned=0.444),
        true_share=0.455,
    )


def artefact(*classes):
    scores = RuleScores(all_empty=0.51, default=0.62, tuned=0.777, honest=0.666)
    return TunedArtefact(
        name="x", metric="dice", classes=classes, scores=scores, tta=(), ensemble_weights={}, checkpoints={}, oof={}
    )


def cells(text, first):
    """The values of the lines that begin with this one, in order."""
    rows = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in text.splitlines()]
    return [row[1:] for row in rows if row[0] == first]


@pytest.fixture
def wide(monkeypatch):
    """Lines long enough that no table is turned."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("wide")
def test_figures_are_those_of_the_rule_in_use(capsys):
    rules = (("a", TUNED, True, 0.74), ("b", DEFAULT_RULE, False, 0.61), ("c", EMPTY_RULE, False, 0.50))
    print_scores(artefact(*(entry(*each) for each in rules)))
    text = capsys.readouterr().out
    in_use = {name: cells(text, name)[0] for name in "abc"}
    assert in_use["a"] == ["tuned", "0.5100", "0.6200", "0.8300", "0.7400", "0.822", "0.444 / 0.455"]
    assert in_use["b"] == ["default", "0.5100", "0.6200", "0.6200", "0.6100", "0.611", "0.533 / 0.455"]
    assert in_use["c"] == ["empty", "0.5100", "0.6200", "0.5100", "0.5000", "0.000", "0.000 / 0.455"]
    assert cells(text, "mean") == [["", "0.5100", "0.6200", "0.7770", "0.6660", "", ""]]
    assert all(cells(text, name)[1][1:4] == ["0.8300", "0.7400", "+0.1200"] for name in "abc")  # of the tuned rule


def test_twelve_classes_lose_no_value_in_eighty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"a class with quite a long name, number {number}" for number in range(12)]
    print_scores(artefact(*(entry(name, TUNED, True, 0.74) for name in names)))
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert text.count("0.444 / 0.455") == text.count("0.822") == 12
