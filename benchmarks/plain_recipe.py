"""The plain recipe and ours: the same images, the same hold-out, the same seconds of training.

The plain recipe (opponents/plain_training.py) trains for as long as our first model took (its history says) on the same
training images, and both predict the images which that model has not seen. Ours is scored on its out-of-fold
predictions: at threshold 0.5, and with rules tuned on other images than those they are scored on. Without --config a
run of the demo is trained first; otherwise the run must be trained and tuned.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import Run, trained_demo
from benchmarks.opponents.plain_training import Budget, PlainRecipe
from maskfold.artefacts.paths import RunPaths
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.opening import open_competition
from maskfold.folds.table import read_folds
from maskfold.folds.visibility import held_out
from maskfold.pixels.metrics import mask_areas, scores


class Options(Settings):
    """What to train on."""

    minutes: ClassVar[tuple[float, float]] = (1, 10)
    quick: ClassVar[dict[str, object]] = {"epochs": 5}
    epochs: int = 16
    """Epochs of our training, without --config."""
    config: str | None = None
    """Config of a trained and tuned run; a hold-out needs one model only."""
    set: tuple[str, ...] = ()
    """Overrides of that config, KEY=VALUE."""


class Scored(NamedTuple):
    """Mean over classes of the metric, over all images and over the non-empty images of each class."""

    mean: float
    non_empty: float


def plain_areas(recipe: PlainRecipe, competition: Competition, images: pd.DataFrame) -> np.ndarray:
    """(images, classes, 3) int64: intersection, predicted and true area of every mask at threshold 0.5."""
    areas = []
    for row in images.itertuples():
        truth = competition.masks(str(row.image_id))
        areas.append([mask_areas(p >= 0.5, t) for p, t in zip(recipe.predict(str(row.path)), truth, strict=True)])
    return np.array(areas)


def scores_of(areas: np.ndarray, metric: str) -> Scored:
    """The two figures of areas as plain_areas gives them."""
    means, non_empty = [], []
    for index in range(areas.shape[1]):
        of_images, true_area = scores(metric, *areas[:, index].T), areas[:, index, 2]
        means.append(of_images.mean())
        if true_area.any():
            non_empty.append(of_images[true_area > 0].mean())
    return Scored(float(np.mean(means)), float(np.mean(non_empty)))


def our_scores(config: Config, image_ids: pd.Series, kind: str) -> Scored:
    """The two figures of ours on some images, from the tuning's table of images. kind: default or honest."""
    table = pd.read_csv(RunPaths.of(config).image_scores_csv, dtype={"image_id": str, "class_name": str})
    table = table[table["image_id"].isin(image_ids)]
    of_class = table.groupby("class_name")[f"{kind}_score"].mean()
    non_empty = table[table["true_area"] > 0].groupby("class_name")[f"{kind}_score"].mean()
    return Scored(float(of_class.mean()), float(non_empty.mean()))


def run(options: Options, bench: Bench) -> None:
    """Train the plain recipe and score both sides on the same images."""
    trained = trained_demo(bench, options.epochs) if options.config is None else Run(options.config, options.set)
    config = trained.load()
    competition = open_competition(config.data)
    folds = read_folds(config, competition)
    unseen = competition.train["image_id"].isin(folds["image_id"][held_out(folds, config.folds, model=0)])
    seconds = float(pd.read_csv(RunPaths.of(config).history_csv(0))["seconds"].sum())
    classes, metric = len(competition.class_names), config.tuning.metric
    recipe = PlainRecipe(config, competition.train[~unseen], competition.masks, classes)
    seen = recipe.train(Budget(seconds=seconds))
    areas = plain_areas(recipe, competition, competition.train[unseen])
    ids = competition.train["image_id"][unseen]
    rows = {
        "all empty": scores_of(areas * np.array([0, 0, 1]), metric),
        "plain recipe, threshold 0.5": scores_of(areas, metric),
        "ours, threshold 0.5": our_scores(config, ids, "default"),
        "ours, tuned on other images": our_scores(config, ids, "honest"),
    }
    say(f"{unseen.sum()} images that neither has seen; {seconds:.0f} s of training each (plain recipe: {seen} images)")
    say(f"{'':<34}{metric:>12}{'non-empty':>12}")
    for name, (mean, non_empty) in rows.items():
        say(f"{name:<34}{mean:>12.4f}{non_empty:>12.4f}")
    plain, honest = rows["plain recipe, threshold 0.5"], rows["ours, tuned on other images"]
    bench.claim(f"{config.name}: ours minus the plain recipe, {metric}", honest.mean - plain.mean, ">", 0)
    if options.config is not None or options.epochs >= 16:  # a few epochs say nothing about single objects
        gain = honest.non_empty - plain.non_empty
        bench.claim(f"{config.name}: ours minus the plain recipe, {metric} on non-empty images", gain, ">", 0)
