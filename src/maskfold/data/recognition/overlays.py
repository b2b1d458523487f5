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
_LINE_PX = 22
_TRIED = 60  # images among which those that show something are looked for


def draw_overlays(competition: Competition, path: Path) -> None:
    """Write a png of six training images with their masks, spread over the table, those that show most classes first.

    Below each picture stand the image and the area of each class in px. Raises DataError for a bad image or mask.
    """
    chosen = _chosen(competition)
    rows = -(-len(chosen) // _COLUMNS)
    legend = _LINE_PX * -(-len(competition.class_names) // 6)
    height = rows * (_CELL_PX[0] + _LINE_PX) + legend
    sheet = Image.new("RGB", (_COLUMNS * _CELL_PX[1], height), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    photos = photos_of(competition.train)
    for number, image_id in enumerate(chosen):
        masks = competition.masks(image_id)
        left = number % _COLUMNS * _CELL_PX[1]
        top = number // _COLUMNS * (_CELL_PX[0] + _LINE_PX)
        picture = _picture(photos[image_id].for_display(), masks, competition.ignored_in(image_id))
        sheet.paste(Image.fromarray(picture), (left, top))
        areas = ", ".join(f"{area:,}" for area in masks.sum(axis=(1, 2)).tolist())
        draw.text((left + 4, top + _CELL_PX[0] + 2), f"{image_id}: {areas} px"[:56], "black", font)
    for index, name in enumerate(competition.class_names):
        place = (4 + index % 6 * 200, height - legend + index // 6 * _LINE_PX + 2)
        draw.rectangle((*place, place[0] + 14, place[1] + 14), fill=class_colour(index))
        draw.text((place[0] + 20, place[1] - 1), name[:22], "black", font)
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def _chosen(competition: Competition) -> list[str]:
    """Image ids: of some spread over the table those that show most classes, and others where they are too few."""
    ids: Sequence[str] = competition.train["image_id"].tolist()
    spread = [ids[place] for place in np.linspace(0, len(ids) - 1, min(_TRIED, len(ids))).round().astype(int)]
    shown = {image_id: int(competition.masks(image_id).any(axis=(1, 2)).sum()) for image_id in dict.fromkeys(spread)}
    return sorted(shown, key=lambda image_id: -shown[image_id])[:_IMAGES]


def _picture(image: np.ndarray, masks: np.ndarray, ignored: np.ndarray | None) -> np.ndarray:
    """(300, 400, 3) uint8 RGB: the image with its masks, grey where ignored, as large as fits, on white."""
    factor = min(side / own for side, own in zip(_CELL_PX, image.shape[:2], strict=True))
    size = (max(1, int(image.shape[0] * factor)), max(1, int(image.shape[1] * factor)))
    cell = np.full((*_CELL_PX, 3), 255, np.uint8)
    cell[: size[0], : size[1]] = painted(image, masks.transpose(1, 2, 0), size, ignored)
    return cell
