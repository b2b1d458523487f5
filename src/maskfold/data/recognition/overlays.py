"""A picture of six labelled images: how the labels were understood, to look at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskfold.artefacts.files import whole_file
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.class_colours import class_colour
from maskfold.drawing.painting import painted

_IMAGES, _COLUMNS = 6, 3
_CELL_PX = (300, 400)  # height, width
_LINE_PX, _MARGIN_PX, _SWATCH_PX = 22, 4, 14
_FONT = ImageFont.load_default(14)
_TRIED = 60  # images among which those that show something are looked for


def draw_overlays(competition: Competition, path: Path) -> None:
    """Write a png of six training images with their masks, spread over the table, those that show most classes first.

    Below each picture stand the image and the area in px of each class that it shows. Raises DataError for a bad image
    or mask.
    """
    photos, names, pictures, captions = photos_of(competition.train), competition.class_names, [], []
    for image_id in _chosen(competition):
        masks = competition.masks(image_id)
        pictures.append(_picture(photos[image_id].for_display(), masks, competition.ignored_in(image_id)))
        areas = zip(names, masks.sum(axis=(1, 2)).tolist(), strict=True)
        shown = ", ".join(f"{name} {area:,} px" for name, area in areas if area)
        captions.append(wrapped(f"{image_id}: {shown or 'empty'}", _CELL_PX[1] - 2 * _MARGIN_PX))
    rows = range(0, len(pictures), _COLUMNS)
    heights = [_CELL_PX[0] + _LINE_PX * max(map(len, captions[row : row + _COLUMNS])) for row in rows]
    widest = max(_FONT.getlength(name) for name in names) + _SWATCH_PX + 4 * _MARGIN_PX
    across = max(1, int(_COLUMNS * _CELL_PX[1] // widest))
    legend = _LINE_PX * -(-len(names) // across)
    size = max(_COLUMNS * _CELL_PX[1], int(widest)), sum(heights) + legend + _MARGIN_PX
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, lines) in enumerate(zip(pictures, captions, strict=True)):
        left, top = number % _COLUMNS * _CELL_PX[1], sum(heights[: number // _COLUMNS])
        sheet.paste(Image.fromarray(picture), (left, top))
        for place, line in enumerate(lines):
            draw.text((left + _MARGIN_PX, top + _CELL_PX[0] + place * _LINE_PX + 2), line, "black", _FONT)
    for index, name in enumerate(names):
        left, top = _MARGIN_PX + int(index % across * widest), size[1] - legend + index // across * _LINE_PX
        draw.rectangle((left, top, left + _SWATCH_PX, top + _SWATCH_PX), fill=class_colour(index))
        draw.text((left + _SWATCH_PX + 2 * _MARGIN_PX, top - 2), name, "black", _FONT)
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG")


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


def _chosen(competition: Competition) -> list[str]:
    """Image ids: of some spread over the table those that show most classes, and others where they are too few."""
    ids: Sequence[str] = competition.train["image_id"].tolist()
    spread = [ids[place] for place in np.linspace(0, len(ids) - 1, min(_TRIED, len(ids))).round().astype(int)]
    shown = {image_id: int(competition.masks(image_id).any(axis=(1, 2)).sum()) for image_id in dict.fromkeys(spread)}
    return sorted(shown, key=lambda image_id: -shown[image_id])[:_IMAGES]


def _picture(image: np.ndarray, masks: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """(300, 400, 3) uint8 RGB: the image with its masks, grey where ignored, as large as fits, on white."""
    room = _CELL_PX[0] - _MARGIN_PX, _CELL_PX[1] - _MARGIN_PX
    factor = min(side / own for side, own in zip(room, image.shape[:2], strict=True))
    size = (max(1, int(image.shape[0] * factor)), max(1, int(image.shape[1] * factor)))
    cell = np.full((*_CELL_PX, 3), 255, np.uint8)
    cell[: size[0], : size[1]] = painted(image, masks.transpose(1, 2, 0), size, ignored)
    return cell
