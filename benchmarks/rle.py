"""Run lengths from and to the competition's text: ours beside the usual snippet, pycocotools and pytorch-toolbelt.

  python benchmarks/rle.py                  200 real Severstal masks (half a minute)
  python benchmarks/rle.py --masks 2845     all of them
  python benchmarks/rle.py --labels DIR     a folder with a train.csv of Severstal's second form

pytorch-toolbelt is measured where it can be imported. It asks for opencv-python, which would overwrite the headless
OpenCV of this environment, so it goes into a folder of its own:

  pip install --no-deps --target /tmp/toolbelt pytorch-toolbelt==0.8.0
  PYTHONPATH=/tmp/toolbelt python benchmarks/rle.py

Reads ../shared/data/severstal_labels (or --labels). Real masks are 256x1600 like the blank and the noisy ones (every
pixel a coin toss); they are more than the cache holds. Every side starts from a C-contiguous uint8 mask or a text, and
may return a decoded mask in any memory order: ours alone is C-contiguous in column order too. The sides take turns; the
least CPU time of the rounds counts. Ends with one line of JSON a claim; exits 1 when one does not hold.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from claims import claim
from pycocotools import mask as coco

from maskfold.config import REPOSITORY
from maskfold.data.formats.rle_csv import read_label_rows
from maskfold.pixels.rle import Order, decode, encode

HEIGHT, WIDTH = 256, 1600
ORDERS: tuple[Order, ...] = ("column", "row")
OURS, SNIPPET = "maskfold", "snippet"


class Side(NamedTuple):
    """One implementation: mask (H, W) uint8 to text, and text to (H, W) mask."""

    encode: Callable[[np.ndarray, Order], str]
    decode: Callable[[str, Order], np.ndarray]


def snippet_encode(mask: np.ndarray, order: Order) -> str:
    """What most Kaggle notebooks paste."""
    pixels = mask.T.flatten() if order == "column" else mask.flatten()
    pixels = np.concatenate([[0], pixels, [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(x) for x in runs)


def snippet_decode(text: str, order: Order) -> np.ndarray:
    """What most Kaggle notebooks paste; a transposed view in column order."""
    s = text.split()
    starts, lengths = [np.asarray(x, dtype=int) for x in (s[0:][::2], s[1:][::2])]
    starts -= 1
    ends = starts + lengths
    img = np.zeros(HEIGHT * WIDTH, dtype=np.uint8)
    for lo, hi in zip(starts, ends, strict=True):
        img[lo:hi] = 1
    return img.reshape(WIDTH, HEIGHT).T if order == "column" else img.reshape(HEIGHT, WIDTH)


def coco_encode(mask: np.ndarray, order: Order) -> str:
    """Through pycocotools, which wants columns in memory, and its compressed counts, unpacked with numpy."""
    packed = coco.encode(np.asfortranarray(mask if order == "column" else mask.T))["counts"]
    sixes = np.frombuffer(packed, dtype=np.uint8).astype(np.int64) - 48
    firsts = np.flatnonzero(np.r_[True, (sixes[:-1] & 32) == 0])
    sizes = np.diff(np.r_[firsts, len(sixes)])
    place = np.arange(len(sixes)) - np.repeat(firsts, sizes)
    counts = np.add.reduceat((sixes & 31) << 5 * place, firsts)
    last = firsts + sizes - 1
    counts -= np.where(sixes[last] & 16, 1 << 5 * sizes, 0)
    counts[1::2] = np.cumsum(counts[1::2])  # from the fourth on, each is the difference to the one two before
    counts[2::2] = np.cumsum(counts[2::2])
    edges = np.cumsum(counts)
    runs = np.column_stack([edges[:-1:2] + 1, counts[1::2]]) if len(counts) > 1 else np.empty((0, 2), dtype=int)
    return " ".join(map(str, runs.ravel().tolist()))


def coco_decode(text: str, order: Order) -> np.ndarray:
    """Through uncompressed counts and pycocotools."""
    runs = np.array(text.split(), dtype=np.int64).reshape(-1, 2)
    ends = runs[:, 0] - 1 + runs[:, 1]
    counts = np.empty(2 * len(runs) + 1, dtype=np.int64)
    counts[1::2] = runs[:, 1]
    counts[:-1:2] = runs[:, 0] - 1 - np.r_[0, ends[:-1]][: len(runs)]
    counts[-1] = HEIGHT * WIDTH - (ends[-1] if len(runs) else 0)
    size = [HEIGHT, WIDTH] if order == "column" else [WIDTH, HEIGHT]
    mask = coco.decode(coco.frPyObjects({"counts": counts.tolist(), "size": size}, *size))
    return mask if order == "column" else mask.T


def toolbelt_side() -> Side | None:
    """pytorch-toolbelt's functions, which know column order; rows are columns of the transposed mask."""
    try:
        rle: Any = importlib.import_module("pytorch_toolbelt.utils.rle")
    except ImportError as error:
        print(f"pytorch-toolbelt is left out ({error}); --help says how to bring it")
        return None

    def decoded(text: str, order: Order) -> np.ndarray:
        if order == "column":
            return rle.rle_decode(text, (HEIGHT, WIDTH), np.uint8)
        return rle.rle_decode(text, (WIDTH, HEIGHT), np.uint8).T

    return Side(lambda mask, order: rle.rle_to_string(rle.rle_encode(mask if order == "column" else mask.T)), decoded)


