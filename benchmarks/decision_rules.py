"""What each kind of rule is worth on images it was not chosen on: fixed thresholds, and a cut for each image.

Everything (calibration, threshold, limit of emptiness, minimum area, and which kind of rule) is chosen on the other
folds. Measured on simulated out-of-fold predictions of Severstal, and with --config on those of a run. Gains are over
the fixed rules (component, mask or triplet, the best of the other folds) with standard errors over images, paired. With
RankSEG installed (rankseg 0.0.8, e.g. on PYTHONPATH) its masks of the calibrated probabilities are measured too.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, logit

from benchmarks.drawn.severstal_oof import SeverstalOof
from benchmarks.drawn.steel_masks import CLASSES, HEIGHT, WIDTH
from benchmarks.measuring.benchmark import Bench, Settings, say
from maskfold.artefacts.paths import RunPaths
from maskfold.config import TuningConfig, load_config
from maskfold.data.opening import open_competition
from maskfold.execution.console import markdown_table
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.oof.with_truth import LabelledOof, iter_with_truth
from maskfold.pixels.metrics import mask_areas, scores
from maskfold.report.calibration import prob_counts
from maskfold.rules.rules import CALIBRATED_ONE, DEFAULT_RULE
from maskfold.tuning.calibration import isotonic, level_counts
from maskfold.tuning.choice import choose_rule
from maskfold.tuning.kinds import clearly_better
from maskfold.tuning.rule_areas import rule_areas
from maskfold.tuning.study import memory_study
from maskfold.tuning.tables.score_tables import FoldTables, area_grid
from maskfold.tuning.tables.table_filling import fold_tables

_FOLDS = 5
_KINDS = ("component", "auto", "expected")
_OTHER_IMAGES, _CALIBRATED_ON = 50_000, 200  # simulated images that only calibrate the others
_FIXED, _EXPECTED = 2, 3  # their columns, after the default

Images = Callable[[], Sequence[LabelledOof]]


class Options(Settings):
    """What to measure on."""

    minutes: ClassVar[tuple[float, float]] = (2, 10)
    quick: ClassVar[dict[str, object]] = {"images": 200}
    images: int = 1000
    """Simulated images."""
    labels: Path | None = None
    """Folder with Severstal's train.csv and images.csv."""
    metric: str = "dice"
    """Metric of the simulated images: dice, iou or tgs_precision."""
    calibration: str = "isotonic"
    """As tuning.calibration, of the simulated images: isotonic, temperature, none or auto."""
    log_odds: float = 0.0
    """Calibrate the simulated images, then multiply their log-odds by this: 1 is right, 2 overconfident, 0.5
    underconfident. 0: leave them as they are drawn."""
    config: Path | None = None
    """Config of a run to measure on in place of the simulated images."""
    set: tuple[str, ...] = ()
    """Overrides of that config, KEY=VALUE."""


def class_tables(
    folds: Sequence[Images], tuning: TuningConfig, largest_px: int, folder: Path
) -> list[list[FoldTables]]:
    """For each class its tables of every fold; folder: where they are kept."""
    grid = area_grid(largest_px, tuning.dense_areas, tuning.area_growth)
    paths, classes = [folder / f"fold{fold}.npz" for fold in range(len(folds))], 0
    for images, path in zip(folds, paths, strict=True):
        made = images()
        classes = len(made[0].truth)
        fold_tables(made, tuning.metric, grid, tuning.connectivity, classes, available_cores()).save(path)
    return [[FoldTables.load(path, [index]) for path in paths] for index in range(classes)]


