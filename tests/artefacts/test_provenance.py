"""Provenance: what makes an artefact stale, and files that are whole or absent."""

import dataclasses
import json
import os
import shutil

import pytest

from maskfold.artefacts.files import file_hash, whole_file
from maskfold.artefacts.provenance import Provenance, contents_hash, damage, forget, recheck_contents, record_path
from maskfold.errors import StaleError

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


def same_time(path, data):
    """Replace the contents of a file of the same size; its times stay, as when a disk fails."""
    times = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_truncated_or_changed_artefact_is_stale_and_refused(artefact):
    artefact.write_bytes(b"weig")
    reason = "model.pt has 4 bytes, 7 were written: damaged or replaced"
    assert MADE.staleness(artefact) == damage(artefact) == [reason]
    with pytest.raises(StaleError, match=r"model\.pt has 4 bytes.*run `python src/train\.py`"):
        contents_hash(artefact, "python src/train.py")
    artefact.write_bytes(b"weightS")
    assert MADE.staleness(artefact) == ["the contents of model.pt are not those written: damaged or replaced"]


def test_the_contents_are_read_only_where_a_time_changed_or_a_recheck_asks(artefact):
    same_time(artefact, b"weightS")
    assert MADE.staleness(artefact) == []
    assert recheck_contents([artefact.parent]) == 1
    assert MADE.staleness(artefact) == ["the contents of model.pt are not those written: damaged or replaced"]


def test_a_new_time_alone_is_no_damage_and_is_looked_at_once(artefact):
    before = record_path(artefact).read_text()
    os.utime(artefact, (1, 1))
    assert MADE.staleness(artefact) == []
    after = record_path(artefact).read_text()
    assert after != before and MADE.staleness(artefact) == [] and record_path(artefact).read_text() == after


def test_a_record_of_an_earlier_version_stays_good(artefact):
    record = json.loads(record_path(artefact).read_text())
    old = {name: record[name] for name in ("stage", "maskfold", "settings", "inputs", "code")}
    record_path(artefact).write_text(json.dumps(old))
    assert dataclasses.replace(MADE, part="fold0", run="demo").staleness(artefact) == []
    assert contents_hash(artefact, "") == file_hash(artefact)


def test_a_changed_character_of_a_record_is_noticed_and_does_not_speak_against_the_artefact(artefact):
    text = record_path(artefact).read_text()
    noticed = 0
    places = [place for place in range(0, len(text), 7) if not text[place].isspace()]
    for place in places:
        record_path(artefact).write_text(text[:place] + ("7" if text[place] != "7" else "x") + text[place + 1 :])
        noticed += bool(MADE.staleness(artefact))
        assert contents_hash(artefact, "") == file_hash(artefact)
    assert noticed == len(places)


def test_an_artefact_of_another_fold_is_stale_and_refused_with_its_record(tmp_path):
    folders = [tmp_path / f"fold{fold}" for fold in (0, 1)]
    parts = [dataclasses.replace(MADE, part=folder.name, run="demo") for folder in folders]
    for folder, part in zip(folders, parts, strict=True):
        folder.mkdir()
        (folder / "model.pt").write_bytes(folder.name.encode())
        part.write(folder / "model.pt")
    shutil.copytree(folders[1], folders[0], dirs_exist_ok=True)
    assert parts[0].staleness(folders[0] / "model.pt") == ["model.pt is that of fold1, not of fold0: exchanged"]
    with pytest.raises(StaleError, match="exchanged"):
        contents_hash(folders[0] / "model.pt", "", "fold0")
    assert dataclasses.replace(parts[1], run="copy of demo").staleness(folders[1] / "model.pt") == []


def test_files_written_with_an_artefact_make_it_stale(artefact):
    table = artefact.with_name("scores.csv")
    table.write_text("a")
    MADE.write(artefact, [table])
    assert MADE.staleness(artefact) == []
    table.unlink()
    assert MADE.staleness(artefact) == ["scores.csv does not exist"]
    forget(artefact)
    assert MADE.staleness(artefact) == ["model.pt has no readable record of what it was made from"]


def test_a_folder_is_one_artefact(tmp_path):
    folder = tmp_path / "masks"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.png").write_bytes(b"mask")
    MADE.write(folder)
    assert MADE.staleness(folder) == []
    (folder / "a" / "1.png").write_bytes(b"mass")
    assert MADE.staleness(folder) == ["the contents of masks are not those written: damaged or replaced"]
