"""What choosing a threshold and a minimum area on few images costs, by the way of choosing.

Settings of the component rule are chosen on n images and scored on all others; the loss is against the setting that is
best on those others. Measured on simulated out-of-fold predictions of Severstal, or with --config on those of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import ClassVar

import numpy as np

from benchmarks import decision_rules
from benchmarks.measuring.benchmark import Bench, say
from maskfold.config import TuningConfig
from maskfold.execution.console import markdown_table
from maskfold.execution.jobs import available_cores
from maskfold.oof.with_truth import LabelledOof
from maskfold.tuning.plateau import best_setting, choose
from maskfold.tuning.tables.score_tables import ScoreTable, area_grid, total
from maskfold.tuning.tables.table_filling import fold_tables

_BLOCK = 10  # images that are always drawn together
_PARTS = 5  # of the images to choose on, for honest gains and for the noise of the plateau
_TRIALS = 100
_ERRORS = 0.5  # standard errors that the honest gain must be above 0, for the careful choice
_DEFAULT = (127, 0)  # row and column of the table: threshold 128, no minimum area

Place = tuple[int, int]


class Options(decision_rules.Options):
    """What to measure on, and how often."""

    minutes: ClassVar[tuple[float, float]] = (2, 15)
    quick: ClassVar[dict[str, object]] = {"images": 300, "draws": 5}
    draws: int = 20
    """Times that images to choose on are drawn, for each number of them."""


def block_tables(images: Iterable[LabelledOof], tuning: TuningConfig, largest_px: int) -> list[list[ScoreTable]]:
    """For each block of images the component table of every class."""
    grid = area_grid(largest_px, tuning.dense_areas, tuning.area_growth)
    stream, blocks = iter(images), []
    while block := list(islice(stream, _BLOCK)):
        classes = len(block[0].truth)
        made = fold_tables(block, tuning.metric, grid, tuning.connectivity, classes, available_cores())
        blocks.append([made.table(index) for index in range(classes)])
    return blocks


def peak(parts: Sequence[ScoreTable], rng: np.random.Generator) -> Place:
    """The best setting of all."""
    return best_setting(total(parts))


def gated_peak(parts: Sequence[ScoreTable], rng: np.random.Generator, errors: float = 0.0) -> Place:
    """The peak, if peaks of the other parts gain more than `errors` standard errors over the default; else that."""
    gains = []
    for index, part in enumerate(parts):
        scores = part.scores()
        others = total([other for k, other in enumerate(parts) if k != index])
        gains.append(scores[best_setting(others)] - scores[_DEFAULT])
    noise = np.std(gains, ddof=1) / np.sqrt(len(gains))
    return peak(parts, rng) if np.mean(gains) > errors * noise else _DEFAULT


def careful_peak(parts: Sequence[ScoreTable], rng: np.random.Generator) -> Place:
    """The peak if its gain on the other parts is above half a standard error."""
    return gated_peak(parts, rng, _ERRORS)


def plateau(parts: Sequence[ScoreTable], rng: np.random.Generator) -> Place:
    """The middle of the plateau."""
    found = choose(parts)
    return found.row, found.column


def sampled(parts: Sequence[ScoreTable], rng: np.random.Generator) -> Place:
    """The best of 100 random settings."""
    scores = total(parts).scores()
    rows, columns = (rng.integers(size, size=_TRIALS) for size in scores.shape)
    best = int(np.argmax(scores[rows, columns]))
    return int(rows[best]), int(columns[best])


def default(parts: Sequence[ScoreTable], rng: np.random.Generator) -> Place:
    """Threshold 0.5."""
    return _DEFAULT


WAYS: dict[str, Callable[[Sequence[ScoreTable], np.random.Generator], Place]] = {
    "very peak": peak,
    "peak, where its honest gain is positive": gated_peak,
    "peak, where its honest gain is above half a standard error": careful_peak,
    "middle of the plateau (as shipped)": plateau,
    "best of 100 random settings": sampled,
    "threshold 0.5": default,
}


def losses(blocks: Sequence[ScoreTable], chosen_on: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(ways,) what each way loses on the other blocks; chosen_on: numbers of the blocks to choose on."""
    others = total([block for k, block in enumerate(blocks) if k not in set(chosen_on.tolist())]).scores()
    parts = [total([blocks[k] for k in part]) for part in np.array_split(chosen_on, _PARTS)]
    return np.array([others.max() - others[way(parts, rng)] for way in WAYS.values()])


def run(options: Options, bench: Bench) -> None:
    """Measure, print the table, and check that the gated peak is not worse than the very peak on few images."""
    folds, tuning, largest_px = decision_rules.measured_images(options)
    blocks = block_tables(chain.from_iterable(make() for make in folds), tuning, largest_px)
    by_class = list(zip(*blocks, strict=True))
    sizes = [size for size in (100, 250, 500, 1000, 2000) if size <= len(blocks) * _BLOCK // 2]
    cells, few = [], np.zeros((0, len(WAYS)))
    for size in sizes:
        found = []
        for draw in range(options.draws):
            rng = np.random.default_rng([size, draw])
            chosen_on = rng.permutation(len(blocks))[: size // _BLOCK]
            found.append(np.mean([losses(of_class, chosen_on, rng) for of_class in by_class], axis=0))
        few = few if len(few) else np.stack(found)
        errors = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
        cells.append([f"{mean:.4f} ± {error:.4f}" for mean, error in zip(np.mean(found, axis=0), errors, strict=True)])
    say(f"{len(blocks)} blocks of {_BLOCK} images, {len(by_class)} classes, {tuning.metric}, {options.draws} draws")
    rows = [[name, *column] for name, column in zip(WAYS, zip(*cells, strict=True), strict=True)]
    for line in markdown_table(["chosen by", *(f"n = {size}" for size in sizes)], rows).splitlines():
        say(line)
    gains = few[:, 0] - few[:, 1]
    margin = gains.mean() + gains.std(ddof=1) / np.sqrt(len(gains))
    bench.claim(f"very peak minus gated peak at {sizes[0]} images, plus one standard error", margin, "≥", 0.0)
