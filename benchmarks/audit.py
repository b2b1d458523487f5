"""What the data audit finds and misses, and its time and memory at Severstal's size.

Three parts. The demo data, in which no two images are alike: nothing may be found. With --tiles, the magnetic tiles
without their groups.csv: how well the proposed groups match it. With --images, strips of 256x1600 px drawn into a
temporary folder, one in a hundred saved anew as a copy: which copies are found and what else, in how many processor
seconds and how much memory, each stage in a process of its own. Prints tables and a line of JSON a claim; exits 1 when
one does not hold.

    python benchmarks/audit.py --tiles ../data/magnetic_tile
    OMP_NUM_THREADS=1 nice python benchmarks/audit.py --images 12568
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import cv2
import numpy as np
import pandas as pd
from claims import claim
from sklearn.metrics import adjusted_rand_score
from sklearn.metrics.cluster import pair_confusion_matrix

from maskfold.artefacts.paths import RunPaths
from maskfold.config import REPOSITORY, Config, RleCsvData, load_config
from maskfold.execution.memory import peak_memory_mb
from maskfold.pixels.rle import encode
from maskfold.stages.audit_data import audit_data
from maskfold.stages.make_demo_data import make_demo_data

HEIGHT, WIDTH = 256, 1600
CLASSES = ("1", "2", "3", "4")
MINUTES = 10.0  # processor minutes for 12,568 images
MEGABYTES = 2048.0
PRECISION = 0.95  # of the groups proposed for the tiles
_CANVAS = 4096, 8192  # grain that the strips are cut from


def audit_demo(folder: Path) -> list[bool]:
    """Nothing is alike in the demo, and nothing may be found."""
    overrides = [f"data.root={folder / 'demo'}", f"output_root={folder}"]
    config = load_config(REPOSITORY / "configs" / "demo.yaml", overrides)
    make_demo_data(config)
    audit_data(config)
    names = ("problems.csv", "pairs.csv", "conflicts.csv")
    found = {name: len(pd.read_csv(RunPaths.of(config).data_audit / name)) for name in names}
    return [claim(f"the demo: rows in {name}", count, 0, count == 0) for name, count in found.items()]


def audit_tiles(folder: Path, root: Path) -> list[bool]:
    """The proposed groups of the magnetic tiles beside the given ones."""
    overrides = [f"data.root={root.resolve()}", "data.groups_csv=null", f"output_root={folder}"]
    config = load_config(REPOSITORY / "configs" / "magnetic_tile.yaml", [*overrides, "model.encoder_weights=null"])
    audit_data(config)
    given = pd.read_csv(root / "groups.csv", dtype=str).set_index("ImageId")["GroupId"]
    own = pd.read_csv(RunPaths.of(config).data_audit / "groups.csv", dtype=str).set_index("ImageId")["GroupId"]
    true, proposed = given.loc[own.index].to_numpy(), own.to_numpy()
    (_, wrong), (missed, right) = pair_confusion_matrix(true, proposed)
    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"given {len(set(true))} groups, proposed {len(set(proposed))}; the largest has {own.value_counts().max()}")
    return [
        claim(
            "tiles: pairs in one proposed group that are in one given group",
            precision,
            PRECISION,
            precision >= PRECISION,
        ),
        claim("tiles: pairs in one given group that are in one proposed group", recall, 0.6, recall >= 0.6),
        claim("tiles: adjusted Rand index", (index := adjusted_rand_score(true, proposed)), 0.7, index >= 0.7),
    ]


def draw_strips(root: Path, images: int) -> dict[str, str]:
    """Strips of steel with labels, every hundredth a copy saved anew; returns copy -> original."""
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.standard_normal(_CANVAS, dtype=np.float32) * 14, (0, 0), sigmaX=2.5, sigmaY=0.8)
    (root / "train_images").mkdir(parents=True)
    copies: dict[str, str] = {}
    last: tuple[str, np.ndarray] | None = None
    with (root / "train.csv").open("w", encoding="utf-8") as labels:
        labels.write("ImageId,ClassId,EncodedPixels\n")
        for number in range(images):
            name = f"{number:06d}.jpg"
            if number % 100 == 99 and last is not None:
                copies[name] = last[0]
                changed, quality = np.clip(last[1] * 0.9 + 20, 0, 255), 75
                _write(root / "train_images" / name, changed.astype(np.uint8), quality)
                continue
            strip, mask = _strip(rng, grain)
            _write(root / "train_images" / name, strip, 92)
            if number % 2:
                labels.write(f"{name},{number // 2 % 4 + 1},{encode(mask)}\n")
            else:
                last = name, strip
    return copies


def _strip(rng: np.random.Generator, grain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(HEIGHT, WIDTH) uint8 grey values of light, lines, grain and a stain, and the stain's mask."""
    light = np.interp(np.arange(WIDTH), np.linspace(0, WIDTH, 9), rng.normal(0, 9, 9)).astype(np.float32)
    lines = cv2.GaussianBlur(rng.normal(0, 4, (HEIGHT, 1)).astype(np.float32), (1, 3), 0)
    surface = light + lines + np.float32(rng.uniform(95, 150))
    for _ in range(2):  # two cuts: strips that share one by chance still differ
        top, left = (int(rng.integers(0, side - own)) for side, own in zip(_CANVAS, (HEIGHT, WIDTH), strict=True))
        surface += grain[top : top + HEIGHT, left : left + WIDTH]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    centre = int(rng.integers(100, WIDTH - 100)), int(rng.integers(30, HEIGHT - 30))
    cv2.ellipse(mask, centre, (int(rng.integers(8, 90)), int(rng.integers(5, 30))), 0, 0, 360, 1, -1)
    surface -= 40 * mask
    return np.clip(surface, 0, 255).astype(np.uint8), mask


