"""What the data audit finds and misses, and its time and memory at Severstal's size.

The demo data, in which no two images are alike: nothing may be found. Strips of 256x1600 px, one in a hundred saved
again as a changed copy: which copies are found, what else, in how many processor seconds and how much memory, each
audit in a process of its own. Tiles of photos that overlap by 20 to 90 %, turned by quarters and saved again: which
pairs are found. Pairs of photos in which a defect was pasted or a label is wrong: which are called contradictions. With
--tiles the magnetic tiles without their groups.csv: how well the proposed groups match it.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

import maskfold.artefacts.paths
from benchmarks.drawn import overlapping_tiles, pasted_defects
from benchmarks.drawn.steel_strips import CLASSES, draw_strips
from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.stages import DEMO, Run
from maskfold.artefacts.paths import RunPaths
from maskfold.audit.images.duplicates import find_pairs
from maskfold.audit.images.fingerprint import unpacked
from maskfold.audit.images.image_facts import ImageFacts, measure_image
from maskfold.audit.images.local_features import local_features
from maskfold.config import Experiment, RleCsvData
from maskfold.data.images.photo import Photo
from maskfold.execution.jobs import available_cores
from maskfold.execution.memory import peak_memory_mb
from maskfold.stages.audit_data import audit_data
from maskfold.stages.make_demo_data import make_demo_data

_SEVERSTAL = 12_568  # images
_SECONDS = 600  # of processor time for so many
_START_UP = 20  # seconds of processor time that do not depend on the number


class Options(Settings):
    """What to audit."""

    minutes: ClassVar[tuple[float, float]] = (0.3, 3)
    quick: ClassVar[dict[str, object]] = {"images": 300, "photos": 60, "defects": 60}
    images: int = 3000
    """Strips to draw."""
    photos: int = 500
    """Photos of which two overlapping tiles each are cut."""
    defects: int = 600
    """Pairs of photos with pasted defects or wrong labels."""
    tiles: Path | None = None
    """Folder of the magnetic tiles with their groups.csv."""


def audit_demo(bench: Bench) -> None:
    """Nothing is alike in the demo, and nothing may be found."""
    config = Run(DEMO, (f"data.root={bench.folder}/demo", f"output_root={bench.folder}")).load()
    make_demo_data(config)
    audit_data(config)
    for name in ("problems.csv", "unusual.csv", "pairs.csv", "conflicts.csv"):
        bench.claim(f"the demo: rows in {name}", len(pd.read_csv(RunPaths.of(config).data_audit / name)), "=", 0)


def audit_tiles(root: Path, bench: Bench) -> None:
    """The proposed groups of the magnetic tiles against the given ones."""
    overrides = (f"data.root={root.resolve()}", "data.groups_csv=null", "model.encoder_weights=null")
    config = Run("configs/magnetic_tile.yaml", (*overrides, f"output_root={bench.folder}")).load()
    audit_data(config)
    given = pd.read_csv(root / "groups.csv", dtype=str).set_index("ImageId")["GroupId"]
    own = pd.read_csv(RunPaths.of(config).data_audit / "groups.csv", dtype=str).set_index("ImageId")["GroupId"]
    true, proposed = given.loc[own.index].to_numpy(), own.to_numpy()
    (_, wrong), (missed, right) = pair_confusion_matrix(true, proposed)
    say(f"given {len(set(true))} groups, proposed {len(set(proposed))}; the largest has {own.value_counts().max()}")
    bench.claim("tiles: pairs in one proposed group that are in one given group", right / (right + wrong), "≥", 0.95)
    bench.claim("tiles: pairs in one given group that are in one proposed group", right / (right + missed), "≥", 0.6)
    bench.claim("tiles: adjusted Rand index", adjusted_rand_score(true, proposed), "≥", 0.7)


def _audited(root: Path, class_names: tuple[str, ...]) -> Path:
    """The folder of the audit of a drawn competition of train_images and train.csv."""
    data = RleCsvData(root=str(root), class_names=class_names, test_images=None, sample_submission=None)
    config = Experiment(name="drawn", output_root=str(root / "out"), data=data)
    audit_data(config)
    return RunPaths.of(config).data_audit


def _pairs(path: Path) -> set[frozenset[str]]:
    """The pairs of a csv of the audit."""
    table = pd.read_csv(path, dtype=str)
    return {frozenset(pair) for pair in zip(table["first"], table["second"], strict=True)}


def audit_overlaps(photos: int, bench: Bench) -> None:
    """Which tiles of one photo are found, by how much they overlap."""
    root = bench.folder / "overlaps"
    made = overlapping_tiles.draw_tiles(root, photos)
    started = time.process_time()
    found = _pairs(_audited(root, overlapping_tiles.CLASSES) / "pairs.csv")
    say(f"{2 * photos} tiles: {time.process_time() - started:.1f} processor seconds")
    for least, most in ((0.2, 0.3), (0.3, 0.4), (0.4, 0.6), (0.6, 0.9)):
        own = [names for names, overlap in made.items() if least <= overlap < most]
        say(f"overlap from {least} to {most}: {sum(names in found for names in own)} of {len(own)} found")
    large = [names for names, overlap in made.items() if overlap >= 0.4]
    share = sum(names in found for names in large) / len(large)
    bench.claim(f"{photos} photos: share found of tiles that share 0.4 and more", share, "≥", 0.98)
    bench.claim(f"{photos} photos: pairs found of different photos", len(found - set(made)), "=", 0)


def audit_defects(pairs: int, bench: Bench) -> None:
    """Which differing labels are called contradictions, where some images differ as well."""
    root = bench.folder / "defects"
    made = pasted_defects.draw_pairs(root, pairs)
    found = _pairs(_audited(root, pasted_defects.CLASSES) / "conflicts.csv")
    wrong = {names for names, case in made.items() if case in pasted_defects.WRONG}
    for case in pasted_defects.CASES:
        own = {names for names, other in made.items() if other == case}
        say(f"{case}: {len(own & found)} of {len(own)} pairs called contradictions")
    bench.claim(f"{pairs} pairs: contradictions that are wrong labels", len(found & wrong) / len(found), "≥", 0.9)
    bench.claim(f"{pairs} pairs: wrong labels called contradictions", len(found & wrong) / len(wrong), "≥", 0.9)


def strips_config(root: Path) -> Experiment:
    """The experiment of the drawn strips."""
    data = RleCsvData(root=str(root), class_names=CLASSES, test_images=None, sample_submission=None)
    return Experiment(name="strips", output_root=str(root / "out"), data=data)


def audit_once(root: str) -> dict[str, float]:
    """Seconds and megabytes of the whole stage; for a process of its own."""
    maskfold.artefacts.paths.REPOSITORY = Path(root) / "indices"  # the index of images belongs to the temporary folder
    imports = peak_memory_mb()
    started, processor = time.monotonic(), time.process_time()
    audit_data(strips_config(Path(root)))
    seconds = {"clock": time.monotonic() - started, "seconds": time.process_time() - processor}
    return {**seconds, "memory": peak_memory_mb(), "imports": imports}


def overlap_seconds(root: str) -> dict[str, float]:
    """Processor seconds that the search for overlapping parts takes; for a process of its own."""
    paths = sorted((Path(root) / "train_images").iterdir())
    found = (measure_image(Photo(path), *Photo(path).pixels(1).shape[:2]) for path in paths)
    facts = [fact for fact in found if isinstance(fact, ImageFacts)]
    times = [time.process_time()]
    for tiles in (False, True):
        find_pairs(paths, facts, available_cores(), tiles)
        times.append(time.process_time())
    for fact in facts:
        local_features(unpacked(fact.small))
    times.append(time.process_time())
    without, with_tiles, features = np.diff(times).tolist()
    return {"seconds": with_tiles - without + features}


def audit_strips(images: int, bench: Bench) -> None:
    """Draw, audit twice (the second time it is fresh), and compare the pairs found with the copies made."""
    root = bench.folder / "strips"
    copies = draw_strips(root, images)
    first, again = alone(audit_once, str(root)), alone(audit_once, str(root))
    for turn, cost in (("first", first), ("again", again)):
        say(f"{turn}: " + " ".join(f"{key} {value:.1f}" for key, value in cost.items()))
    overlaps = alone(overlap_seconds, str(root))["seconds"]
    say(f"of these, processor seconds of the search for overlapping parts: {overlaps:.1f}")
    pairs = pd.read_csv(RunPaths.of(strips_config(root)).data_audit / "pairs.csv")
    found = {frozenset(pair) for pair in zip(pairs["first"], pairs["second"], strict=True)}
    made = {frozenset(pair) for pair in copies.items()}
    text, bar = f"{images} strips", max(_START_UP, _SECONDS * images / _SEVERSTAL)
    bench.claim(f"{text}: share of the {len(made)} copies found", len(found & made) / len(made), "=", 1)
    bench.claim(f"{text}: other pairs found", len(found - made), "=", 0)
    bench.claim(f"{text}: processor seconds", first["seconds"], "≤", bar)
    bench.claim(
        f"{text}: times the seconds without that search", first["seconds"] / (first["seconds"] - overlaps), "≤", 2
    )
    bench.claim(f"{text}: peak MB, imports included", first["memory"], "≤", 2048)
    bench.claim(f"{text}: processor seconds when fresh", again["seconds"], "≤", _START_UP)


def run(options: Options, bench: Bench) -> None:
    """Audit the demo, drawn tiles, defects and strips, and the magnetic tiles if they are given."""
    audit_demo(bench)
    audit_overlaps(options.photos, bench)
    audit_defects(options.defects, bench)
    audit_strips(options.images, bench)
    if options.tiles is not None:
        audit_tiles(options.tiles, bench)
