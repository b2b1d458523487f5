"""Brute force for thresholds and minimum areas: OpenCV's connected components, an area filter, and the areas."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from maskfold.config import TuningConfig
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import fixed_scores
from maskfold.tuning.tables.score_tables import area_grid
from maskfold.tuning.tables.table_filling import fold_tables

_TUNING = TuningConfig()


def brute_force(image: LabelledOof, threshold: int, min_area_px: int) -> np.ndarray:
    """(classes, 3) areas of one setting, the way it is done everywhere."""
    rows = []
    for prob, truth in zip(image.oof.prob, image.truth, strict=True):
        on = cv2.threshold(prob, threshold - 1, 1, cv2.THRESH_BINARY)[1]
        _, labels, stats, _ = cv2.connectedComponentsWithStats(on, connectivity=8)
        keep = (stats[:, cv2.CC_STAT_AREA] >= min_area_px).astype(np.uint8)
        keep[0] = 0
        mask = keep[labels]
        rows.append((cv2.countNonZero(cv2.bitwise_and(mask, truth)), cv2.countNonZero(mask), cv2.countNonZero(truth)))
    return np.array(rows)


def all_at_one_setting(images: Sequence[LabelledOof]) -> list[np.ndarray]:
    """One brute-force evaluation of a usual setting, threshold 0.5 and at least 500 px, with all cores."""
    return list(map_threads(lambda image: brute_force(image, 128, 500), images, available_cores()))


def mismatches(makers: Sequence[Callable[[], LabelledOof]], classes: int, settings: int) -> int:
    """At how many random settings the exact tables of some images differ, in any bit, from brute force."""
    labelled = [make() for make in makers]
    largest = max(image.truth[0].size for image in labelled)
    grid = area_grid(largest, _TUNING.dense_areas, _TUNING.area_growth)
    tables = fold_tables(labelled, "dice", grid, 8, classes, available_cores())
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(settings):
        threshold, column = int(rng.integers(1, 256)), int(rng.integers(len(grid)))
        areas = np.stack([brute_force(image, threshold, int(grid[column])) for image in labelled])
        for index in range(classes):
            expected = int(fixed_scores("dice", *areas[:, index].T).sum())
            wrong += expected != int(tables.table(index).sums[0, threshold - 1, column])
    return wrong
