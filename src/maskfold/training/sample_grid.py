"""A grid of augmented training samples with their masks, as the network gets them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch

from maskfold.artefacts.files import whole_file
from maskfold.drawing.class_colours import hex_colour
from maskfold.drawing.painting import painted
from maskfold.execution.text import chart_text

MOST_SAMPLES = 16

_INK = "#3b4252"
_DPI = 100
_GRID_PX = 1200  # width of the picture
_GAP_PX = 8
_TITLE_PX = 44
_LEGEND_ROW_PX = 30
_LEGEND_COLUMNS = 8  # at most
_LEGEND_PT = 10  # size of its letters
_SWATCH_PX = 60  # what a colour and the space around it take
_LONGEST_NAME = 100


def draw_samples(
    samples: Sequence[tuple[np.ndarray, np.ndarray]], class_names: Sequence[str], path: Path, title: str
) -> None:
    """Draw up to 16 samples as a grid, one colour a class; the same samples give the same bytes.

    samples: (pixels (h, w, channels) uint8, masks (h, w, C) uint8 in {0, 1}), all of one size; a mask more than there
    are classes is that of the ignored pixels, shown in grey. One or two channels are
    shown as grey (the first), more as RGB (the first three). `path` (PNG) is written whole or not at all.
    Raises ValueError when there is no sample.
    """
    if not samples:
        raise ValueError("draw_samples: expected at least one sample, found none")
    grid = _grid(samples[:MOST_SAMPLES], len(class_names))
    names = [_short(name) for name in class_names]
    columns = _legend_columns(names)
    legend_px = _LEGEND_ROW_PX * -(-len(class_names) // columns)
    width, height = grid.shape[1], grid.shape[0] + _TITLE_PX + legend_px
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    # Not pyplot: its global state would pick a window toolkit and keep every figure of a long training alive.
    FigureCanvasAgg(figure)
    middle, shown = 1 - _TITLE_PX / 2 / height, chart_text(title)
    figure.text(_GAP_PX / width, middle, shown, va="center", fontsize=13, color=_INK, weight="bold")
    # Pixel by pixel, so that outlines stay one pixel wide.
    figure.figimage(grid, xo=0, yo=legend_px, origin="upper")
    figure.legend(
        handles=[Patch(color=hex_colour(index), label=name) for index, name in enumerate(names)],
        loc="lower left",
        bbox_to_anchor=(0, 0),
        borderaxespad=0.3,
        ncols=columns,
        frameon=False,
        fontsize=_LEGEND_PT,
        labelcolor=_INK,
        handlelength=1.2,
    )
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None}, pil_kwargs={"compress_level": 1})


def _grid(samples: Sequence[tuple[np.ndarray, np.ndarray]], classes: int) -> np.ndarray:
    """The painted samples in rows on white: (height, about _GRID_PX, 3) uint8."""
    h, w = samples[0][0].shape[:2]
    columns = _columns(len(samples), h / w)
    rows = -(-len(samples) // columns)
    width = (_GRID_PX - _GAP_PX) // columns - _GAP_PX
    height = max(1, round(width * h / w))
    grid = np.full((_GAP_PX + rows * (height + _GAP_PX), _GRID_PX, 3), 255, dtype=np.uint8)
    for index, (pixels, masks) in enumerate(samples):
        row, column = divmod(index, columns)
        top, left = _GAP_PX + row * (height + _GAP_PX), _GAP_PX + column * (width + _GAP_PX)
        grid[top : top + height, left : left + width] = painted(
            pixels, masks[..., :classes], (height, width), masks[..., -1] if masks.shape[2] > classes else None
        )
    return grid


def _columns(count: int, aspect: float) -> int:
    """Columns that make the grid about as high as it is wide, 4 at most; aspect: height / width of one sample."""
    return min(4, count, max(1, round((count * aspect) ** 0.5)))


def _legend_columns(names: Sequence[str]) -> int:
    """As many columns as fit into the picture's width with the longest name."""
    renderer, font = FigureCanvasAgg(Figure(dpi=_DPI)).get_renderer(), FontProperties(size=_LEGEND_PT)
    widest = max(renderer.get_text_width_height_descent(name, font, ismath=False)[0] for name in names)
    return max(1, min(_LEGEND_COLUMNS, len(names), int(_GRID_PX // (widest + _SWATCH_PX))))


def _short(name: str) -> str:
    """A class name that fits the picture."""
    return chart_text(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…")
