"""Processor seconds and memory of opening a competition of many images, the first time and again.

Draws small photos (every file with bytes of its own), a label csv with a mask for each, a folder of mask images, and
COCO jsons with five polygons an image; opens each in a process of its own, and reads masks from it. Processor seconds
are those of all threads together, so that they hold on a busy machine too. The first opening of more than 20,000 images
looks at headers only, as data.check: auto does. With --json-mb also a COCO json of that size.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from pydantic import TypeAdapter

import maskfold.artefacts.paths
from benchmarks.measuring.alone import alone
from benchmarks.measuring.benchmark import Bench, Settings, say
from maskfold.config.data import DataConfig
from maskfold.data.formats import coco  # noqa: F401  # so that its import does not count
from maskfold.data.opening import open_competition
from maskfold.execution.memory import peak_memory_mb
from maskfold.pixels.rle import parse_runs

_HEIGHT, _WIDTH = 64, 96
_FEWEST = 20_000  # bars do not shrink below those of so many images: starting up costs the same

_OPENED: dict[str, dict[str, object]] = {
    "rle_csv": {"format": "rle_csv", "class_names": ["1"], "test_images": None, "sample_submission": None},
    "mask_folders": {"format": "mask_folders", "train_images": "train_images", "test_images": None},
    "coco": {
        "format": "coco",
        "class_names": ["thing"],
        "train_images": "train_images",
        "train_json": "train.json",
        "test_images": None,
    },
    "big json": {
        "format": "coco",
        "class_names": ["thing"],
        "train_images": "few",
        "train_json": "big.json",
        "test_images": None,
    },
}


class Options(Settings):
    """How much to open."""

    minutes: ClassVar[tuple[float, float]] = (0.3, 2)
    quick: ClassVar[dict[str, object]] = {"images": 2000}
    images: int = 10_000
    """Photos to draw."""
    check: str = "auto"
    """data.check: auto, decode or header."""
    json_mb: int = 0
    """Also open a COCO json of this size, MB."""


def draw(root: Path, images: int) -> None:
    """The photos, masks and labels of a competition of `images` images."""
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (_HEIGHT, _WIDTH, 3), dtype=np.uint8) // 8 * 8 for _ in range(50)]
    bodies = [cv2.imencode(".jpg", photo)[1].tobytes() for photo in photos]
    mask = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    mask[10:30, 20:60] = 255
    coded_mask = cv2.imencode(".png", mask)[1].tobytes()
    rle = " ".join(f"{column * _HEIGHT + 11} 20" for column in range(20, 60))
    for folder in ("train_images", "train_mask", "few"):
        (root / folder).mkdir()
    with (root / "train.csv").open("w", encoding="utf-8") as labels:
        labels.write("ImageId,ClassId,EncodedPixels\n")
        for number in range(images):
            body = bodies[number % 50]
            comment = b"\xff\xfe\x00\x0a%08d" % number  # every file has bytes of its own
            (root / f"train_images/{number:06d}.jpg").write_bytes(body[:2] + comment + body[2:])
            (root / f"train_mask/{number:06d}.png").write_bytes(coded_mask)
            labels.write(f"{number:06d}.jpg,1,{rle}\n")
    write_coco(root / "train.json", images, 5)


def write_coco(path: Path, images: int, per_image: int, corners: int = 12) -> None:
    """A COCO json of `per_image` polygons an image."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    polygon = np.column_stack([48 + 30 * np.cos(angles), 32 + 20 * np.sin(angles)]).round(2).ravel().tolist()
    segment = json.dumps([polygon])
    with path.open("w", encoding="utf-8") as file:
        entries = ({"id": n, "file_name": f"{n:06d}.jpg", "height": _HEIGHT, "width": _WIDTH} for n in range(images))
        file.write('{"images": [' + ",".join(map(json.dumps, entries)) + '], "annotations": [')
        for number in range(images * per_image):
            file.write("," if number else "")
            file.write(
                f'{{"id": {number}, "image_id": {number % images}, "category_id": 1, "segmentation": {segment}}}'
            )
        file.write('], "categories": [{"id": 1, "name": "thing"}]}')


def open_once(folder: str, kind: str, check: str) -> dict[str, float]:
    """Seconds of opening and of a mask, and megabytes above those of the imports; for a process of its own."""
    root = Path(folder)
    maskfold.artefacts.paths.REPOSITORY = root / "indices"  # the indices belong to the temporary folder
    section: dict[str, object] = {"root": str(root), "check": check, **_OPENED[kind]}
    data: DataConfig = TypeAdapter(DataConfig).validate_json(json.dumps(section))
    parse_runs("1 1")  # compiles, or reads what was compiled
    before = peak_memory_mb()
    started, processor = time.monotonic(), time.process_time()
    competition = open_competition(data)
    found = {"clock": time.monotonic() - started, "seconds": time.process_time() - processor}
    memory = peak_memory_mb() - before
    some = competition.train["image_id"][:: max(1, len(competition.train) // 500)]
    started = time.process_time()
    for image_id in some:
        assert competition.masks(image_id).any()
    return {**found, "memory": memory, "mask_ms": (time.process_time() - started) / len(some) * 1e3}


def first_and_again(root: Path, kind: str, check: str) -> tuple[dict[str, float], dict[str, float]]:
    """The first opening and the second."""
    turns = []
    for turn in ("first", "again"):
        found = alone(open_once, str(root), kind, check)
        clock, memory, mask = (f"{found[key]:.2f}" for key in ("clock", "memory", "mask_ms"))
        say(f"{kind:<14}{turn:<7}{found['seconds']:>8.2f} s (clock {clock} s)  {memory} MB  a mask {mask} ms")
        turns.append(found)
    return turns[0], turns[1]


def open_big_json(options: Options, bench: Bench) -> None:
    """A COCO json of some size, of a thousand images."""
    root = bench.folder
    for name in sorted(path.name for path in (root / "train_images").iterdir())[:1000]:
        (root / "few" / name).hardlink_to(root / "train_images" / name)
    write_coco(root / "big.json", 1000, max(1, options.json_mb * 2**20 // 1000 // 4300), corners=300)
    size = (root / "big.json").stat().st_size / 2**30
    first, again = first_and_again(root, "big json", options.check)
    bench.claim(f"a COCO json of {size:.2f} GB: processor seconds", first["seconds"], "≤", 60 * max(size, 0.1))
    bench.claim(f"a COCO json of {size:.2f} GB: processor seconds again", again["seconds"], "≤", 2)
    bench.claim("its MB above the imports", first["memory"], "≤", 300)


def run(options: Options, bench: Bench) -> None:
    """Draw and open."""
    scale = max(options.images, _FEWEST) / 100_000
    draw(bench.folder, options.images)
    for kind in ("rle_csv", "mask_folders", "coco"):
        first, again = first_and_again(bench.folder, kind, options.check)
        text = f"{options.images} images as {kind}"
        bench.claim(f"{text}: processor seconds of the first opening", first["seconds"], "≤", 30 * scale)
        bench.claim(f"{text}: processor seconds of a later one", again["seconds"], "≤", 10 * scale)
        bench.claim(f"{text}: MB above the imports", first["memory"], "≤", 300 * scale)
    if options.json_mb:
        open_big_json(options, bench)
