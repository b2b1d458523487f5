"""The commands of `maskfold`, the scripts behind them, and how messages and completion speak of them.

Imports only what every Python has: `maskfold --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT_VARIABLE = "MASKFOLD_ROOT"  # in the environment: the folder that the command `maskfold` works in

_HERE = Path(__file__).resolve().parent
SCRIPTS = _HERE / "scripts" if (_HERE / "scripts").is_dir() else _HERE.parent  # of the installed package, of a checkout

# Command -> the script that it is, and what it does.
COMMANDS = {
    "run": ("run", "all stages, from data to submission and report; with --minutes by the clock"),
    "plan": ("plan", "plan an experiment from a folder of data and a number of minutes"),
    "demo-data": ("make_demo_data", "draw the demo competition"),
    "folds": ("make_folds", "split the training images into folds"),
    "train": ("train", "train every fold"),
    "oof": ("predict_oof", "predict every training image out of fold"),
    "choose-views": ("choose_views", "find out how much each view of test-time augmentation should count"),
    "tune": ("tune_thresholds", "choose thresholds, minimum areas and rules"),
    "submit": ("make_submission", "predict the test images and write the submission"),
    "report": ("make_report", "make the report"),
    "audit": ("audit_data", "look through files and labels for what spoils scores"),
    "audit-labels": ("audit_labels", "rank the labels that are probably wrong"),
    "map": ("map_images", "draw a map of the training images by what the run's own encoder sees"),
    "predict": ("predict", "show what a run sees in photos and videos"),
    "export": ("export_bundle", "write a bundle that predicts without internet"),
    "push": ("push_model", "share a run as a folder or a Hugging Face repository, with a model card"),
    "kaggle": ("on_kaggle", "pull a competition's data, push submissions and bundles, fetch public scores"),
    "export-onnx": ("export_onnx", "write trained folds as an ONNX file"),
    "check": ("check_submission", "check a submission as the competition would"),
    "score": ("score_submission", "score a submission where the truth is known"),
    "compare": ("compare_runs", "compare runs, one row each"),
    "speed": ("benchmark_inference", "time a network in every runtime of this machine"),
    "watch": ("watch", "show how far a run is, while other processes work on it"),
    "run-plan": ("run_plan", "run a plan by the clock"),
}
# The scripts that lead from data to a submission and a report, in their order.
STAGES = ("make_demo_data", "make_folds", "train", "predict_oof", "tune_thresholds", "make_submission", "make_report")

_COMMAND_OF = {script: command for command, (script, _) in COMMANDS.items()}


def is_installed_command() -> bool:
    """Whether this process was started by the command `maskfold`, not by a script of a checkout."""
    return ROOT_VARIABLE in os.environ


def program_name() -> str:
    """What the usage line calls this process: `maskfold train`, or the name of the script."""
    script = Path(sys.argv[0])
    command = _COMMAND_OF.get(script.stem) if is_installed_command() else None
    return script.name if command is None else f"maskfold {command}"


def as_called(text: str) -> str:
    """A message with its commands as the reader calls them: `maskfold train` in place of `python src/train.py`."""
    if not is_installed_command():
        return text
    text = re.sub(r"(?:python )?\bsrc/(\w+)\.py", _command, text)
    return text.replace("bash run_all.sh", "maskfold run")


def _command(found: re.Match[str]) -> str:
    return f"maskfold {_COMMAND_OF[found[1]]}" if found[1] in _COMMAND_OF else found[0]


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks what may follow (argcomplete, where it is installed); else do nothing."""
    if "_ARGCOMPLETE" in os.environ and find_spec("argcomplete") is not None:
        import_module("argcomplete").autocomplete(parser)  # by name: a bundle does not need it
