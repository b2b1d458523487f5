"""The order of run lengths that their masks show: read in the wrong one, runs that lie side by side are torn apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from maskfold.pixels.rle import Order, RleError, decode

_CLEARER = 1.3  # times as many edges in the wrong order


class OrderEdges(NamedTuple):
    """The edges between pixels on and off of masks read in both orders; differ: whether any mask depends on it."""

    column: int
    row: int
    differ: bool

    def clearer(self, factor: float = _CLEARER) -> Order | None:
        """The order in which masks have `factor` times fewer edges than in the other; None where neither has."""
        if self.column > factor * self.row:
            return "row"
        return "column" if self.row > factor * self.column else None


def edges_by_order(masks: Iterable[tuple[str, int, int]]) -> OrderEdges:
    """Count the edges of masks, given as absolute run lengths, height and width in px; others are left out."""
    edges, differ = {"column": 0, "row": 0}, False
    for text, height, width in masks:
        both = decoded_both_ways(text, height, width)
        differ = differ or (both is not None and not np.array_equal(both["column"], both["row"]))
        for order, mask in (both or {}).items():
            signed = mask.astype(np.int8)
            edges[order] += int(np.abs(np.diff(signed, axis=0)).sum() + np.abs(np.diff(signed, axis=1)).sum())
    return OrderEdges(edges["column"], edges["row"], differ)


def decoded_both_ways(text: str, height: int, width: int) -> dict[str, np.ndarray] | None:
    """The mask in both orders, (H, W) uint8; None where the text is no mask of this size."""
    try:
        return {order: decode(text, height, width, order) for order in ("column", "row")}
    except RleError:
        return None