def _write(path: Path, grey: np.ndarray, quality: int) -> None:
    path.write_bytes(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


def strips_config(root: Path) -> Config:
    """The experiment of the drawn strips."""
    data = RleCsvData(root=str(root), class_names=CLASSES, test_images=None, sample_submission=None)
    return Config(name="strips", output_root=str(root / "out"), data=data)


def audit_once(root: Path) -> dict[str, float]:
    """Seconds and megabytes of the whole stage; for a process of its own."""
    import maskfold.artefacts.paths

    maskfold.artefacts.paths.REPOSITORY = root / "indices"  # the index of images belongs to the temporary folder
    imports = peak_memory_mb()
    started, processor = time.monotonic(), time.process_time()
    audit_data(strips_config(root))
    seconds = {"clock": time.monotonic() - started, "seconds": time.process_time() - processor}
    return {**seconds, "memory": peak_memory_mb(), "imports": imports}


def audit_strips(folder: Path, images: int) -> list[bool]:
    """Draw, audit twice (the second time it is fresh), and compare the pairs found with the copies made."""
    root = folder / "strips"
    copies = draw_strips(root, images)
    runs = []
    for turn in ("first", "again"):
        done = subprocess.run([sys.executable, __file__, "--root", str(root)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the audit failed:\n{done.stdout}{done.stderr}")
        runs.append(json.loads(done.stdout.splitlines()[-1]))
        print(turn, " ".join(f"{key} {value:.1f}" for key, value in runs[-1].items()), flush=True)
    pairs = pd.read_csv(RunPaths.of(strips_config(root)).data_audit / "pairs.csv")
    found = {frozenset(pair) for pair in zip(pairs["first"], pairs["second"], strict=True)}
    planted = {frozenset(pair) for pair in copies.items()}
    share, others, bar = len(found & planted) / len(planted), len(found - planted), 60 * MINUTES * images / 12_568
    seconds, memory = runs[0]["seconds"], runs[0]["memory"]
    text = f"{images} strips"
    return [
        claim(f"{text}: share of the {len(planted)} copies found", share, 1, share == 1),
        claim(f"{text}: pairs found that are none", others, 0, others == 0),
        claim(f"{text}: processor seconds", seconds, bar, seconds <= bar),
        claim(f"{text}: peak MB, imports included", memory, MEGABYTES, memory <= MEGABYTES),
        claim(f"{text}: processor seconds when fresh", runs[1]["seconds"], 20, runs[1]["seconds"] <= 20),
    ]


def main() -> int:
    """Run the parts that were asked for, and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=Path, metavar="FOLDER", help="the magnetic tiles with their groups.csv")
    parser.add_argument("--images", type=int, default=0, help="strips to draw and audit")
    parser.add_argument("--no-demo", action="store_true", help="leave out the demo")
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.root is not None:
        print(json.dumps(audit_once(args.root)))
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        holds = [] if args.no_demo else audit_demo(folder)
        if args.tiles is not None:
            holds += audit_tiles(folder, args.tiles)
        if args.images:
            holds += audit_strips(folder, args.images)
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
