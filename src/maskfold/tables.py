"""Fills the exact tables of one fold from its OOF images, with all cores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import SimpleQueue

import numpy as np

from maskfold.component_tree import ComponentPass
from maskfold.executor import map_threads
from maskfold.metrics import PLANES, plane_value
from maskfold.oof_truth import JudgedImage
from maskfold.postprocess import GATE_STEPS, gate_level
from maskfold.surface import Curves, FoldTables

CurveRow = tuple[int, int, int, np.ndarray]


class _Worker:
    """One thread's tables and buffers."""

    def __init__(self, metric: str, grid: np.ndarray, connectivity: int, classes: int, gated: bool) -> None:
        self.tables = FoldTables.empty(metric, grid, classes, GATE_STEPS + 1 if gated else 1)
        self.gated = gated
        self.planes = PLANES[metric]
        self.component_pass = ComponentPass(grid, connectivity, self.planes)

    def add(self, image: JudgedImage) -> list[CurveRow]:
        """Add all classes of one image. Returns the curves of its maps that are not blank."""
        curves: list[CurveRow] = []
        present = image.oof.class_prob
        for index, (prob, truth) in enumerate(zip(image.oof.prob, image.truth, strict=True)):
            level = gate_level(present[index]) if self.gated and present is not None else 0
            true_area = int(np.count_nonzero(truth))
            self.tables.images[index, level] += 1
            self.tables.true_area[index, level] += true_area
            self.tables.blank[index, level] += [plane_value(plane, 0, 0, true_area) for plane in self.planes]
            if prob.any():
                histogram = self.component_pass.add(prob, truth, self.tables.differences[index, level])
                curves.append((index, level, true_area, histogram))
        return curves


def fold_tables(
    images: Iterable[JudgedImage],
    metric: str,
    grid: np.ndarray,
    connectivity: int,
    classes: int,
    threads: int,
) -> FoldTables:
    """The tables of all classes over some images; the same, bit for bit, with any number of threads.

    grid: minimum areas as `surface.area_grid` makes them. Gate levels are kept apart when the first image has
    classification probabilities.
    """
    stream = iter(images)
    first = next(stream, None)
    if first is None:
        return FoldTables.empty(metric, grid, classes, 1)
    gated = first.oof.class_prob is not None
    workers = [_Worker(metric, grid, connectivity, classes, gated) for _ in range(threads)]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def add(image: JudgedImage) -> list[CurveRow]:
        worker = idle.get()
        try:
            return worker.add(image)
        finally:
            idle.put(worker)

    # Which thread adds an image is chance, but sums do not tell, and the curves come in the order of the images.
    curves = [row for rows in map_threads(add, _with_first(first, stream), threads) for row in rows]
    for worker in workers[1:]:
        workers[0].tables.add(worker.tables)
    workers[0].tables.curves = Curves.of(curves)
    return workers[0].tables


def _with_first(first: JudgedImage, rest: Iterator[JudgedImage]) -> Iterator[JudgedImage]:
    yield first
    yield from rest
