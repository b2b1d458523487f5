"""maskfold: from a folder of labelled images to a tuned, checked mask submission.

The packages in pipeline order; docs/design.md shows which may import which:

    stages      one file a script: what is up to date, what is recomputed, where it is written
    config      what an experiment is
    execution   how work runs: threads, compiled loops, memory, progress, the console
    artefacts   where files are, what they were made from, whether they are up to date
    pixels      arithmetic on arrays: run lengths, metrics, geometry
    rules       from probabilities to masks: the contract between the tuner and the submission
    drawing     how pictures, charts and pages are drawn
    data        from files to a Competition
    folds       how training images are split, and which model sees which image
    mask_metrics  metrics that do not follow from areas
    network     from a config to a network, and back from trained weights
    inference   the only way from an image to probabilities
    training    the training of one fold
    oof         the store of out-of-fold (OOF) probabilities
    tuning      the exact search for the rule of each class, and what it is worth
    blending    several experiments combined
    submission  from predictions to a checked submission
    report      the pages of a run
    audit       what may be wrong with data and labels
    media       photos and videos
    tracking    experiment trackers, which the work does not depend on
    speed       how fast each runtime predicts
    export      ONNX files, and what a bundle contains
    hub         models shared as a folder or a repository
    on_kaggle   data, submissions and scores of Kaggle
"""

from importlib import import_module
from typing import Any

from maskfold.commands import SCRIPTS
from maskfold.execution.script import begin_script, is_script

__version__ = "0.1.0"
__all__ = ["Run", "__version__"]

if is_script(SCRIPTS):
    begin_script()  # here, because this is what a script imports first


def __getattr__(name: str) -> Any:
    """`maskfold.Run`, imported when it is first asked for: every script imports this package, and few need it."""
    if name != "Run":
        raise AttributeError(f"module 'maskfold' has no attribute {name!r}")
    return import_module("maskfold.stages.run").Run