def all_sides() -> dict[str, Side]:
    """Ours and the others, by name."""
    ours = Side(encode, lambda text, order: decode(text, HEIGHT, WIDTH, order))
    sides = {
        OURS: ours,
        SNIPPET: Side(snippet_encode, snippet_decode),
        "pycocotools": Side(coco_encode, coco_decode),
    }
    toolbelt = toolbelt_side()
    return sides if toolbelt is None else {**sides, "pytorch-toolbelt": toolbelt}


def test_masks(labels: Path, count: int) -> dict[str, list[np.ndarray]]:
    """The masks to measure on, by kind; (256, 1600) uint8 each."""
    rng = np.random.default_rng(0)
    rows = [row for row in read_label_rows(labels / "train.csv") if row.rle]
    chosen = rows[:: max(1, len(rows) // count)][:count]
    return {
        "real": [decode(row.rle, HEIGHT, WIDTH) for row in chosen],
        "blank": [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(50)],
        "noisy": [(rng.random((HEIGHT, WIDTH)) < 0.5).astype(np.uint8) for _ in range(3)],
    }


def disagreements(sides: dict[str, Side], masks: Sequence[np.ndarray]) -> int:
    """How often a side's text or mask is not what ours is, in both orders; ours must also decode to the mask."""
    wrong = 0
    for mask in masks:
        for order in ORDERS:
            text = encode(mask, order)
            wrong += sum(side.encode(mask, order) != text for side in sides.values())
            wrong += sum(not np.array_equal(side.decode(text, order), mask) for side in sides.values())
    return wrong


def best_seconds(work: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """The shortest CPU time of each side, which take turns; each is a single thread."""
    best = dict.fromkeys(work, float("inf"))
    for _ in range(rounds):
        for name, run in work.items():
            started = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - started)
    return best


def measure(
    sides: dict[str, Side], masks: Sequence[np.ndarray], order: Order, rounds: int
) -> dict[str, dict[str, float]]:
    """Seconds a mask of every side: {"encode": {side: seconds}, "decode": {…}}."""
    texts = [encode(mask, order) for mask in masks]

    def encoding(side: Side) -> None:
        for mask in masks:
            side.encode(mask, order)

    def decoding(side: Side) -> None:
        for text in texts:
            side.decode(text, order)

    found = {}
    for name, work in (("encode", encoding), ("decode", decoding)):
        best = best_seconds({key: partial(work, side) for key, side in sides.items()}, rounds)
        found[name] = {side: seconds / len(masks) for side, seconds in best.items()}
    return found


def main() -> None:
    """Measure and print; exit 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=200, help="real masks to measure on")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every side; the best counts")
    parser.add_argument("--labels", type=Path, default=REPOSITORY.parent / "shared/data/severstal_labels")
    args = parser.parse_args()
    sides, kinds = all_sides(), test_masks(args.labels, args.masks)
    wrong = sum(disagreements(sides, masks[:20]) for masks in kinds.values())
    results = [claim("texts and masks on which two sides disagree", wrong, 0, wrong == 0)]
    for kind, masks in kinds.items():
        worst = {"encode": float("inf"), "decode": float("inf")}
        for order in ORDERS:
            for name, seconds in measure(sides, masks, order, args.rounds).items():
                shown = "   ".join(f"{side} {1e6 * value:9.1f} us" for side, value in seconds.items())
                print(f"{kind:6s} {order:7s}{name}   {shown}", flush=True)
                worst[name] = min(worst[name], seconds[SNIPPET] / seconds[OURS])
        for name, ratio in worst.items():
            results.append(claim(f"{kind} masks, {name}: time of the usual snippet / ours", ratio, 1, ratio >= 1))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
