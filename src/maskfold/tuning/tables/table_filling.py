"""Fills the exact tables of one fold from its OOF images, with all cores."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from maskfold.errors import DataError
from maskfold.execution.jobs import map_threads
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import PLANES, plane_sum
from maskfold.rules.rules import GATE_STEPS, gate_level
from maskfold.tuning.tables.component_pass import ComponentPass
from maskfold.tuning.tables.map_histograms import HistogramSpill
from maskfold.tuning.tables.score_tables import FoldTables

HistogramRow = tuple[int, int, int, np.ndarray]


class _Worker:
    """One thread's tables and buffers."""

    def __init__(self, metric: str, grid: np.ndarray, connectivity: int, classes: int, gated: bool) -> None:
        self._new_tables = partial(FoldTables.empty, metric, grid, classes, GATE_STEPS + 1 if gated else 1)
        self.tables = self._new_tables()
        self.gated = gated
        self.planes = PLANES[metric]
        self.component_pass = ComponentPass(grid, connectivity, self.planes)

    def add(self, image: LabelledOof) -> list[HistogramRow]:
        """Add all classes of one image. Returns the histograms of its maps that are not blank."""
        histograms: list[HistogramRow] = []
        present = image.oof.class_prob
        if self.gated != (present is not None):
            where = f"image {image.oof.image_id}"
            raise DataError([f"{where}: has {'no ' if self.gated else ''}class_prob, unlike the images before it"])
        for index, (prob, truth) in enumerate(zip(image.oof.prob, image.truth, strict=True)):
            level = gate_level(present[index]) if self.gated and present is not None else 0
            true_area = int(np.count_nonzero(truth))
            self.tables.images[index, level] += 1
            self.tables.true_area[index, level] += true_area
            self.tables.blank[index, level] += [plane_sum(plane, 0, 0, true_area) for plane in self.planes]
            if prob.any():
                histogram = self.component_pass.add(prob, truth, self.tables.differences[index, level], image.ignored)
                histograms.append((index, level, true_area, histogram))
        return histograms

    def take_tables(self) -> FoldTables:
        """The tables so far; new empty ones take their place."""
        taken, self.tables = self.tables, self._new_tables()
        return taken


class TableBuilder:
    """Fills tables with several threads; the same tables, bit for bit, with any number of them."""

    def __init__(
        self,
        metric: str,
        grid: np.ndarray,
        connectivity: int,
        classes: int,
        gated: bool,
        threads: int,
        spill_folder: Path | None = None,
        with_ignored: bool = False,
    ) -> None:
        """grid: minimum areas as `area_grid` makes them; gated: keep the gate levels apart; with_ignored: the images
        say which of their pixels are ignored.

        spill_folder: where the histograms are kept on disk until they are saved; None: where the system keeps temporary
        files.
        """
        self.threads = threads
        self._new_spill = partial(HistogramSpill, spill_folder, classes, 3 if with_ignored else 2)
        self._spill = self._new_spill()
        self._workers = [_Worker(metric, grid, connectivity, classes, gated) for _ in range(threads)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def add(self, images: Iterable[LabelledOof]) -> None:
        """Add all classes of some images."""
        # Which thread adds an image is chance; sums do not depend on it, and histograms keep the images' order.
        for rows in map_threads(self._add_one, images, self.threads):
            for row in rows:
                self._spill.add(*row)

    def _add_one(self, image: LabelledOof) -> list[HistogramRow]:
        worker = self._idle.get()
        try:
            return worker.add(image)
        finally:
            self._idle.put(worker)

    def finish(self) -> FoldTables:
        """The tables of everything added; the builder is empty afterwards."""
        whole, *others = [worker.take_tables() for worker in self._workers]
        for other in others:
            whole.add(other)
        whole.histograms = self._spill.finish()
        self._spill = self._new_spill()
        return whole


def fold_tables(
    images: Iterable[LabelledOof],
    metric: str,
    grid: np.ndarray,
    connectivity: int,
    classes: int,
    threads: int,
    spill_folder: Path | None = None,
) -> FoldTables:
    """The tables of all classes over some images, which are read once; memory does not grow with their number.

    Gate levels are kept apart when the images have classification probabilities. Raises DataError when only some do.
    """
    stream = iter(images)
    first = next(stream, None)
    if first is None:
        return FoldTables.empty(metric, grid, classes, 1)
    gated, with_ignored = first.oof.class_prob is not None, first.ignored is not None
    builder = TableBuilder(metric, grid, connectivity, classes, gated, threads, spill_folder, with_ignored)
    builder.add(chain([first], stream))
    return builder.finish()
