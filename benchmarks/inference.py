"""Images per second from files to run lengths, against bare forward passes; peak memory as the images grow in number.

bare: the same five networks on four views of one batch that is already in memory, nothing else: the limit.
ours: what make_submission does with a shard: decoding, padding, views, mean over networks and views, original size,
rules, run lengths. Both with the same precision and allocator; the sides take turns, each in a process of its own.
memory: the whole stage on some of the images, in a process of its own; its loader processes, which hold a few decoded
images each, are not counted. Images are drawn as for the demo, the networks have random weights. Prints a table and one
line of JSON a claim; exits 1 when a claim does not hold.

    python benchmarks/inference.py                                quick, small images
    python benchmarks/inference.py --speed-images 400 --images 200 800 3200 --config configs/severstal.yaml \\
        --set demo.height=256 demo.width=1600
    python benchmarks/inference.py --rounds 0 --images 200 800 3200 --set folds.count=2 inference.tta=[]   memory alone
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import pandas as pd
import torch
from claims import claim

from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.config import Config, load_config
from maskfold.data.competition import Competition
from maskfold.data.images.files import check_images, image_table, list_images
from maskfold.execution.memory import peak_memory_mb
from maskfold.inference.batches import batch_loader
from maskfold.inference.runtime import Runtime
from maskfold.inference.tta import tta_views
from maskfold.network.model import load_model
from maskfold.rules.rules import ComponentRule
from maskfold.rules.tuned import TunedArtefact
from maskfold.stages.make_demo_data import make_demo_data
from maskfold.stages.make_submission import make_submission
from maskfold.submission.predicting import predict_rows
from support.random_run import write_rules, write_weights

SPEED_BAR = 0.90
MEMORY_BAR = 1.05
FOLDS, TTA = 5, "[hflip, vflip]"  # both flips and the half turn that they make: four views


def prepare(config: Config) -> None:
    """Draw the images, and write random weights with rules that find something in what they predict."""
    make_demo_data(config)
    write_weights(config)
    # Random networks say 0.5 with some noise: half of the pixels are on, far more to encode than in a real answer.
    write_rules(config, [ComponentRule(threshold=128, min_area_px=64)] * len(config.data.class_names or ()))


def test_images(config: Config, count: int) -> pd.DataFrame:
    """The first images: image_id, path, height, width."""
    paths = list_images(resolve(config.data.root) / "test_images")[:count]
    return image_table({path.name: path for path in paths}, check_images(paths)[0])


def bare(config: Config, count: int) -> float:
    """Images per second of the forward passes alone."""
    runtime, paths = Runtime.of(config), RunPaths.of(config)
    images = test_images(config, config.inference.batch_size)
    loader = batch_loader(images, config.model, config.inference, config.train.workers, runtime.device)
    pixels = next(iter(loader)).pixels.to(runtime.device)
    classes = len(config.data.class_names or ())
    models = [load_model(paths.model(fold), config.model, classes) for fold in range(config.folds.models)]
    models = [model.to(runtime.device).eval() for model in models]
    views = len(tta_views(config.inference.tta, (pixels.shape[2], pixels.shape[3])))

    def batch() -> None:
        with torch.inference_mode(), runtime.autocast():
            for _ in range(views):
                for model in models:
                    model(pixels)

    batch()
    _wait_for(runtime)
    started, batches = time.monotonic(), max(1, round(count / len(pixels)))
    for _ in range(batches):
        batch()
    _wait_for(runtime)
    return batches * len(pixels) / (time.monotonic() - started)


def _wait_for(runtime: Runtime) -> None:
    if runtime.device.type == "cuda":
        torch.cuda.synchronize()


def ours(config: Config, count: int) -> float:
    """Images per second from files to run lengths."""
    images = test_images(config, count)
    tuned = TunedArtefact.read(RunPaths.of(config).postprocess_json)
    list(predict_rows(config, tuned, images.iloc[: config.inference.batch_size], "warming up"))
    started = time.monotonic()
    list(predict_rows(config, tuned, images, "measuring"))
    return count / (time.monotonic() - started)


def memory(config: Config, count: int) -> float:
    """Peak resident memory of the submission stage on some images, MB."""
    names = config.data.class_names or ()
    images = test_images(config, count)
    make_submission(config, Competition(names, images.iloc[:0], images, _no_masks))
    return peak_memory_mb()


def _no_masks(image_id: str) -> np.ndarray:
    raise AssertionError(f"the submission stage needs no masks, found a request for {image_id}")


def measure(role: str, count: int, arguments: list[str]) -> float:
    """What a side reports, in a process of its own."""
    # Only in this process: it brings along what the sides do not need.
    from training import ALLOCATOR

    command = [sys.executable, __file__, *arguments, "--role", role, "--count", str(count)]
    done = subprocess.run(command, env=os.environ | ALLOCATOR, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{role} failed:\n{done.stdout}{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def speed(arguments: list[str], count: int, rounds: int) -> float:
    """Images per second of ours over those of the bare passes around it."""
    bares, rates = [measure("bare", count, arguments)], []
    for _ in range(rounds):
        rates.append(measure("ours", count, arguments))
        bares.append(measure("bare", count, arguments))
    for name, found in (("ours", rates), ("bare", bares)):
        print(f"{name:<8}{median(found):>8.2f} images/s   ({', '.join(f'{rate:.2f}' for rate in found)})", flush=True)
    pairs = zip(rates, bares[:-1], bares[1:], strict=True)
    return median(rate / ((before + after) / 2) for rate, before, after in pairs)


def peaks(arguments: list[str], counts: list[int]) -> float:
    """The largest peak over the smallest, at several numbers of images."""
    found = []
    for count in counts:
        found.append(measure("memory", count, arguments))
        print(f"memory  {found[-1]:>8.0f} MB at {count} images", flush=True)
    return max(found) / min(found)


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--images", type=int, nargs="+", default=[50, 100, 200], help="for memory")
    parser.add_argument("--speed-images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3, help="of the speed's two sides; 0: measure memory alone")
    parser.add_argument("--role", choices=["bare", "ours", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure the sides in turn and print the table and the claims."""
    args = parse_args()
    if args.role is not None:
        side = {"bare": bare, "ours": ours, "memory": memory}[args.role]
        print(json.dumps(side(load_config(args.config, args.set), args.count)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            f"output_root={folder}",
            f"data.root={folder}/data",
            f"demo.test_images={max(*args.images, args.speed_images)}",
            "demo.train_images=8",
            f"folds.count={FOLDS}",
            f"inference.tta={TTA}",
            "model.encoder_weights=null",
            *args.set,
        ]
        prepare(load_config(args.config, settings))
        arguments = ["--config", args.config, "--set", *settings]
        holds = []
        if args.rounds:
            ratio = speed(arguments, args.speed_images, args.rounds)
            what = "files to run lengths / bare forward passes, images a second"
            holds.append(claim(what, ratio, SPEED_BAR, ratio >= SPEED_BAR))
        growth = peaks(arguments, args.images)
        what = f"peak memory at {', '.join(map(str, args.images))} images, largest / smallest"
        holds.append(claim(what, growth, MEMORY_BAR, growth <= MEMORY_BAR))
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
