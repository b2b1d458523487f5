"""The label audit as a stage: its files, what data.exclude makes of them, freshness, and what it refuses."""

import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.artefacts.paths import RunPaths
from maskfold.audit.labels.rules_in_use import rules_in_use
from maskfold.config import (
    Experiment,
    FoldsConfig,
    RleCsvData,
    TuningConfig,
)
from maskfold.errors import ConfigError, DataError, StaleError
from maskfold.folds.visibility import excluded_ids
from maskfold.network.trained import model_names
from maskfold.oof.origin import oof_hashes
from maskfold.oof.store import OofWriter
from maskfold.rules.rules import DEFAULT_RULE, EMPTY_RULE
from maskfold.stages.audit_labels import audit_labels
from maskfold.stages.tune_thresholds import tune

HOSTILE = "<img src=x onerror=alert(1)>, NA.png"


class FaultyMasks:
    """The labels of the tiny competition; one is empty by mistake."""

    def __init__(self, masks, ids, empty):
        self.masks, self.ids, self.empty = masks, ids, empty

    def __call__(self, image_id):
        return self.masks(self.ids[image_id]) * np.uint8(image_id != self.empty)


@pytest.fixture
def run(tmp_path, tiny_competition):
    """The OOF of the tiny competition, which knows the truth but for soft edges; HOSTILE's label is empty."""
    train = tiny_competition.train.copy()
    names = train["image_id"].tolist()
    train.loc[0, "image_id"] = HOSTILE
    ids = dict(zip(train["image_id"], names, strict=True))
    competition = dataclasses.replace(
        tiny_competition, train=train, masks=FaultyMasks(tiny_competition.masks, ids, HOSTILE)
    )
    config = Experiment(
        name="x",
        output_root=str(tmp_path),
        data=RleCsvData(root="x", class_names=("bright", "dark")),
        folds=FoldsConfig(count=2),
        tuning=TuningConfig(trials=2, bootstrap_samples=100),
    )
    for fold, name in enumerate(model_names(config)):
        with OofWriter(RunPaths.of(config).oof_parquet(fold), 2, {"checkpoint": name, "tta": "hflip"}) as writer:
            for image_id in train["image_id"][fold::2]:
                seen = tiny_competition.masks(ids[image_id])
                writer.write(image_id, fold, np.stack([cv2.GaussianBlur(m * np.uint8(255), (3, 3), 0) for m in seen]))
    return config, competition


def read(path):
    return pd.read_csv(path, keep_default_na=False, dtype={"image_id": str})


def test_the_empty_label_leads_the_list_and_the_page(run):
    config, competition = run
    audit_labels(config, competition)
    folder = RunPaths.of(config).label_audit
    table = read(folder / "labels.csv")
    assert len(table) == 24
    assert (table.loc[0, ["image_id", "class_name", "pile"]] == [HOSTILE, "bright", "exclude"]).all()
    assert table.loc[0, "reason"] == "empty by mistake"
    assert (table["pile"][1:] == "fine").all()
    assert table["score"].is_monotonic_decreasing
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert [path.name for path in (folder / "images").iterdir()] == ["00000.jpg"]


def test_data_exclude_takes_the_files(run, tmp_path):
    config, competition = run
    audit_labels(config, competition)
    for name in ("exclude", "suspects"):
        file = (RunPaths.of(config).label_audit / f"{name}.csv").rename(tmp_path / f"{name}.csv")
        without = config.model_copy(update={"data": config.data.model_copy(update={"exclude": str(file)})})
        assert excluded_ids(without, competition) == {HOSTILE}


def test_a_file_that_would_be_replaced_is_refused(run):
    config, competition = run
    audit_labels(config, competition)
    file = RunPaths.of(config).label_audit / "exclude.csv"
    before = file.read_bytes()
    without = config.model_copy(update={"data": config.data.model_copy(update={"exclude": str(file)})})
    with pytest.raises(ConfigError, match=r"copy the file elsewhere .*=folds/x\.exclude\.csv"):
        audit_labels(without, competition)
    assert file.read_bytes() == before


def made_files(folder):
    """Name -> contents, without the records, which hold times."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".made.json")]
    return {path.name: path.read_bytes() for path in files}


def test_a_fresh_audit_is_skipped_and_a_stale_one_repeats_to_the_byte(run, capsys):
    config, competition = run
    audit_labels(config, competition)
    folder = RunPaths.of(config).label_audit
    before = made_files(folder)
    audit_labels(config, competition)
    assert "is up to date, skipped" in capsys.readouterr().out
    (folder / "index.html.made.json").unlink()
    audit_labels(config, competition)
    assert made_files(folder) == before


def test_tuned_rules_are_used_once_they_are_there(run, capsys):
    config, competition = run
    audit_labels(config, competition)
    assert "nothing is tuned yet" in capsys.readouterr().out
    tune(config, competition)
    audit_labels(config, competition)
    printed = capsys.readouterr().out
    assert "rules" in printed
    assert "postprocess.json" in printed
    with OofWriter(RunPaths.of(config).oof_parquet(0), 2) as writer:
        for _, row in competition.train[::2].iterrows():
            writer.write(row["image_id"], 0, np.zeros((2, row["height"], row["width"]), np.uint8))
    audit_labels(config, competition)
    assert "was tuned on another OOF" in capsys.readouterr().out


def test_a_class_that_is_answered_empty_is_audited_all_the_same(run):
    config, competition = run
    path, oof = RunPaths.of(config).postprocess_json, oof_hashes(config)
    tuned = tune(config, competition)
    assert rules_in_use(path, competition.class_names, oof)[0] == [entry.rule for entry in tuned.classes]
    first = tuned.classes[0].model_copy(update={"rule": EMPTY_RULE, "adopted": False})
    tuned.model_copy(update={"classes": (first, *tuned.classes[1:])}).write(path)
    assert rules_in_use(path, competition.class_names, oof)[0] == [DEFAULT_RULE, tuned.classes[1].rule]


def test_no_oof_names_the_command(run):
    config, competition = run
    RunPaths.of(config).oof_parquet(1).unlink()
    with pytest.raises(
        StaleError, match=r"folds \[1\] is not there yet; run `python src/predict_oof.py --config configs/x.yaml`"
    ):
        audit_labels(config, competition)
    assert not RunPaths.of(config).label_audit.exists()


def test_an_oof_of_other_images_is_refused(run):
    config, competition = run
    fewer = dataclasses.replace(competition, train=competition.train[1:])
    with pytest.raises(DataError, match="not a training image"):
        audit_labels(config, fewer)