def held_out_scores(
    folds: Sequence[Images], tables: Sequence[Sequence[FoldTables]], tuning: TuningConfig, largest_px: int
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """(images, kinds, classes) scores of every image under the default and the rule of each kind without its fold.

    folds: for each a function that makes its images; tables: as `class_tables` makes them. Returns also the fold
    of each image, and the seconds of choosing, by kind.
    """
    chosen, seconds = [], []
    for kind in _KINDS:
        started = perf_counter()
        of_kind = tuning.model_copy(update={"rule": kind})
        chosen.append([choose_rule(of_class, of_kind, 0, memory_study()) for of_class in tables])
        seconds.append(perf_counter() - started)
    found, of_image = [], []
    for fold, images in enumerate(folds):
        rules = [[DEFAULT_RULE, *(kind[k].without_fold[fold] for kind in chosen)] for k in range(len(tables))]
        for _, areas in rule_areas(images(), rules, largest_px, available_cores()):
            found.append(scores(tuning.metric, *np.moveaxis(areas, -1, 0)).T)
            of_image.append(fold)
    return np.stack(found), np.array(of_image), seconds


def honest_choice(found: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(images, classes) scores where each fold has, class by class, the kind of rule that is better on the others.

    found: (images, kinds, classes) held-out scores; folds: (images,).
    """
    gains = found[:, _EXPECTED] - found[:, _FIXED]
    chosen = found[:, _FIXED].copy()
    for fold in np.unique(folds):
        inside = folds == fold
        better = np.array([clearly_better(others) for others in gains[~inside].T])
        chosen[np.ix_(inside, better)] = found[inside, _EXPECTED][:, better]
    return chosen


def rankseg_scores(
    folds: Sequence[Images], tables: Sequence[Sequence[FoldTables]], metric: str
) -> tuple[np.ndarray, float] | None:
    """(images, classes) scores of RankSEG on probabilities calibrated on the other folds, and its seconds.

    None without RankSEG.
    """
    try:
        rankseg: Any = importlib.import_module("rankseg")
    except ImportError:
        return None
    torch: Any = importlib.import_module("torch")
    kind = "dice" if metric == "dice" else "IoU"
    solver = rankseg.RankSEG(metric=kind, output_mode="multilabel", solver="RMA", pruning_prob=0.5)
    counts = [[level_counts(table, 0) for table in of_class] for of_class in tables]
    found, seconds = [], 0.0
    for fold, images in enumerate(folds):
        others = [[one for k, one in enumerate(of_class) if k != fold] for of_class in counts]
        levels = np.array([isotonic(each) for each in others], dtype=np.float32) / CALIBRATED_ONE
        for image in images():
            prob = np.stack([levels[k][plane] for k, plane in enumerate(image.oof.prob)])
            started = perf_counter()
            masks = solver.predict(torch.from_numpy(prob)[None])[0].numpy().astype(np.uint8)
            seconds += perf_counter() - started
            areas = np.array([mask_areas(*pair) for pair in zip(masks, image.truth, strict=True)])
            found.append(scores(metric, *areas.T))
    return np.stack(found), seconds


def run(options: Options, bench: Bench) -> None:
    """Measure, print the table, and check that a choice among all rules is not worse than the fixed ones."""
    folds, tuning, largest_px = measured_images(options)
    tables = class_tables(folds, tuning, largest_px, bench.folder)
    found, of_image, seconds = held_out_scores(folds, tables, tuning, largest_px)
    ranked = rankseg_scores(folds, tables, tuning.metric)
    names, means = ["threshold 0.5", *_KINDS, "auto or expected"], found.mean(axis=2)
    means = np.column_stack([means, honest_choice(found, of_image).mean(axis=1)])
    times = ["", *(f"{value:.1f}" for value in seconds), ""]
    if ranked is None:
        bench.leave_out("RankSEG: pip install rankseg==0.0.8")
    else:
        names.append("RankSEG (RMA), calibrated")
        means = np.column_stack([means, ranked[0].mean(axis=1)])
        times.append(f"{ranked[1]:.1f}")
    gains = means - means[:, [_FIXED]]
    errors = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    rows = [
        [name, f"{means[:, k].mean():.4f}", f"{gains[:, k].mean():+.4f} ± {errors[k]:.4f}", times[k]]
        for k, name in enumerate(names)
    ]
    say(f"{len(found)} images, {found.shape[2]} classes, {tuning.metric}")
    for line in markdown_table(["rule", "honest score", "gain over auto", "seconds"], rows).splitlines():
        say(line)
    chosen = names.index("auto or expected")
    margin = gains[:, chosen].mean() + errors[chosen]
    bench.claim("auto or expected, chosen honestly, minus auto, plus one standard error", margin, "≥", 0.0)


def measured_images(options: Options) -> tuple[list[Images], TuningConfig, int]:
    """The folds to measure on, how they are tuned, and the pixels of the largest map."""
    return _run_folds(options) if options.config else _simulated(options)


def _simulated(options: Options) -> tuple[list[Images], TuningConfig, int]:
    """Folds of simulated images, made again each time they are asked for."""
    source = SeverstalOof(options.labels)
    settings = {"metric": options.metric, "trials": 0, "calibration": options.calibration}
    tuning = TuningConfig.model_validate(settings)
    levels = _confidence(source, options.log_odds) if options.log_odds else None

    def image(index: int) -> LabelledOof:
        """One image, with the confidence that is asked for."""
        made = source.image(index)
        if levels is None:
            return made
        return replace(made, oof=replace(made.oof, prob=levels[made.oof.prob]))

    def images(fold: int) -> list[LabelledOof]:
        return list(map_threads(image, range(fold, options.images, _FOLDS), available_cores()))

    say(f"{CLASSES} classes, {options.images} simulated images")
    return [partial(images, fold) for fold in range(_FOLDS)], tuning, HEIGHT * WIDTH


def _confidence(source: SeverstalOof, factor: float) -> np.ndarray:
    """(256,) uint8: what each level becomes when it is calibrated on other images and its log-odds are multiplied."""
    counts = np.zeros((2, 256), np.int64)
    for made in map_threads(source.image, range(_OTHER_IMAGES, _OTHER_IMAGES + _CALIBRATED_ON), available_cores()):
        counts += prob_counts(made.oof.prob.reshape(1, -1), made.truth.reshape(1, -1))
    right = np.array(isotonic([counts])) / CALIBRATED_ONE
    return np.rint(255 * expit(factor * logit(right))).astype(np.uint8)


def _run_folds(options: Options) -> tuple[list[Images], TuningConfig, int]:
    """Folds of a run's out-of-fold predictions."""
    assert options.config is not None
    config = load_config(options.config, options.set)
    competition = open_competition(config.data, config.in_channels)
    files = [RunPaths.of(config).oof_parquet(fold) for fold in range(config.folds.count)]
    folds: list[Images] = [
        partial(lambda path, fold: list(iter_with_truth(path, fold, competition)), path, fold)
        for fold, path in enumerate(files)
    ]
    tuning = config.tuning.model_copy(update={"trials": 0})
    return folds, tuning, int((competition.train["height"] * competition.train["width"]).max())
