"""Pictures in rows on one sheet, each with words below it, and a legend of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskfold.drawing.class_colours import class_colour
from maskfold.drawing.painting import painted

_CELL_PX = (300, 400)  # height, width
_LINE_PX, _MARGIN_PX, _SWATCH_PX = 22, 4, 14
_FONT = ImageFont.load_default(14)


def sheet_of(
    pictures: Sequence[np.ndarray], words: Sequence[str], class_names: Sequence[str], columns: int
) -> Image.Image:
    """Cells as `cell_of` makes them, so many in a row, the words of each below it, and below all the classes."""
    captions = [wrapped(text, _CELL_PX[1] - 2 * _MARGIN_PX) for text in words]
    rows = range(0, len(pictures), columns)
    heights = [_CELL_PX[0] + _LINE_PX * max(map(len, captions[row : row + columns])) for row in rows]
    widest = max(_FONT.getlength(name) for name in class_names) + _SWATCH_PX + 4 * _MARGIN_PX
    across = max(1, int(columns * _CELL_PX[1] // widest))
    legend = _LINE_PX * -(-len(class_names) // across)
    size = max(columns * _CELL_PX[1], int(widest)), sum(heights) + legend + _MARGIN_PX
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, lines) in enumerate(zip(pictures, captions, strict=True)):
        left, top = number % columns * _CELL_PX[1], sum(heights[: number // columns])
        sheet.paste(Image.fromarray(picture), (left, top))
        for place, line in enumerate(lines):
            draw.text((left + _MARGIN_PX, top + _CELL_PX[0] + place * _LINE_PX + 2), line, "black", _FONT)
    for index, name in enumerate(class_names):
        left, top = _MARGIN_PX + int(index % across * widest), size[1] - legend + index // across * _LINE_PX
        draw.rectangle((left, top, left + _SWATCH_PX, top + _SWATCH_PX), fill=class_colour(index))
        draw.text((left + _SWATCH_PX + 2 * _MARGIN_PX, top - 2), name, "black", _FONT)
    return sheet


def wrapped(text: str, width_px: int) -> list[str]:
    """The lines of a text, each at most so wide; a word that is wider is broken."""
    lines, line = [], ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if _FONT.getlength(joined) <= width_px:
            line = joined
            continue
        lines += [line] if line else []
        line = word
        while _FONT.getlength(line) > width_px:
            fits = max(1, next(k for k in range(len(line), -1, -1) if _FONT.getlength(line[:k]) <= width_px))
            lines, line = [*lines, line[:fits]], line[fits:]
    return [*lines, line]


def cell_of(image: np.ndarray, masks: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """(300, 400, 3) uint8 RGB: the image with its masks, grey where ignored, as large as fits, on white.

    image: (H, W, 3) uint8; masks: (C, H, W) uint8 in {0, 1}; ignored: (H, W), not 0 where ignored; None: nowhere.
    """
    room = _CELL_PX[0] - _MARGIN_PX, _CELL_PX[1] - _MARGIN_PX
    factor = min(side / own for side, own in zip(room, image.shape[:2], strict=True))
    size = (max(1, int(image.shape[0] * factor)), max(1, int(image.shape[1] * factor)))
    cell = np.full((*_CELL_PX, 3), 255, np.uint8)
    cell[: size[0], : size[1]] = painted(image, masks.transpose(1, 2, 0), size, ignored)
    return cell
