"""Provenance: what makes an artefact stale, and files that are whole or absent."""

import dataclasses

import pytest

from maskfold.artefacts.files import file_hash, whole_file
from maskfold.artefacts.provenance import Provenance

MADE = Provenance("train", {"epochs": 3, "loss": {"dice": 1.0}}, {"labels": "a1"}, "c0de")


@pytest.fixture
def artefact(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    MADE.write(path)
    return path


def test_an_artefact_made_from_the_same_is_fresh(artefact):
    assert MADE.staleness(artefact) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"settings": {"epochs": 5, "loss": {"dice": 1.0}}}, "epochs: 3 -> 5"),
        ({"settings": {"epochs": 3, "loss": {"dice": 0.5}}}, "loss.dice: 1.0 -> 0.5"),
        ({"inputs": {"labels": "b2"}}, "labels changed"),
        ({"inputs": {"labels": "a1", "folds": "f0"}}, "folds changed"),
        ({"code": "0ther"}, "the code of train changed"),
    ],
)
def test_each_change_is_named(artefact, change, reason):
    assert dataclasses.replace(MADE, **change).staleness(artefact) == [reason]


def test_code_changes_can_be_accepted(artefact):
    assert dataclasses.replace(MADE, code="0ther").staleness(artefact, accept_code_changes=True) == []


def test_a_missing_artefact_or_record_is_stale(artefact):
    artefact.with_name("model.pt.made.json").write_text("{")
    assert MADE.staleness(artefact) == ["model.pt has no readable record of what it was made from"]
    assert MADE.staleness(artefact.with_name("other.pt")) == ["other.pt does not exist yet"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("the disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_hash_is_sha256(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
