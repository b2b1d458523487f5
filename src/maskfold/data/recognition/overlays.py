"""A picture of six labelled images: how the labels were understood, to look at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.artefacts.files import whole_file
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.sheet import cell_of, sheet_of

_IMAGES, _COLUMNS = 6, 3
_TRIED = 60  # images among which those that show something are looked for


def draw_overlays(competition: Competition, path: Path) -> None:
    """Write a png of six training images with their masks, spread over the table, those that show most classes first.

    Below each picture stand the image and the area in px of each class that it shows. Raises DataError for a bad image
    or mask.
    """
    photos, names, pictures, captions = photos_of(competition.train), competition.class_names, [], []
    for image_id in telling_images(competition, competition.train, _IMAGES):
        masks = competition.masks(image_id)
        pictures.append(cell_of(photos[image_id].for_display(), masks, competition.ignored_in(image_id)))
        areas = zip(names, masks.sum(axis=(1, 2)).tolist(), strict=True)
        shown = ", ".join(f"{name} {area:,} px" for name, area in areas if area)
        captions.append(f"{image_id}: {shown or 'empty'}")
    sheet = sheet_of(pictures, captions, names, _COLUMNS)
    with whole_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def telling_images(competition: Competition, images: pd.DataFrame, count: int) -> list[str]:
    """Image ids: of some spread over a table of training images those that show most classes, and others where they
    are too few."""
    ids: Sequence[str] = images["image_id"].tolist()
    spread = [ids[place] for place in np.linspace(0, len(ids) - 1, min(_TRIED, len(ids))).round().astype(int)]
    shown = {image_id: int(competition.masks(image_id).any(axis=(1, 2)).sum()) for image_id in dict.fromkeys(spread)}
    return sorted(shown, key=lambda image_id: -shown[image_id])[:count]
