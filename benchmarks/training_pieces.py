"""What each piece of training is worth: variants of one config, same folds, same epochs, several seeds.

Each variant changes one thing of the base. Half of the images train one network, the others score it, in three parts
for the honest score. All stages from folds to tuning run as a user runs them, into <keep>/<variant>-<seed>/; what is
fresh is skipped, so that a stopped run with --keep continues. Prints a Markdown table: means over seeds, plus or minus
half their spread, of the score at threshold 0.5, tuned and honest, of the Dice on non-empty images (at 0.5 and tuned),
and of the honest score minus that of the base with the same seed, hence the same folds. Without --config: the demo.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import ClassVar, NamedTuple

import numpy as np

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import DEMO, Run, run_stage
from maskfold.config.loss import MASK_LOSSES
from maskfold.execution.console import markdown_table

_STAGES = ("make_folds", "train", "predict_oof", "tune_thresholds")


def _loss(*terms: str) -> tuple[str, ...]:
    """Overrides that leave these terms of the loss, with weight 1, whatever the config has."""
    return tuple(f"train.loss.{name}={int(name in terms)}" for name in MASK_LOSSES)


# Variant -> what it changes in the base, which is the config itself with fewer epochs, half of the images held out,
# and one view.
_VARIANTS: dict[str, tuple[str, ...]] = {
    "base": (),
    "random encoder": ("model.encoder_weights=null",),
    "BCE": _loss("bce"),
    "BCE + Dice": _loss("bce", "dice"),
    "BCE + log-Dice": _loss("bce", "log_dice"),
    "focal": _loss("focal"),
    "Lovász": _loss("lovasz"),
    "BCE + Lovász": _loss("bce", "lovasz"),
    "geometric mean": _loss("dice_cross_entropy"),
    "no sampling": (
        "train.sampling.non_empty_share=null",
        "train.sampling.class_balance=0.0",
        "train.sampling.defect_crop_share=0.0",
    ),
    "no classification head": ("model.classification_head=false",),
    "no EMA": ("train.ema_decay=null",),
    "copy-paste": ("train.mixing.copy_paste=0.5", "train.mixing.copy_paste_objects=2"),
    "cutmix": ("train.mixing.cutmix=0.5",),
    "TTA, four views": ("inference.tta=[hflip,vflip]",),
}


class Options(Settings):
    """Which variants of which config."""

    minutes: ClassVar[tuple[float, float]] = (1.7, 70)
    quick: ClassVar[dict[str, object]] = {"epochs": 2, "seeds": (0,), "only": ("base", "focal")}
    config: str = DEMO
    """Config of the base."""
    set: tuple[str, ...] = ()
    """Overrides, KEY=VALUE."""
    epochs: int = 6
    """Epochs of every training."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds; each has its own split of the images."""
    only: tuple[str, ...] = tuple(_VARIANTS)
    """Variants to compare."""
    jobs: int = 1
    """Trainings at a time, each with its share of the cores."""
    keep: Path | None = None
    """Folder in which the runs are kept."""


class Outcome(NamedTuple):
    """Scores of one run, means over classes."""

    default: float
    tuned: float
    honest: float
    non_empty_default: float
    non_empty_tuned: float


def run_variant(variant: str, seed: int, base: Run, root: Path, cores: list[int]) -> Outcome:
    """Every stage of one variant and seed on some cores."""
    folder, folder_of_base = (root / f"{name.replace(' ', '_')}-{seed}" for name in (variant, "base"))
    trained_as_base = all(setting.startswith("inference.") for setting in _VARIANTS[variant])
    if variant != "base" and trained_as_base and not folder.exists() and folder_of_base.exists():
        # The base of a seed comes long before; while it is still at work, its models are stale and trained again.
        shutil.copytree(folder_of_base / "runs", folder / "runs", symlinks=True)
    folder.mkdir(parents=True, exist_ok=True)
    own = Run(base.config, (*base.overrides, f"output_root={folder}", f"seed={seed}", *_VARIANTS[variant]))
    for stage in _STAGES:
        run_stage(stage, own, folder / f"{stage}.log", cores=cores)
    [artefact] = folder.glob("oof/*/postprocess.json")
    tuned = json.loads(artefact.read_text(encoding="utf-8"))
    scores, non_empty = tuned["scores"], [entry["non_empty_dice"] for entry in tuned["classes"]]
    means = [
        float(np.mean([each[name] for each in non_empty if each[name] is not None])) for name in ("default", "tuned")
    ]
    return Outcome(scores["default"], scores["tuned"], scores["honest"], means[0], means[1])


