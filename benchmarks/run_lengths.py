"""Run lengths to and from the competition's text: ours, the usual snippet, pycocotools and pytorch-toolbelt.

Masks of 256x1600 px: defects (drawn, or real ones of a folder of labels), empty ones, and noise (every pixel a coin
toss). Every side starts from a C-contiguous uint8 mask or a text, and may return a decoded mask in any memory order;
only ours is C-contiguous in column order too. The sides take turns; the least CPU
time of the rounds counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import process_time
from typing import ClassVar

import numpy as np

from benchmarks.drawn.steel_masks import HEIGHT, WIDTH, steel_masks
from benchmarks.measuring.benchmark import Bench, Settings, say
from benchmarks.measuring.turns import in_turn, timed
from benchmarks.opponents.run_length_codecs import OURS, SNIPPET, Side, all_sides
from maskfold.pixels.rle import Order, decode, encode

_ORDERS: tuple[Order, ...] = ("column", "row")


class Options(Settings):
    """What to measure on."""

    minutes: ClassVar[tuple[float, float]] = (0.2, 1)
    quick: ClassVar[dict[str, object]] = {"masks": 40, "rounds": 3}
    masks: int = 200
    """Defect masks to measure on."""
    rounds: int = 7
    """Turns of every side; the least CPU time counts."""
    labels: Path | None = None
    """Folder with Severstal's train.csv and images.csv."""


def masks_by_kind(labels: Path | None, count: int) -> dict[str, list[np.ndarray]]:
    """The masks to measure on; (256, 1600) uint8 each."""
    rng = np.random.default_rng(0)
    texts = list(steel_masks(labels)[1].values())
    chosen = texts[:: max(1, len(texts) // count)][:count]
    return {
        "defect": [decode(text, HEIGHT, WIDTH) for text in chosen],
        "empty": [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(50)],
        "noise": [(rng.random((HEIGHT, WIDTH)) < 0.5).astype(np.uint8) for _ in range(3)],
    }


def disagreements(sides: dict[str, Side], masks: Sequence[np.ndarray]) -> int:
    """How often a side's text or mask is not what ours is, in both orders; ours must also decode to the mask."""
    wrong = 0
    for mask in masks:
        for order in _ORDERS:
            text = encode(mask, order)
            wrong += sum(side.encode(mask, order) != text for side in sides.values())
            wrong += sum(not np.array_equal(side.decode(text, order), mask) for side in sides.values())
    return wrong


def seconds_a_mask(
    sides: dict[str, Side], masks: Sequence[np.ndarray], order: Order, rounds: int
) -> dict[str, dict[str, float]]:
    """Least CPU seconds a mask of every side: {"encode": {side: seconds}, "decode": {…}}."""
    texts = [encode(mask, order) for mask in masks]

    def encoding(side: Side) -> None:
        for mask in masks:
            side.encode(mask, order)

    def decoding(side: Side) -> None:
        for text in texts:
            side.decode(text, order)

    found = {}
    for name, work in (("encode", encoding), ("decode", decoding)):
        turns = in_turn({key: timed(partial(work, side), process_time) for key, side in sides.items()}, rounds)
        found[name] = {side: min(seconds) / len(masks) for side, seconds in turns.items()}
    return found


def run(options: Options, bench: Bench) -> None:
    """Measure every kind of mask in both orders."""
    sides, kinds = all_sides(bench), masks_by_kind(options.labels, options.masks)
    wrong = sum(disagreements(sides, masks[:20]) for masks in kinds.values())
    bench.claim("texts and masks on which two sides disagree", wrong, "=", 0)
    for kind, masks in kinds.items():
        worst = {"encode": float("inf"), "decode": float("inf")}
        for order in _ORDERS:
            for name, seconds in seconds_a_mask(sides, masks, order, options.rounds).items():
                shown = "   ".join(f"{side} {1e6 * value:9.1f} us" for side, value in seconds.items())
                say(f"{kind:6s} {order:7s}{name}   {shown}")
                worst[name] = min(worst[name], seconds[SNIPPET] / seconds[OURS])
        for name, ratio in worst.items():
            bench.claim(f"{kind} masks, {name}: time of the usual snippet / ours", ratio, "≥", 1)
