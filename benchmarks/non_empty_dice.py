"""Dice on the non-empty images of each class, whatever happens on empty images.

A competition's metric also counts empty images, so that tuned rules trade small objects for fewer false positives. Here
the mean Dice of each class over the images that show it, from the out-of-fold predictions of a run: at threshold 0.5,
at a threshold chosen on the other folds (honest), and at the best of all 255 (which no choice exceeds). Without
--config a run of the demo is trained first.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import Run, trained_demo
from maskfold.artefacts.paths import RunPaths
from maskfold.data.opening import open_competition
from maskfold.execution.console import markdown_table
from maskfold.execution.progress import tracked
from maskfold.oof.with_truth import iter_with_truth
from maskfold.pixels.metrics import dice
from maskfold.rules.rules import DEFAULT_RULE

_LEVELS = 256


class Options(Settings):
    """Which run, and how good it must be."""

    minutes: ClassVar[tuple[float, float]] = (2, 4)
    quick: ClassVar[dict[str, object]] = {"epochs": 5, "bar": 0.3}
    epochs: int = 16
    """Epochs of the demo's training, without --config."""
    config: str | None = None
    """Config of a trained run."""
    set: tuple[str, ...] = ()
    """Overrides of that config, KEY=VALUE."""
    bar: float = 0.8
    """Least honest mean over classes."""


def dice_by_threshold(prob: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(256,) Dice of one map of 8-bit probabilities at each threshold: a pixel is on at that level and above."""
    on = np.bincount(prob.ravel(), minlength=_LEVELS)[::-1].cumsum()[::-1]
    hit = np.bincount(prob[truth.astype(bool)], minlength=_LEVELS)[::-1].cumsum()[::-1]
    return dice(hit, on, np.full(_LEVELS, hit[0]))


def honest(scores: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(images,) score of each image at the threshold that is best on the other folds; scores: (images, 256)."""
    out = np.empty(len(scores))
    for fold in np.unique(folds):
        held = folds == fold
        others = scores[~held, 1:]
        chosen = 1 + int(others.mean(axis=0).argmax()) if len(others) else DEFAULT_RULE.threshold
        out[held] = scores[held, chosen]
    return out


def scores_by_class(run: Run) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Class name -> (non-empty images, 256) Dice at each threshold, and their folds; absent classes are left out."""
    config = run.load()
    competition = open_competition(config.data, config.model.in_channels)
    rows: dict[str, list[tuple[np.ndarray, int]]] = {name: [] for name in competition.class_names}
    for fold in range(config.folds.count):
        images = iter_with_truth(RunPaths.of(config).oof_parquet(fold), fold, competition)
        for image in tracked(images, len(competition.train) // config.folds.count, f"fold {fold}"):
            for name, prob, truth in zip(rows, image.oof.prob, image.truth, strict=True):
                if truth.any():
                    rows[name].append((dice_by_threshold(prob, truth), fold))
    return {
        name: (np.array([scores for scores, _ in found]), np.array([fold for _, fold in found]))
        for name, found in rows.items()
        if found
    }


def run(options: Options, bench: Bench) -> None:
    """Read the out-of-fold predictions and print the table."""
    trained = trained_demo(bench, options.epochs) if options.config is None else Run(options.config, options.set)
    rows, figures = [], []
    for name, (scores, folds) in scores_by_class(trained).items():
        means = scores.mean(axis=0)
        best = 1 + int(means[1:].argmax())
        figures.append((means[DEFAULT_RULE.threshold], honest(scores, folds).mean(), means[best]))
        cells = [f"{value:.3f}" for value in figures[-1]]
        rows.append([name, str(len(scores)), *cells, f"{best / (_LEVELS - 1):.2f}"])
    mean = np.mean(figures, axis=0)
    rows.append(["**mean**", "", *(f"{value:.3f}" for value in mean), ""])
    for line in markdown_table(["class", "images", "at 0.5", "honest", "best", "at"], rows).splitlines():
        say(line)
    bench.claim("mean Dice on non-empty images, thresholds from other folds", mean[1], "≥", options.bar)
