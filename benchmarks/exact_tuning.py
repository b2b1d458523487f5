"""What exact tuning costs and finds, against brute force and against what people use, on simulated OOF predictions.

A brute-force evaluation is one setting on every map: OpenCV's connected components, an area filter, and the areas. Both
sides use the same cores on the same maps in turn. Memory is that of the whole stage in a process of its own. With
--config also on the OOF predictions of a run.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from benchmarks.drawn.severstal_oof import SeverstalOof, simulated_competition, simulated_config, write_oof
from benchmarks.drawn.steel_masks import CLASSES, HEIGHT, WIDTH
from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.turns import seconds_of
from benchmarks.opponents.brute_force import all_at_one_setting, mismatches
from benchmarks.opponents.tuning_ways import compare
from maskfold.artefacts.paths import RunPaths
from maskfold.config import TuningConfig, load_config
from maskfold.data.opening import open_competition
from maskfold.execution.compiled import compiled
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.memory import peak_memory_mb
from maskfold.oof.with_truth import LabelledOof, iter_with_truth
from maskfold.pixels.metrics import PLANES
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.stages.tune_thresholds import tune
from maskfold.tuning.choice import choose_rule
from maskfold.tuning.finishes import SAMPLE_PX, all_rules
from maskfold.tuning.rule_areas import rule_areas
from maskfold.tuning.study import memory_study
from maskfold.tuning.tables.component_pass import ComponentPass
from maskfold.tuning.tables.score_tables import FoldTables, area_grid
from maskfold.tuning.tables.table_filling import TableBuilder

_FOLDS = 5
_CHUNK = 32
_TUNING = TuningConfig()

Folds = Sequence[Sequence[Callable[[], LabelledOof]]]  # for each fold, functions that make its images


class Options(Settings):
    """What to measure on."""

    minutes: ClassVar[tuple[float, float]] = (1.5, 5)
    quick: ClassVar[dict[str, object]] = {"images": 240}
    images: int = 2000
    """Simulated images; 12568 is all of Severstal."""
    labels: Path | None = None
    """Folder with Severstal's train.csv and images.csv."""
    config: Path | None = None
    """Config of a run that is also measured on."""
    set: tuple[str, ...] = ()
    """Overrides of that config, KEY=VALUE."""


@dataclass
class Clock:
    """Seconds spent on either side, and the state after each eighth of the images."""

    tables: float = 0.0
    brute: float = 0.0
    active: list[float] = field(default_factory=list)  # share of pixels above zero, a chunk
    marks: list[tuple[int, float]] = field(default_factory=list)  # images, seconds of tables


def measure(folds: Folds, classes: int, largest_px: int, folder: Path) -> tuple[list[Path], Clock]:
    """Fill and save the tables of every fold and evaluate one setting by brute force, chunk by chunk in turn.

    folds: for each fold, functions that make its images. Only what tuning and brute force do is timed.
    """
    threads = available_cores()
    grid = area_grid(largest_px, _TUNING.dense_areas, _TUNING.area_growth)
    clock, done, paths = Clock(), 0, []
    first = folds[0][0]()
    gated = first.oof.class_prob is not None
    TableBuilder("dice", grid, 8, classes, gated, 1).add([first])  # compiles
    images = sum(map(len, folds))
    marks = [max(1, round(images * share)) for share in (0.125, 0.25, 0.5, 1.0)]
    for fold, makers in enumerate(folds):
        builder = TableBuilder("dice", grid, 8, classes, gated, threads)
        for start in range(0, len(makers), _CHUNK):
            chunk = list(map_threads(lambda make: make(), makers[start : start + _CHUNK], threads))
            clock.active.append(float(np.mean([np.count_nonzero(im.oof.prob) / im.oof.prob.size for im in chunk])))
            clock.tables += seconds_of(builder.add, chunk)
            clock.brute += seconds_of(all_at_one_setting, chunk)
            before, done = done, done + len(chunk)
            if any(before < mark <= done for mark in marks):
                clock.marks.append((done, clock.tables))
        paths.append(folder / f"fold{fold}.npz")
        clock.tables += seconds_of(finish_and_save, builder, paths[-1])
    return paths, clock


def finish_and_save(builder: TableBuilder, path: Path) -> None:
    """What the stage does at the end of a fold."""
    builder.finish().save(path)


