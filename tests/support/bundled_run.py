"""A run on the generated demo with random networks and rules, ready to be predicted with or exported."""

from __future__ import annotations

from pathlib import Path

from maskfold.artefacts.paths import RunPaths
from maskfold.rules.rules import ComponentRule
from maskfold.stages.make_demo_data import make_demo_data
from support.finished_run import tiny_config
from support.random_run import write_rules, write_weights

NAMES = ("1", "2", "3", "4")


RULES = [ComponentRule(threshold=126, min_area_px=9)] * len(NAMES)


def write_run(folder):
    """A demo competition, and two random networks with rules as if they had been trained and tuned on it."""
    demo = {"train_images": 8, "test_images": 12, "width": 128}
    config = tiny_config(folder, demo=demo, inference={"shard_images": 5, "batch_size": 4})
    make_demo_data(config)
    paths = RunPaths.of(config)
    write_weights(config)
    paths.folds_csv.parent.mkdir()
    paths.folds_csv.write_text("image_id,fold\nabc.jpg,0\n")
    write_rules(config, RULES)
    return config


def inputs_of(config):
    data = Path(config.data.root)
    return data / "test_images", data / "sample_submission.csv"
