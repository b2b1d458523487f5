"""Processor seconds and memory of opening a competition of many images, the first time and again.

Draws small photos (every file its own bytes), a label csv with a mask for each, a folder of mask images, and COCO jsons
with five polygons an image, into a temporary folder; opens each in a process of its own, and reads masks from it.
Processor seconds are those of all threads together, so that they hold on a busy machine too: on an idle one the clock
shows fewer. The first opening of over 20,000 images looks at headers only, as data.check: auto does; --check decode
decodes them. With --json-mb also a COCO json of that size. Prints a table and a line of JSON a claim; exits 1 when one
does not hold.

    python benchmarks/opening.py
    python benchmarks/opening.py --images 100000 --json-mb 1024
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import cv2
import numpy as np
from claims import claim

HEIGHT, WIDTH = 64, 96
SECONDS = 30.0  # the bars, for each 100,000 images: of the first opening, …
SECONDS_AGAIN = 10.0  # … of every later one, …
MEGABYTES = 300.0  # … and of memory above that of the imports
SECONDS_PER_GB = 60.0  # of json, the first time; its polygons are checked
MEGABYTES_JSON = 300.0
FEWEST = 20_000  # bars do not shrink below those of so many images: starting up costs the same

OPENED: dict[str, dict[str, object]] = {
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


def draw(root: Path, images: int) -> None:
    """The photos, masks and labels of a competition of `images` images."""
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) // 8 * 8 for _ in range(50)]
    bodies = [cv2.imencode(".jpg", photo)[1].tobytes() for photo in photos]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:30, 20:60] = 255
    coded_mask = cv2.imencode(".png", mask)[1].tobytes()
    rle = " ".join(f"{column * HEIGHT + 11} 20" for column in range(20, 60))
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
        entries = ({"id": n, "file_name": f"{n:06d}.jpg", "height": HEIGHT, "width": WIDTH} for n in range(images))
        file.write('{"images": [' + ",".join(map(json.dumps, entries)) + '], "annotations": [')
        for number in range(images * per_image):
            file.write("," if number else "")
            file.write(
                f'{{"id": {number}, "image_id": {number % images}, "category_id": 1, "segmentation": {segment}}}'
            )
        file.write('], "categories": [{"id": 1, "name": "thing"}]}')


def open_once(root: Path, kind: str, check: str) -> dict[str, float]:
    """Seconds of opening, of a mask, and megabytes above those of the imports; for a process of its own."""
    import maskfold.artefacts.paths
    from maskfold.config.data import DataConfig
    from maskfold.data.formats import coco  # noqa: F401  # so that its import does not count
    from maskfold.data.opening import open_competition
    from maskfold.execution.memory import peak_memory_mb
    from maskfold.pixels.rle import parse_runs

    maskfold.artefacts.paths.REPOSITORY = root / "indices"  # the indices belong to the temporary folder
    from pydantic import TypeAdapter

    section: dict[str, object] = {"root": str(root), "check": check, **OPENED[kind]}
    data: DataConfig = TypeAdapter(DataConfig).validate_json(json.dumps(section))
    parse_runs("1 1")  # compiles, or reads what was compiled
    before = peak_memory_mb()
    started, processor = time.monotonic(), time.process_time()
    competition = open_competition(data)
    seconds, processor = time.monotonic() - started, time.process_time() - processor
    memory = peak_memory_mb() - before
    some = competition.train["image_id"][:: max(1, len(competition.train) // 500)]
    started = time.process_time()
    for image_id in some:
        assert competition.masks(image_id).any()
    mask_ms = (time.process_time() - started) / len(some) * 1e3
    return {"seconds": processor, "clock": seconds, "memory": memory, "mask_ms": mask_ms}


def measure(root: Path, kind: str, check: str) -> Iterator[dict[str, float]]:
    """The first opening and the second."""
    for turn in ("first", "again"):
        command = [sys.executable, __file__, "--root", str(root), "--kind", kind, "--check", check]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{kind} failed:\n{done.stdout}{done.stderr}")
        found = json.loads(done.stdout.splitlines()[-1])
        clock, memory, mask = (f"{found[key]:.2f}" for key in ("clock", "memory", "mask_ms"))
        print(
            f"{kind:<14}{turn:<7}{found['seconds']:>8.2f} s (clock {clock} s)  {memory} MB  a mask {mask} ms",
            flush=True,
        )
        yield found


def main() -> int:
    """Draw, open, and print the table and the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--check", choices=["auto", "decode", "header"], default="auto")
    parser.add_argument("--json-mb", type=int, default=0, help="also open a COCO json of this size")
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=OPENED, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kind is not None:
        print(json.dumps(open_once(args.root, args.kind, args.check)))
        return 0
    scale = max(args.images, FEWEST) / 100_000
    holds = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root, args.images)
        for kind in ("rle_csv", "mask_folders", "coco"):
            first, again = measure(root, kind, args.check)
            text = f"{args.images} images as {kind}"
            holds += [
                claim(
                    f"{text}: processor seconds of the first opening",
                    first["seconds"],
                    SECONDS * scale,
                    first["seconds"] <= SECONDS * scale,
                ),
                claim(
                    f"{text}: processor seconds of a later one",
                    again["seconds"],
                    SECONDS_AGAIN * scale,
                    again["seconds"] <= SECONDS_AGAIN * scale,
                ),
                claim(
                    f"{text}: MB above the imports",
                    first["memory"],
                    MEGABYTES * scale,
                    first["memory"] <= MEGABYTES * scale,
                ),
            ]
        if args.json_mb:
            for name in sorted(path.name for path in (root / "train_images").iterdir())[:1000]:
                (root / "few" / name).hardlink_to(root / "train_images" / name)
            write_coco(root / "big.json", 1000, max(1, args.json_mb * 2**20 // 1000 // 4300), corners=300)
            size = (root / "big.json").stat().st_size / 2**30
            first, again = measure(root, "big json", args.check)
            bar = SECONDS_PER_GB * max(size, 0.1)
            holds += [
                claim(
                    f"a COCO json of {size:.2f} GB: processor seconds", first["seconds"], bar, first["seconds"] <= bar
                ),
                claim(
                    f"a COCO json of {size:.2f} GB: processor seconds again", again["seconds"], 2, again["seconds"] <= 2
                ),
                claim("its MB above the imports", first["memory"], MEGABYTES_JSON, first["memory"] <= MEGABYTES_JSON),
            ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
