"""What exact tuning costs and finds, beside brute force and what people use, in one run.

  python benchmarks/tuning.py                     2000 images (five minutes)
  python benchmarks/tuning.py --images 12568      the size of Severstal
  python benchmarks/tuning.py --config configs/magnetic_tile.yaml    also the OOF of a run

Reads ../shared/data/severstal_labels (or --labels). A brute-force evaluation is one setting on every map: OpenCV's
connected components, an area filter, and the areas. Both sides use the same cores on the same maps in turn. Memory is
that of the whole stage in a process of its own; see tuning_memory.py. Ends with one line of JSON a claim; exits 1 when
one does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import cv2
import numpy as np
import optuna
from claims import claim
from severstal_oof import ALL_IMAGES, CLASSES, HEIGHT, WIDTH, SeverstalOof
from tuning_memory import stage_peaks_mb

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, TuningConfig, load_config
from maskfold.data.opening import open_competition
from maskfold.execution.compiled import compiled
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.oof.with_truth import LabelledOof, iter_with_truth
from maskfold.pixels.metrics import PLANES, fixed_scores
from maskfold.rules.rules import DEFAULT_RULE
from maskfold.tuning.choice import choose_rule
from maskfold.tuning.component_pass import ComponentPass
from maskfold.tuning.finishes import SAMPLE_PX, all_rules
from maskfold.tuning.plateau import best_setting, choose
from maskfold.tuning.rule_areas import rule_areas
from maskfold.tuning.score_tables import (
    FoldTables,
    ScoreTable,
    area_grid,
    total,
)
from maskfold.tuning.study import memory_study
from maskfold.tuning.table_filling import TableBuilder, fold_tables

FOLDS = 5
CHUNK = 32
TRIALS = 100
GRID_THRESHOLDS = tuple(range(26, 256, 25))
GRID_AREAS = (0, 100, 200, 400, 600, 1000, 2000, 3000)
TUNING = TuningConfig()


class Scores(NamedTuple):
    """What a way to choose costs and finds: seconds, and means over classes."""

    seconds: float
    tuned: float
    honest: float


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


@dataclass
class Clock:
    """Seconds spent on either side, and the state after each eighth of the images."""

    tables: float = 0.0
    brute: float = 0.0
    active: list[float] = field(default_factory=list)  # share of pixels above zero, a chunk
    marks: list[tuple[int, float]] = field(default_factory=list)  # images, seconds of tables


def seconds_of(work: Callable[..., object], *arguments: object) -> float:
    """Wall-clock seconds of some work."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def measure(
    folds: Sequence[Sequence[Callable[[], LabelledOof]]], classes: int, largest_px: int, folder: Path
) -> tuple[list[Path], Clock]:
    """Fill and save the tables of every fold and evaluate one setting by brute force, chunk by chunk in turn.

    folds: for each fold, functions that make its images. Only what tuning and brute force do is timed.
    """
    threads = available_cores()
    grid = area_grid(largest_px, TUNING.dense_areas, TUNING.area_growth)
    clock, done, paths = Clock(), 0, []
    first = folds[0][0]()
    gated = first.oof.class_prob is not None
    TableBuilder("dice", grid, 8, classes, gated, 1).add([first])  # compiles
    images = sum(map(len, folds))
    marks = [max(1, round(images * share)) for share in (0.125, 0.25, 0.5, 1.0)]
    for fold, makers in enumerate(folds):
        builder = TableBuilder("dice", grid, 8, classes, gated, threads)
        for start in range(0, len(makers), CHUNK):
            chunk = list(map_threads(lambda make: make(), makers[start : start + CHUNK], threads))
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


def all_at_one_setting(images: Sequence[LabelledOof]) -> list[np.ndarray]:
    """One brute-force evaluation of a usual setting, threshold 0.5 and at least 500 px, with all cores."""
    return list(map_threads(lambda image: brute_force(image, 128, 500), images, available_cores()))


