"""The tuned artefact: which rule a class uses, and files that are no artefact."""

from __future__ import annotations

import json

import pytest

from maskfold.errors import StaleError
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE, ComponentRule
from maskfold.rules.tuned import Pair, RuleScores, TunedArtefact, TunedClass

TUNED = ComponentRule(threshold=40, min_area_px=3)


def entry(rule, adopted):
    return TunedClass(
        class_name="a",
        rule=rule,
        tuned_rule=TUNED,
        adopted=adopted,
        reason="",
        scores=RuleScores(all_empty=0.1, default=0.2, tuned=0.4, honest=0.3),
        non_empty_dice=Pair(default=None, tuned=None),
        predicted_share=Pair(default=0.5, tuned=0.25),
        true_share=0.5,
    )


@pytest.mark.parametrize(
    ("rule", "adopted", "used"),
    [
        (TUNED, True, "tuned"),
        (DEFAULT_RULE, False, "default"),
        (EMPTY_RULE, False, "empty"),
        (EMPTY_RULE, True, "tuned"),
    ],
)
def test_the_rule_in_use_has_a_name(rule, adopted, used):
    assert entry(rule, adopted).used == used


@pytest.fixture
def artefact():
    return TunedArtefact(
        name="x",
        metric="dice",
        classes=(entry(TUNED, True), entry(EMPTY_RULE, False)),
        scores=RuleScores(all_empty=0, default=0, tuned=0, honest=0),
        tta=("hflip",),
        ensemble_weights={"fold0": 1.0},
        checkpoints={"fold0": "abc"},
        oof={},
    )


def test_the_empty_rule_of_files_is_known_as_such(tmp_path, artefact):
    """Its numbers are part of the format: files that were written before hold them."""
    path = tmp_path / "x" / "postprocess.json"
    artefact.write(path)
    stored = json.loads(path.read_text())["classes"][1]["rule"]
    assert (stored["threshold"], stored["min_area_px"]) == (255, 1_099_511_627_776)
    assert TunedArtefact.read(path).classes[1].used == "empty"


def test_what_is_written_comes_back(tmp_path, artefact):
    path = tmp_path / "x" / "postprocess.json"
    artefact.write(path)
    assert TunedArtefact.read(path) == artefact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "format_version: "),
        ({"classes": [{}]}, r"classes\.0\.class_name: Field required"),
        ({"unknown": 1, "name": 3}, r"name: .*tune_thresholds\.py --config configs/x\.yaml"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_first_fault(tmp_path, artefact, change, message):
    path = tmp_path / "x" / "postprocess.json"
    artefact.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StaleError, match=message):
        TunedArtefact.read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_damaged_or_missing_file_is_refused(tmp_path, content):
    path = tmp_path / "x" / "postprocess.json"
    with pytest.raises(StaleError, match="no usable tuned rules"):
        TunedArtefact.read(path)
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StaleError, match="no usable tuned rules"):
        TunedArtefact.read(path)
