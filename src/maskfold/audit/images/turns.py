"""The eight ways to lay one image over another: as it is, flipped, and turned by quarters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Turn(NamedTuple):
    """What is done to an image: first rows and columns are exchanged, then it is flipped."""

    transposed: bool
    top_bottom: bool
    left_right: bool


FLIPS: tuple[Turn, ...] = tuple(Turn(False, top, left) for top in (False, True) for left in (False, True))
TURNS: tuple[Turn, ...] = (*FLIPS, *(flip._replace(transposed=True) for flip in FLIPS))
UPRIGHT = FLIPS[0]

_WORDS = {
    Turn(False, False, False): "",
    Turn(False, False, True): "left-right",
    Turn(False, True, False): "top-bottom",
    Turn(False, True, True): "both",
    Turn(True, False, False): "transposed",
    Turn(True, True, False): "quarter turn left",
    Turn(True, False, True): "quarter turn right",
    Turn(True, True, True): "transposed, both",
}


def turned(image: np.ndarray, turn: Turn) -> np.ndarray:
    """An array (h, w, …) after the turn, as a view: (w, h, …) where it is transposed."""
    upright = image.swapaxes(0, 1) if turn.transposed else image
    return upright[:: -1 if turn.top_bottom else 1, :: -1 if turn.left_right else 1]


def in_words(turn: Turn) -> str:
    """As `pairs.csv` names it; "" for none."""
    return _WORDS[turn]