def run_all(options: Options, base: Run, root: Path) -> dict[tuple[str, int], Outcome]:
    """The outcome of every variant and seed, `jobs` of them at a time."""
    shares: SimpleQueue[list[int]] = SimpleQueue()
    for part in np.array_split(sorted(os.sched_getaffinity(0)), options.jobs):
        shares.put(part.tolist())

    def one(job: tuple[str, int]) -> Outcome:
        """Train one variant with one seed."""
        cores = shares.get()
        try:
            outcome = run_variant(*job, base, root, cores)
        finally:
            shares.put(cores)
        say(f"{job[0]}, seed {job[1]}: honest {outcome.honest:.4f}")
        return outcome

    jobs = [(variant, seed) for seed in options.seeds for variant in options.only]
    with ThreadPoolExecutor(options.jobs) as pool:
        return dict(zip(jobs, pool.map(one, jobs), strict=True))


def show(values: dict[str, np.ndarray], gains: dict[str, np.ndarray]) -> None:
    """Print the table. values: variant -> (seeds, scores); gains: variant -> (seeds,) honest minus base."""
    headers = ["variant", *(name.replace("_", " ") for name in Outcome._fields), "honest minus base"]
    rows = []
    for variant, of_seeds in values.items():
        gain = gains[variant]
        cells = [f"{column.mean():.4f} ± {np.ptp(column) / 2:.4f}" for column in of_seeds.T]
        rows.append([variant, *cells, f"{gain.mean():+.4f} ± {np.ptp(gain) / 2:.4f}"])
    for line in markdown_table(headers, rows).splitlines():
        say(line)


def run(options: Options, bench: Bench) -> None:
    """Run what is missing and print the table."""
    unknown = sorted({*options.only} - {*_VARIANTS})
    if unknown or "base" not in options.only:
        raise ValueError(f"--only: expected base and others of {', '.join(_VARIANTS)}; found {', '.join(options.only)}")
    root = bench.folder if options.keep is None else options.keep.resolve()
    made = (f"data.root={bench.shared}/demo-data",) if options.config == DEMO else ()
    base = Run(
        options.config,
        (
            *(*made, *options.set, "folds.kind=hold_out", "folds.share=0.5", "folds.count=3", "inference.tta=[]"),
            *(f"train.epochs={options.epochs}", "train.then=[]", f"train.validate_every={options.epochs}"),
        ),
    )
    if options.config == DEMO:
        run_stage("make_demo_data", base, bench.folder / "make_demo_data.log")
    outcomes = run_all(options, base, root)
    values = {variant: np.array([outcomes[variant, seed] for seed in options.seeds]) for variant in options.only}
    honest = {variant: rows[:, Outcome._fields.index("honest")] for variant, rows in values.items()}
    gains = {variant: scores - honest["base"] for variant, scores in honest.items()}
    show(values, gains)
    if len(options.seeds) < 2:
        bench.leave_out("whether a variant beats the base by more than the noise: that takes two seeds")
        return
    noise = max(float(np.ptp(gain)) / 2 for gain in gains.values())
    lead = -max(float(gain.mean()) for gain in gains.values())
    bench.claim("honest score of the base minus the best variant", lead, "≥", -noise)
