"""What a gate on the classification probability gains when it is chosen on few images, by the way of choosing.

Rules of one threshold, minimum area and gate for all images are chosen on n images and scored on all others. Measured
on simulated out-of-fold predictions of Severstal with a simulated classification head, or with --config on those of a
run that has one. Gains are over the way of earlier versions: the best of all settings, if its honest gain is positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import ClassVar

import numpy as np
from scipy.special import expit, logit

from benchmarks import decision_rules
from benchmarks.drawn.steel_masks import CLASSES
from benchmarks.measuring.benchmark import Bench, say
from maskfold.config import TuningConfig
from maskfold.execution.console import markdown_table
from maskfold.execution.jobs import available_cores
from maskfold.oof.with_truth import LabelledOof
from maskfold.pixels.metrics import FIXED_ONE
from maskfold.rules.rules import DEFAULT_RULE, GATE_STEPS
from maskfold.tuning.derived_gate import derived_gate, non_empty_score
from maskfold.tuning.tables.score_tables import FoldTables, area_grid
from maskfold.tuning.tables.table_filling import fold_tables

_BLOCK = 10  # images that are always drawn together
_PARTS = 5  # of the images to choose on, for honest gains
_SHARE = 0.15  # of the images that show a class, as the simulated head believes
_DEFAULT = (0, DEFAULT_RULE.threshold - 1, 0)  # gate, row and column of the tables: no gate, threshold 128, every area
_EARLIER, _SHIPPED = "best of all, where its honest gain is positive (before)", "one after the other (as shipped)"

Place = tuple[int, int, int]


class Options(decision_rules.Options):
    """What to measure on, and how often."""

    minutes: ClassVar[tuple[float, float]] = (2, 10)
    quick: ClassVar[dict[str, object]] = {"images": 300, "draws": 10}
    draws: int = 60
    """Times that images to choose on are drawn, for each number of them."""
    separation: float = 2.5
    """Of the simulated head: standard deviations between its outputs with and without a class."""
    head_log_odds: float = 1.0
    """Multiplies the log-odds of the simulated head: 1 is calibrated, 2 overconfident, 0.5 underconfident."""


def with_head(images: Iterable[LabelledOof], options: Options) -> Iterator[LabelledOof]:
    """The images with the probabilities of a simulated head: two normal distributions, one with the class."""
    rng = np.random.default_rng(1)
    for image in images:
        shown = image.truth.any(axis=(1, 2))
        output = rng.standard_normal(CLASSES) + options.separation * (shown - 0.5)
        odds = options.head_log_odds * (logit(_SHARE) + options.separation * output)
        yield replace(image, oof=replace(image.oof, class_prob=expit(odds).astype(np.float32)))


class Blocks:
    """Blocks of images of one class: their scores at every gate, threshold and minimum area."""

    def __init__(self, tables: Sequence[FoldTables]) -> None:
        """tables: of each block, of this class alone."""
        self.sums = np.stack([_gated_sums(table) for table in tables])
        self.images = np.array([int(table.images.sum()) for table in tables])
        self.non_empty = np.array([non_empty_score(table) for table in tables])

    def scores(self, blocks: np.ndarray) -> np.ndarray:
        """(gates, thresholds, areas) mean scores over some blocks."""
        return self.sums[blocks].sum(axis=0, dtype=np.float64) / self.images[blocks].sum()


def _gated_sums(table: FoldTables) -> np.ndarray:
    """(gates, thresholds, areas) float32: the sum of the scores when masks below a gate are empty."""
    levels = table.gate_tables(0)
    kept = np.stack([level.sums[0] for level in levels]) / FIXED_ONE
    blank = np.cumsum([0.0, *(level.blank[0] / FIXED_ONE for level in levels[:-1])])
    return (np.cumsum(kept[::-1], axis=0)[::-1] + blank[:, None, None]).astype(np.float32)


def places(blocks: Blocks, chosen_on: np.ndarray) -> dict[str, Place]:
    """What each way chooses on some blocks, without any comparison."""
    scores = blocks.scores(chosen_on)
    gate, row, column = (int(each) for each in np.unravel_index(int(scores.argmax()), scores.shape))
    score, images = blocks.non_empty[chosen_on].sum(axis=0)
    derived = round(derived_gate(score / images).min_class_prob * GATE_STEPS) if images else 0
    return {
        "threshold 0.5": _DEFAULT,
        "threshold 0.5, derived gate": (derived, *_DEFAULT[1:]),
        "threshold 0.5, searched gate": (int(scores[:, _DEFAULT[1], _DEFAULT[2]].argmax()), *_DEFAULT[1:]),
        "best of all": (gate, row, column),
    }


def found_scores(blocks: Blocks, chosen_on: np.ndarray) -> dict[str, float]:
    """Way of choosing -> score on the other blocks."""
    others = blocks.scores(np.setdiff1d(np.arange(len(blocks.images)), chosen_on))
    found = {name: float(others[place]) for name, place in places(blocks, chosen_on).items()}
    parts = np.array_split(chosen_on, _PARTS)
    honest: dict[str, list[float]] = {name: [] for name in found}
    for part in parts:
        seen = blocks.scores(part)
        for name, place in places(blocks, np.setdiff1d(chosen_on, part)).items():
            honest[name].append(float(seen[place]))
    means = {name: float(np.mean(each)) for name, each in honest.items()}
    first, derived, _, best = found
    found[_EARLIER] = found[best if means[best] > means[first] else first]
    used = best if means[best] > means[derived] else derived
    found[_SHIPPED] = found[used if means[used] > means[first] else first]
    return found


def blocks_of(images: Iterable[LabelledOof], tuning: TuningConfig, largest_px: int) -> list[Blocks]:
    """For each class its blocks, with a coarse grid of minimum areas."""
    grid, stream = area_grid(largest_px, 1, 3.0), iter(images)
    by_class: list[list[FoldTables]] = []
    while block := list(islice(stream, _BLOCK)):
        classes = len(block[0].truth)
        by_class = by_class or [[] for _ in range(classes)]
        for index, tables in enumerate(by_class):
            alone = [_of_class(image, index) for image in block]
            tables.append(fold_tables(alone, tuning.metric, grid, tuning.connectivity, 1, available_cores()))
    return [Blocks(tables) for tables in by_class]


def _of_class(image: LabelledOof, index: int) -> LabelledOof:
    given = image.oof.class_prob
    if given is None:
        raise SystemExit("gates need a run with a classification head: model.classification_head: true")
    part = slice(index, index + 1)
    return replace(
        image, oof=replace(image.oof, prob=image.oof.prob[part], class_prob=given[part]), truth=image.truth[part]
    )


def run(options: Options, bench: Bench) -> None:
    """Measure, print the table, and check that the derived gate is not worse than a search on few images."""
    folds, tuning, largest_px = decision_rules.measured_images(options)
    images: Iterable[LabelledOof] = chain.from_iterable(make() for make in folds)
    by_class = blocks_of(images if options.config else with_head(images, options), tuning, largest_px)
    count = len(by_class[0].images)
    sizes = [size for size in (100, 200, 300, 500, 1000) if size <= 2 * count * _BLOCK // 3]
    columns, few = [], np.zeros(0)
    for size in sizes:
        drawn = []
        for draw in range(options.draws):
            chosen_on = np.random.default_rng([size, draw]).permutation(count)[: size // _BLOCK]
            of_class = [found_scores(blocks, chosen_on) for blocks in by_class]
            drawn.append({name: float(np.mean([each[name] for each in of_class])) for name in of_class[0]})
        gains = {name: np.array([each[name] - each[_EARLIER] for each in drawn]) for name in drawn[0]}
        few = few if len(few) else gains[_SHIPPED]
        columns.append({name: f"{gain.mean():+.4f} ± {_error(gain):.4f}" for name, gain in gains.items()})
        columns[-1][_EARLIER] = f"{np.mean([each[_EARLIER] for each in drawn]):.4f}"
    say(f"{count} blocks of {_BLOCK} images, {len(by_class)} classes, {tuning.metric}, {options.draws} draws")
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    for line in markdown_table(["chosen by", *(f"n = {size}" for size in sizes)], rows).splitlines():
        say(line)
    bench.claim(
        f"as shipped minus before at {sizes[0]} images, plus one standard error", few.mean() + _error(few), "≥", 0.0
    )


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))