def choose_and_evaluate(paths: Sequence[Path], makers: Sequence[Callable[[], LabelledOof]], classes: int) -> float:
    """Seconds of the rest of the stage: choosing among all rules, honestly, then applying what was chosen.

    Applying is measured on every eighth image and extrapolated.
    """
    started = time.perf_counter()
    per_class = ([FoldTables.load(path, [index]) for path in paths] for index in range(classes))
    choices = [choose_rule(tables, TUNING, 0, memory_study()) for tables in per_class]
    seconds = time.perf_counter() - started
    print(f"  choosing among all rules of {classes} classes: {seconds:.1f} s")
    largest, cores = HEIGHT * WIDTH, available_cores()
    finishes = [all_rules(choice) for choice in choices]
    sample = [make() for make in makers[: SAMPLE_PX // (largest * classes)]]
    finishing = seconds_of(lambda: list(rule_areas(sample, finishes, largest, cores)))
    print(f"  trying finishes on {len(sample)} images: {finishing:.1f} s")
    seconds += finishing
    some = makers[::8]
    for start in range(0, len(some), CHUNK):
        chunk = [make() for make in some[start : start + CHUNK]]
        fold = chunk[0].oof.fold
        rules = [(DEFAULT_RULE, choice.rule, choice.without_fold[fold]) for choice in choices]
        seconds += 8 * seconds_of(lambda images, rules: list(rule_areas(images, rules, largest, cores)), chunk, rules)
    return seconds


def mismatches(makers: Sequence[Callable[[], LabelledOof]], classes: int, settings: int) -> int:
    """At how many random settings the exact tables of some images differ, in any bit, from brute force."""
    labelled = [make() for make in makers]
    largest = max(image.truth[0].size for image in labelled)
    grid = area_grid(largest, TUNING.dense_areas, TUNING.area_growth)
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


def sampled_choice(tables: Sequence[ScoreTable], seed: int) -> tuple[int, int]:
    """Row and column that an Optuna study of 100 trials ends with; the score is looked up, brute force would agree."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scores = total(tables).scores()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        area = trial.suggest_int("min_area_px", 0, 5000)
        return float(scores[trial.suggest_int("threshold", 1, 255) - 1, np.searchsorted(tables[0].area_grid, area)])

    study.optimize(objective, n_trials=TRIALS)
    return study.best_params["threshold"] - 1, int(
        np.searchsorted(tables[0].area_grid, study.best_params["min_area_px"])
    )


def grid_choice(tables: Sequence[ScoreTable]) -> tuple[int, int]:
    """Row and column of the best of a hand-listed grid."""
    scores = total(tables).scores()
    columns = np.searchsorted(tables[0].area_grid, GRID_AREAS)
    best = max(((t - 1, int(c)) for t in GRID_THRESHOLDS for c in columns), key=lambda place: scores[place])
    return best


def exact_choice(tables: Sequence[ScoreTable]) -> tuple[int, int]:
    """Row and column of ours: the middle of the plateau."""
    choice = choose(tables)
    return choice.row, choice.column


def peak_choice(tables: Sequence[ScoreTable]) -> tuple[int, int]:
    """Row and column of the very peak."""
    return best_setting(total(tables))


def compare(paths: Sequence[Path], classes: int, brute_seconds: float, tables_seconds: float) -> dict[str, Scores]:
    """Mean tuned and honest score, and seconds, of every way to choose; prints a table."""
    ways: dict[str, tuple[Callable[[Sequence[ScoreTable]], tuple[int, int]], float]] = {
        "exact, middle of the plateau": (exact_choice, 0.0),
        "exact, very peak": (peak_choice, 0.0),
        f"Optuna, {TRIALS} sampled trials": (lambda tables: sampled_choice(tables, 0), TRIALS * brute_seconds),
        f"grid, {len(GRID_THRESHOLDS)} x {len(GRID_AREAS)}": (
            grid_choice,
            len(GRID_THRESHOLDS) * len(GRID_AREAS) * brute_seconds,
        ),
        "default 0.5": (lambda tables: (127, 0), brute_seconds),
    }
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for index in range(classes):
        tables = [FoldTables.load(path, [index]).table(0) for path in paths]
        for name, (way, _) in ways.items():
            started = time.perf_counter()
            place = way(tables)
            spent[name] += time.perf_counter() - started
            others = [way([t for k, t in enumerate(tables) if k != fold]) for fold in range(len(tables))]
            held_out = [table.scores()[other] for table, other in zip(tables, others, strict=True)]
            honest = float(np.average(held_out, weights=[table.images for table in tables]))
            rows[name].append((float(total(tables).scores()[place]), honest))
    found = {}
    for name, (_, brute) in ways.items():
        tuned, honest = np.mean(rows[name], axis=0)
        # Looking a sampled trial up costs us little, but whoever has no table pays a brute-force evaluation for it.
        seconds = brute or tables_seconds + spent[name]
        found[name] = Scores(seconds, float(tuned), float(honest))
        print(f"  {name:34s} {seconds:10.1f} s   tuned {tuned:.5f}   honest {honest:.5f}")
    return found


def limit_ratio(source: SeverstalOof, maps: int = 40) -> float:
    """How many times longer the pass takes than reading every byte and counting-sorting every active pixel once."""
    grid = area_grid(HEIGHT * WIDTH, TUNING.dense_areas, TUNING.area_growth)
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


def simulated(labels: Path, images: int) -> list[tuple[str, float, float, bool]]:
    """All measurements on simulated OOF of Severstal's shape: (claim, value, bar, holds)."""
    source = SeverstalOof(labels)
    folds = [[partial(source.image, index) for index in range(fold, images, FOLDS)] for fold in range(FOLDS)]
    wrong = mismatches([partial(source.image, index) for index in range(0, 40)], CLASSES, 25)
    with tempfile.TemporaryDirectory() as folder:
        paths, clock = measure(folds, CLASSES, HEIGHT * WIDTH, Path(folder))
        print(f"simulated Severstal OOF: {images} images x {CLASSES} classes, {available_cores()} cores,")
        print(f"  {np.mean(clock.active):.0%} of the pixels above zero; one brute-force evaluation {clock.brute:.1f} s")
        for count, seconds in clock.marks:
            print(f"  {count:6d} images: tables {seconds:7.1f} s, {1e3 * seconds / count:.2f} ms an image")
        found = compare(paths, CLASSES, clock.brute, clock.tables)
        rest = choose_and_evaluate(paths, [make for fold in folds for make in fold], CLASSES)
    print(f"  choosing, finishing and applying what was chosen: {rest:.1f} s")
    exact, peak_way, sampled, *_ = found.values()
    first, last = clock.marks[0], clock.marks[-1]
    slope = (last[1] / last[0]) / (first[1] / first[0])
    table_ratio, whole_ratio = clock.tables / clock.brute, (clock.tables + rest) / clock.brute
    to_limit = limit_ratio(source)
    print(f"  the pass takes {to_limit:.1f} times as long as reading each byte and sorting each active pixel once")
    gain, speed = peak_way.tuned - sampled.tuned, sampled.seconds / exact.seconds
    honest = exact.honest - sampled.honest
    peak_of_eighth, peak_of_all = stage_peaks_mb(labels, (images // 8, images))
    growth = peak_of_all / peak_of_eighth
    return [
        ("class scores at random settings of real Severstal masks that differ from brute force", wrong, 0, wrong == 0),
        ("exact tables of the simulated set / one brute-force evaluation", table_ratio, 2.0, table_ratio <= 2.0),
        ("the whole stage on the simulated set / one brute-force evaluation", whole_ratio, 2.0, whole_ratio <= 2.0),
        ("peak memory of the stage, MB", peak_of_all, 2048, peak_of_all < 2048),
        ("peak memory with all images / with an eighth", growth, 1.05, growth <= 1.05),
        ("time an image with all images / with an eighth", slope, 1.25, slope <= 1.25),
        ("tuned score, exact optimum minus sampled study", gain, 0, gain >= 0),
        ("seconds, sampled study / exact tuning", speed, 20, speed >= 20),
        ("honest score, exact minus sampled study", honest, -0.003, honest >= -0.003),
    ]


def real(config_path: Path, overrides: Sequence[str]) -> list[tuple[str, float, float, bool]]:
    """The same comparison on the OOF of a run: (claim, value, bar, holds)."""
    config = load_config(config_path, overrides)
    competition, paths = open_competition(config.data), RunPaths.of(config)
    folds = []
    for fold in range(config.folds.count):
        labelled = list(iter_with_truth(paths.oof_parquet(fold), fold, competition))
        folds.append([partial(lambda image: image, image) for image in labelled])
    largest = int((competition.train["height"] * competition.train["width"]).max())
    classes = len(competition.class_names)
    wrong = mismatches(folds[0][:60], classes, 15)
    with tempfile.TemporaryDirectory() as folder:
        tables, clock = measure(folds, classes, largest, Path(folder))
        print(f"OOF of {config.name}: {len(competition.train)} images x {classes} classes,")
        print(f"  {np.mean(clock.active):.0%} of the pixels above zero; one brute-force evaluation {clock.brute:.1f} s")
        found = compare(tables, classes, clock.brute, clock.tables)
    exact, peak_way, sampled, *_ = found.values()
    better, speed = peak_way.tuned - sampled.tuned, sampled.seconds / exact.seconds
    return [
        (f"{config.name}: class scores that differ from brute force", wrong, 0, wrong == 0),
        (f"{config.name}: tuned score, exact optimum minus sampled study", better, 0, better >= 0),
        (f"{config.name}: seconds, sampled study / exact tuning", speed, 1, speed > 1),
    ]


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help=f"simulated images ({ALL_IMAGES} is all of Severstal)")
    parser.add_argument("--labels", type=Path, default=REPOSITORY.parent / "shared/data/severstal_labels")
    parser.add_argument("--config", type=Path, help="also compare on the OOF of this run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args()
    cv2.setNumThreads(1)  # the threads are ours
    found = []
    if args.labels.is_dir():
        found += simulated(args.labels, args.images)
    else:
        print(f"{args.labels} is not there: the simulated set is left out")
    if args.config is not None:
        found += real(args.config, args.overrides)
    results = [claim(*each) for each in found]
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
