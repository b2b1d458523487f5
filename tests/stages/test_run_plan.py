"""A plan by the clock: an early submission, then the planned one, in the time that is left."""

import time

import pandas as pd

from maskfold.artefacts.paths import RunPaths
from maskfold.config import Experiment, FoldsConfig
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.run_plan import Deadline, run_plan
from support.trainings import config_of


def runs(folder, **train):
    """A demo competition with its planned run and the first one."""
    demo = {"train_images": 24, "test_images": 4, "width": 128}
    data = {"format": "rle_csv", "root": str(folder / "data"), "class_names": ("1", "2", "3", "4")}
    settings = {"epochs": 10_000, "validate_every": None, "select": "last", **train}
    base = config_of(folder, name="planned", **settings).model_dump() | {"demo": demo, "data": data}
    base["folds"] = FoldsConfig(kind="hold_out", share=0.4, count=2).model_dump()
    config = Experiment.model_validate(base)
    make_demo_data(config)
    minutes = config.train.model_copy(update={"minutes": 0.02})
    return config.model_copy(update={"name": "early", "train": minutes}), config


def trained_minutes(config):
    return pd.read_csv(RunPaths.of(config).history_csv(0))["seconds"].sum() / 60


def test_the_planned_run_gets_the_time_that_the_first_one_leaves(tmp_path, capsys):
    first, config = runs(tmp_path, minutes=0.05)
    run_plan(first, config, Deadline(time.monotonic(), 40))
    printed = capsys.readouterr().out
    for run in (first, config):
        paths = RunPaths.of(run)
        assert paths.submission("image_class").is_file() and (paths.report / "index.html").is_file()
    assert printed.index("first submission: ") < printed.index("training model of planned for")
    assert trained_minutes(first) < 0.15 < trained_minutes(config) < 0.7  # not the 0.05 that the config says
    run_plan(first, config, Deadline(time.monotonic(), 40))
    again = capsys.readouterr().out
    assert "computed" not in again and again.count("is up to date, skipped") >= 8


def test_without_time_for_the_planned_run_the_first_submission_stands(tmp_path, capsys):
    first, config = runs(tmp_path, minutes=1)
    run_plan(first, config, Deadline(time.monotonic() - 600, 605))
    assert "no time is left for planned; give more --minutes" in capsys.readouterr().out
    assert RunPaths.of(first).submission("image_class").is_file()
    assert not RunPaths.of(config).model(0).exists()


def test_a_plan_that_is_run_alone_keeps_its_own_minutes(tmp_path, capsys):
    _, config = runs(tmp_path, minutes=0.03)
    run_plan(None, config, Deadline(time.monotonic(), 3600))
    assert trained_minutes(config) < 0.5
    assert "first" not in capsys.readouterr().out
