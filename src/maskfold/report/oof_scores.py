"""Scores of the OOF images as the report shows them: with intervals, fold by fold, and how many images were found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.mask_metrics.rows import ratio
from maskfold.pixels.metrics import POOLED, class_score, intersections, pooled_scores
from maskfold.rules.tuned import Interval

KINDS = ("all_empty", "default", "adopted", "honest")


@dataclass(frozen=True)
class OofScores:
    """image_scores.csv as arrays.

    image_ids, folds: (images,); scores: kind -> (images, classes) float64 (see `shown_metric`);
    true, predicted: (images, classes) int64 areas in px, predicted by the adopted rule; weights: of a metric of whole
    masks, kind -> (images, classes) float64, how much each score weighs in the class score; empty for metrics of areas.
    """

    metric: str
    class_names: tuple[str, ...]
    image_ids: list[str]
    folds: np.ndarray
    scores: dict[str, np.ndarray]
    true: np.ndarray
    predicted: np.ndarray
    predicted_by_default: np.ndarray
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, table: pd.DataFrame, metric: str, class_names: tuple[str, ...]) -> OofScores:
        """From the rows of image_scores.csv, which come class by class, the images always in the same order."""
        images = len(table) // len(class_names)

        def columns(name: str) -> np.ndarray:
            return np.ascontiguousarray(table[name].to_numpy().reshape(len(class_names), images).T)

        true = columns("true_area")
        scores = {"all_empty": (true == 0).astype(np.float64)}
        scores |= {kind: columns(f"{kind}_score").astype(np.float64) for kind in KINDS[1:]}
        first = table.iloc[:images]
        ids, folds = first["image_id"].tolist(), first["fold"].to_numpy()
        weights = {}
        if "empty_score" in table:
            scores["all_empty"] = columns("empty_score").astype(np.float64)
            names = {"all_empty": "empty", **{kind: kind for kind in KINDS[1:]}}
            weights = {kind: columns(f"{name}_weight").astype(np.float64) for kind, name in names.items()}
        areas = columns("adopted_area"), columns("default_area")
        return cls(metric, class_names, ids, folds, scores, true, *areas, weights)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that have a score; a pooled metric needs areas, which of the honest rules are not kept."""
        return KINDS[:3] if self.metric in POOLED else KINDS

    def class_scores(self, kind: str, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(classes,) float64: the metric on all images or some."""
        if self.weights:
            weights = self.weights[kind][rows]
            return ratio((self.scores[kind][rows] * weights).sum(axis=0), weights.sum(axis=0))
        if self.metric not in POOLED:
            return np.asarray(self.scores[kind][rows].mean(axis=0))
        sums = self._pooled_columns(kind)[rows]
        return np.array([class_score(self.metric, *sums[:, index].T) for index in range(sums.shape[1])])

    def _pooled_columns(self, kind: str) -> np.ndarray:
        """(images, classes, 3) int64: intersection, predicted area, true area; the first follows from the score."""
        predicted = {"all_empty": 0 * self.true, "default": self.predicted_by_default, "adopted": self.predicted}[kind]
        intersection = intersections(self.metric, self.scores[kind], predicted, self.true)
        return np.stack([intersection, predicted, self.true], axis=-1)

    def intervals(self, groups: np.ndarray, samples: int, rng: np.random.Generator) -> dict[str, Interval]:
        """The 95 % bootstrap interval of each kind's score, the mean over classes.

        Whole groups of images are drawn again; groups: (images,) the group of each, its own where there are none.
        """
        _, group = np.unique(groups, return_inverse=True)
        columns = {kind: self._bootstrap_columns(kind) for kind in self.kinds}
        sums = {kind: _group_sums(values, group) for kind, values in columns.items()}
        drawn: dict[str, list[float]] = {kind: [] for kind in sums}
        count = int(group.max()) + 1
        for _ in range(samples):
            times = np.bincount(rng.integers(count, size=count), minlength=count).astype(np.float64)
            for kind, values in sums.items():
                drawn[kind].append(self._mean_score(times @ values))
        limits = {kind: np.quantile(values, [0.025, 0.975]) for kind, values in drawn.items()}
        return {kind: Interval(low=float(low), high=float(high)) for kind, (low, high) in limits.items()}

    def _bootstrap_columns(self, kind: str) -> np.ndarray:
        """(images, k): what sums over images tell the score."""
        if self.weights:
            return np.hstack([self.scores[kind] * self.weights[kind], self.weights[kind]])
        if self.metric in POOLED:
            columns = self._pooled_columns(kind)
            return columns.reshape(len(columns), -1).astype(np.float64)
        return np.stack([self.scores[kind].mean(axis=1), np.ones(len(self.true))], axis=1)

    def _mean_score(self, sums: np.ndarray) -> float:
        if self.weights:
            return float(ratio(*np.split(sums, 2)).mean())
        if self.metric not in POOLED:
            return float(sums[0] / sums[1])
        return float(pooled_scores(self.metric, *sums.reshape(-1, 3).T).mean())


def read_image_scores(path: Path) -> pd.DataFrame:
    """image_scores.csv; an image may be called NA."""
    return pd.read_csv(path, dtype={"image_id": str, "class_name": str}, keep_default_na=False)


def paired_gain(table: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float, int]:
    """How much better the first of two runs is on the images that both scored, its standard error, and their number.

    table, other: image_scores.csv of each; compared are the means over the classes of honest scores. nan without two
    images in common.
    """
    first, second = (scores.groupby("image_id")["honest_score"].mean() for scores in (table, other))
    gains = (first - second).dropna()
    return float(gains.mean()), float(gains.sem()), len(gains)


def _group_sums(columns: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(groups, k) sums of (images, k)."""
    return np.stack([np.bincount(group, weights=column) for column in columns.T], axis=1)


def fold_rows(oof: OofScores) -> list[dict[str, object]]:
    """One row a fold: fold, images, scores (kind -> mean over classes)."""
    rows: list[dict[str, object]] = []
    for fold in np.unique(oof.folds).tolist():
        own = oof.folds == fold
        scores = {kind: float(oof.class_scores(kind, own).mean()) for kind in oof.kinds}
        rows.append({"fold": fold, "images": int(own.sum()), "scores": scores})
    return rows


def fold_class_scores(oof: OofScores) -> dict[int, list[float]]:
    """Fold -> the score of each class on its images: honest, or of the adopted rule where there is no honest one."""
    folds = np.unique(oof.folds).tolist()
    return {fold: oof.class_scores(oof.kinds[-1], oof.folds == fold).tolist() for fold in folds}


def found_rows(oof: OofScores) -> list[dict[str, object]]:
    """One row a class: in how many images it was found (any pixel), missed, a false alarm, and correctly left empty."""
    true, predicted = oof.true > 0, oof.predicted > 0
    cells = {
        "found": true & predicted,
        "missed": true & ~predicted,
        "false_alarms": ~true & predicted,
        "rightly_empty": ~true & ~predicted,
    }
    return [
        {"class_name": name} | {key: int(cell[:, index].sum()) for key, cell in cells.items()}
        for index, name in enumerate(oof.class_names)
    ]
