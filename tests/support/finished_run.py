"""A run that has gone through every stage on the generated demo: trained, tuned, submitted and reported, all tiny."""

from __future__ import annotations

from maskfold.config import Experiment
from maskfold.data.opening import open_competition
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_folds import make_folds
from maskfold.stages.make_report import make_report
from maskfold.stages.make_submission import make_submission
from maskfold.stages.predict_oof import predict_oof
from maskfold.stages.train import train_models
from maskfold.stages.tune_thresholds import tune

STAGES = {
    "make_folds": make_folds,
    "train": train_models,
    "predict_oof": predict_oof,
    "tune_thresholds": tune,
    "make_submission": make_submission,
    "make_report": make_report,
}


def tiny_config(folder, **changes):
    """The config of a tiny run below `folder`; changes: sections of it, each over its own keys."""
    sections = {
        "data": {"format": "rle_csv", "root": str(folder / "data"), "class_names": ("1", "2", "3", "4")},
        "demo": {"train_images": 12, "test_images": 8, "width": 96},
        "folds": {"count": 2},
        "model": {
            "encoder": "tu-mobilenetv3_small_050",
            "encoder_weights": None,
            "decoder_channels": (32, 24, 16, 8, 8),
            "classification_head": True,
        },
        "train": {"epochs": 2, "batch_size": 4, "workers": 0, "accelerator": "cpu"},
        "inference": {"shard_images": 4},
        "tuning": {"trials": 2, "bootstrap_samples": 100},
        "report": {"examples": 1},
    }
    merged = {name: section | changes.pop(name, {}) for name, section in sections.items()}
    return Experiment.model_validate({"name": "tiny", "output_root": str(folder)} | merged | changes)


def run_stages(config, *stages):
    """Run the named stages of a config in this process, all of them when none is named."""
    make_demo_data(config)
    competition = open_competition(config.data)
    for stage in stages or STAGES:
        STAGES[stage](config, competition)