def choose_and_apply(paths: Sequence[Path], makers: Sequence[Callable[[], LabelledOof]], classes: int) -> float:
    """Seconds of the rest of the stage: choosing among the fixed rules, honestly, then applying what was chosen.

    Applying is measured on every eighth image and extrapolated.
    """
    started = time.perf_counter()
    per_class = ([FoldTables.load(path, [index]) for path in paths] for index in range(classes))
    choices = [choose_rule(tables, _TUNING, 0, memory_study()) for tables in per_class]
    seconds = time.perf_counter() - started
    say(f"choosing among the fixed rules of {classes} classes: {seconds:.1f} s")
    largest, cores = HEIGHT * WIDTH, available_cores()
    finishes = [all_rules(choice) for choice in choices]
    sample = [make() for make in makers[: SAMPLE_PX // (largest * classes)]]
    finishing = seconds_of(lambda: list(rule_areas(sample, finishes, largest, cores)))
    say(f"trying finishes on {len(sample)} images: {finishing:.1f} s")
    seconds += finishing
    some = makers[::8]
    for start in range(0, len(some), _CHUNK):
        chunk = [make() for make in some[start : start + _CHUNK]]
        fold = chunk[0].oof.fold
        rules = [(DEFAULT_RULE, choice.rule, choice.without_fold[fold]) for choice in choices]
        seconds += 8 * seconds_of(lambda images, rules: list(rule_areas(images, rules, largest, cores)), chunk, rules)
    return seconds


def limit_ratio(source: SeverstalOof, maps: int = 40) -> float:
    """How many times longer the pass takes than reading every byte and counting-sorting every active pixel once."""
    grid = area_grid(HEIGHT * WIDTH, _TUNING.dense_areas, _TUNING.area_growth)
    one_pass = ComponentPass(grid, 8, PLANES["dice"])
    differences = np.zeros((1, 256, len(grid)), dtype=np.int64)
    order = np.empty(HEIGHT * WIDTH, dtype=np.int32)
    least, whole = 0.0, 0.0
    for index in range(maps):
        image = source.image(index)
        prob, truth = image.oof.prob[0], image.truth[0]
        counting_sort(prob.reshape(-1), order)  # the first time compiles and warms the caches
        one_pass.add(prob, truth, differences)
        least += seconds_of(counting_sort, prob.reshape(-1), order)
        whole += seconds_of(one_pass.add, prob, truth, differences)
    return whole / least


@compiled
def counting_sort(prob: np.ndarray, order: np.ndarray) -> None:
    """The indices of all pixels above zero by level."""
    starts = np.zeros(257, dtype=np.int64)
    for q in prob:
        starts[q + 1] += 1
    starts[1] = 0
    for level in range(1, 256):
        starts[level + 1] += starts[level]
    for pixel in range(len(prob)):
        q = prob[pixel]
        if q:
            order[starts[q]] = pixel
            starts[q] += 1


def stage_cost(folder: str, labels: str | None, images: int, rule: str) -> tuple[float, float]:
    """Seconds of the tuning stage, and peak memory of this process after it, MB; for a process of its own."""
    source = SeverstalOof(None if labels is None else Path(labels))
    config = simulated_config(Path(folder)).model_copy(update={"tuning": TuningConfig.model_validate({"rule": rule})})
    competition = simulated_competition(source, images)
    return seconds_of(tune, config, competition), peak_memory_mb()


def stage_costs(
    source: SeverstalOof, labels: Path | None, images: int, rules: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Rule -> seconds and peak memory, MB, of the stage on the first images of the simulated OOF."""
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        config = simulated_config(Path(folder))
        write_oof(config, source, images)
        for rule in rules:
            costs[rule] = alone(stage_cost, folder, None if labels is None else str(labels), images, rule)
            seconds, peak = costs[rule]
            say(f"{images:6d} images, rule {rule}: the stage alone in a process, {seconds:.1f} s, peak {peak:.0f} MB")
            _remove_tuned(RunPaths.of(config).oof)
    return costs


def _remove_tuned(folder: Path) -> None:
    """Leave only the OOF itself, so that the next rule begins from nothing."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".parquet":
            path.unlink()


def simulated(options: Options, bench: Bench) -> None:
    """All measurements on simulated OOF predictions of Severstal's shape."""
    source, images = SeverstalOof(options.labels), options.images
    folds = [[partial(source.image, index) for index in range(fold, images, _FOLDS)] for fold in range(_FOLDS)]
    wrong = mismatches([partial(source.image, index) for index in range(0, 40)], CLASSES, 25)
    paths, clock = measure(folds, CLASSES, HEIGHT * WIDTH, bench.folder)
    say(f"{images} simulated images x {CLASSES} classes, {available_cores()} cores")
    say(f"{np.mean(clock.active):.0%} of the pixels above zero; one brute-force evaluation {clock.brute:.1f} s")
    for count, seconds in clock.marks:
        say(f"{count:6d} images: tables {seconds:7.1f} s, {1e3 * seconds / count:.2f} ms an image")
    found = compare(paths, CLASSES, clock.brute, clock.tables)
    makers = [make for fold in folds for make in fold]
    rest = choose_and_apply(paths, makers, CLASSES)
    say(f"choosing, finishing and applying what was chosen: {rest:.1f} s")
    to_limit = limit_ratio(source)
    say(f"the pass takes {to_limit:.1f} times as long as reading each byte and sorting each active pixel once")
    stage_costs(source, options.labels, 10, ("all",))  # compiles, which takes memory and time
    part = stage_costs(source, options.labels, images // 8, ("all",))["all"][1]
    costs = stage_costs(source, options.labels, images, ("auto", "all"))
    whole = costs["all"][1]
    exact, peak, sampled, *_ = found.values()
    first, last = clock.marks[0], clock.marks[-1]
    bench.claim("class scores at random settings that differ from brute force", wrong, "=", 0)
    bench.claim("exact tables / one brute-force evaluation", clock.tables / clock.brute, "≤", 2)
    if images >= 1000:  # the choice takes the same time for any number of images
        bench.claim("the whole stage / one brute-force evaluation", (clock.tables + rest) / clock.brute, "≤", 2)
        bench.claim("seconds of the stage, rule all / rule auto", costs["all"][0] / costs["auto"][0], "≤", 1.25)
    bench.claim("peak memory of the stage, MB", whole, "≤", 2048)
    bench.claim("peak memory with all images / with an eighth", whole / part, "≤", 1.05 if images >= 1000 else 1.25)
    bench.claim("time an image with all images / with an eighth", last[1] / last[0] / (first[1] / first[0]), "≤", 1.25)
    bench.claim("tuned score, exact optimum minus sampled study", peak.tuned - sampled.tuned, "≥", 0)
    bench.claim("seconds, sampled study / exact tuning", sampled.seconds / exact.seconds, "≥", 20)
    bench.claim("honest score, exact minus sampled study", exact.honest - sampled.honest, "≥", -0.003)


def of_run(config_path: Path, overrides: Sequence[str], bench: Bench) -> None:
    """The same comparison on the OOF predictions of a run."""
    config = load_config(config_path, overrides)
    competition, paths = open_competition(config.data), RunPaths.of(config)
    folds = []
    for fold in range(config.folds.count):
        images = list(iter_with_truth(paths.oof_parquet(fold), fold, competition))
        folds.append([partial(lambda image: image, image) for image in images])
    largest = int((competition.train["height"] * competition.train["width"]).max())
    classes = len(competition.class_names)
    wrong = mismatches(folds[0][:60], classes, 15)
    tables, clock = measure(folds, classes, largest, bench.folder)
    say(f"OOF of {config.name}: {len(competition.train)} images x {classes} classes,")
    say(f"{np.mean(clock.active):.0%} of the pixels above zero; one brute-force evaluation {clock.brute:.1f} s")
    found = compare(tables, classes, clock.brute, clock.tables)
    exact, peak, sampled, *_ = found.values()
    bench.claim(f"{config.name}: class scores that differ from brute force", wrong, "=", 0)
    gain = peak.tuned - sampled.tuned
    bench.claim(f"{config.name}: tuned score, exact optimum minus sampled study", gain, "≥", 0)
    bench.claim(f"{config.name}: seconds, sampled study / exact tuning", sampled.seconds / exact.seconds, ">", 1)


def run(options: Options, bench: Bench) -> None:
    """Measure on simulated predictions, and on those of a run."""
    cv2.setNumThreads(1)  # the threads are ours
    simulated(options, bench)
    if options.config is not None:
        of_run(options.config, options.set, bench)
