"""Run lengths to and from text: ours, the usual snippet, pycocotools and pytorch-toolbelt."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco

from benchmarks.drawn.steel_masks import HEIGHT, WIDTH
from benchmarks.measuring.benchmark import Bench
from maskfold.pixels.rle import Order, decode, encode

OURS, SNIPPET = "maskfold", "snippet"
# Not a requirement: it asks for opencv-python, which would overwrite the headless OpenCV of this environment.
_TOOLBELT = "pip install --no-deps --target FOLDER pytorch-toolbelt==0.8.0, then PYTHONPATH=FOLDER"


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


def toolbelt_side(bench: Bench) -> Side | None:
    """pytorch-toolbelt's functions, which know column order; rows are columns of the transposed mask."""
    try:
        rle: Any = importlib.import_module("pytorch_toolbelt.utils.rle")
    except ImportError:
        bench.leave_out(f"pytorch-toolbelt is not installed: {_TOOLBELT}")
        return None

    def decoded(text: str, order: Order) -> np.ndarray:
        """(H, W) uint8 mask of a text."""
        if order == "column":
            return rle.rle_decode(text, (HEIGHT, WIDTH), np.uint8)
        return rle.rle_decode(text, (WIDTH, HEIGHT), np.uint8).T

    return Side(lambda mask, order: rle.rle_to_string(rle.rle_encode(mask if order == "column" else mask.T)), decoded)


def all_sides(bench: Bench) -> dict[str, Side]:
    """Ours and the others, by name."""
    sides = {
        OURS: Side(encode, lambda text, order: decode(text, HEIGHT, WIDTH, order)),
        SNIPPET: Side(snippet_encode, snippet_decode),
        "pycocotools": Side(coco_encode, coco_decode),
    }
    toolbelt = toolbelt_side(bench)
    return sides if toolbelt is None else {**sides, "pytorch-toolbelt": toolbelt}
