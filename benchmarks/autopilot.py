"""The plan by the clock against the plain recipe: one command and no choice by hand, the same time, the same images.

`src/run_plan.py` plans, trains, tunes and submits in some minutes; its end and its first submission are timed. Then the
plain recipe trains for the whole of that time, with the planned network and size, on the images that the planned model
was trained on, and both are scored on the images which neither has seen: the plain recipe at threshold 0.5, ours with
rules tuned on other images than those they are scored on.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import pandas as pd

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import Run, run_stage
from benchmarks.opponents.plain_training import Budget, PlainRecipe
from benchmarks.plain_recipe import our_scores, plain_areas, scores_of
from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, Experiment, load_experiment
from maskfold.data.competition import Competition
from maskfold.data.opening import open_competition
from maskfold.folds.table import read_folds
from maskfold.folds.visibility import held_out

_NAME = "benchmark_plan"


class Options(Settings):
    """What to plan for."""

    minutes: ClassVar[tuple[float, float]] = (3, 21)
    quick: ClassVar[dict[str, object]] = {"budget": 3.0, "opponent": False}
    budget: float = 10.0
    """Minutes of the planned run."""
    data: str | None = None
    """Folder of a competition; without it the demo's."""
    metric: str = "dice"
    """Metric of the competition."""
    weights: str | None = None
    """Pretrained weights: a file <encoder>-imagenet.pth or a folder of them."""
    opponent: bool = True
    """Whether the plain recipe trains, too."""


def run(options: Options, bench: Bench) -> None:
    """Time the planned run, then score it against the plain recipe."""
    data = Path(options.data).resolve() if options.data else _demo(bench)
    configs = [REPOSITORY / "configs" / f"{name}.yaml" for name in (_NAME, f"{_NAME}_first")]
    try:
        config, first = _planned(options, bench, data, *configs)
    finally:
        for path in configs:
            path.unlink(missing_ok=True)
    if options.opponent:
        _against_plain(options, bench, config)
    else:
        bench.leave_out("the plain recipe (run it without --quick)")
    unseen = _unseen(first, open_competition(first.data, first.in_channels))
    say(f"the first run scored {our_scores(first, unseen, 'honest').mean:.4f}")


def _demo(bench: Bench) -> Path:
    run_stage(
        "make_demo_data", Run("configs/demo.yaml", (f"data.root={bench.folder}/demo",)), bench.folder / "demo.log"
    )
    return bench.folder / "demo"


def _planned(options: Options, bench: Bench, data: Path, *configs: Path) -> tuple[Experiment, Experiment]:
    """The planned run and the first one, made by the one command and timed."""
    command = ["--data", str(data), "--minutes", f"{options.budget:g}", "--metric", options.metric, "--name", _NAME]
    command += ["--weights", options.weights] if options.weights else []
    started = time.time()
    plan = Run("", (f"output_root={bench.folder}",))
    cost = run_stage("run_plan", plan, bench.folder / "plan.log", command)
    config, first = (load_experiment(path, []) for path in configs)
    share = cost.seconds / (60 * options.budget)
    bench.claim(f"{data.name}, {options.budget:g} minutes: end, of the time", share, "≤", 1.05)
    bench.claim(f"{data.name}, {options.budget:g} minutes: end, of the time", share, "≥", 0.9)
    submission = RunPaths.of(first).submission(first.submission.layout)
    if submission.exists():
        early = (submission.stat().st_mtime - started) / (60 * options.budget)
        bench.claim(f"{data.name}, {options.budget:g} minutes: first submission, of the time", early, "≤", 0.25)
    return config, first


def _unseen(config: Experiment, competition: Competition) -> pd.Series:
    """The ids of the images that the run's first model has not seen."""
    folds = read_folds(config, competition)
    return folds["image_id"][held_out(folds, config.folds, model=0)]


def _against_plain(options: Options, bench: Bench, config: Experiment) -> None:
    """Train the plain recipe for the whole time and score both sides."""
    competition = open_competition(config.data, config.in_channels)
    ids = _unseen(config, competition)
    unseen = competition.train["image_id"].isin(ids)
    recipe = PlainRecipe(config, competition.train[~unseen], competition.masks, len(competition.class_names))
    seen = recipe.train(Budget(seconds=60 * options.budget))
    areas = plain_areas(recipe, competition, competition.train[unseen])
    plain, ours = scores_of(areas, options.metric), our_scores(config, ids, "honest")
    say(f"{unseen.sum()} images that neither has seen: plain recipe {plain.mean:.4f}, ours {ours.mean:.4f}")
    say(f"the plain recipe was trained on {seen} images")
    bench.claim(f"ours minus the plain recipe, {options.metric}", ours.mean - plain.mean, ">", 0)
