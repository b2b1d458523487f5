"""The photos of the audit's page: pairs side by side, images with their masks, and the largest groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.audit.data.audit import TEST, Audit
from maskfold.audit.data.label_facts import read_masks
from maskfold.data.images.photo import photo_list
from maskfold.drawing.jpeg import write_jpeg
from maskfold.drawing.painting import painted
from maskfold.execution.progress import tracked
from maskfold.folds.table import NOT_HELD_OUT

_WIDTH_PX, _HEIGHT_PX = 520, 260  # of a picture; a pair has two
_GAP_PX = 6
_GAP = 200  # grey
_GROUP_IMAGES = 12
_COLUMNS = 4


@dataclass(frozen=True)
class Picture:
    """A file relative to the page, and what stands below it: a strong word and the rest."""

    file: str
    strong: str
    caption: str


class Album:
    """Draws pictures into a folder; their names are numbers, never image ids. fold_word: what a fold is called."""

    def __init__(self, audit: Audit, folder: Path, fold_word: str = "fold") -> None:
        self.audit, self.folder, self.fold_word = audit, folder, fold_word
        rows = audit.images.assign(place=range(len(audit.images)))
        self._place = {
            (s == TEST, i): n for s, i, n in zip(rows["split"], rows["image_id"], rows["place"], strict=True)
        }
        self._photos = photo_list(audit.images)
        self._count = 0
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def pairs(self, table: pd.DataFrame, count: int, captions: Sequence[str] = ()) -> list[Picture]:
        """The first `count` rows of a table of pairs: first, first_split, second, second_split, kind, likeness."""
        found = []
        rows = table.head(count).to_dict("records")
        for number, row in enumerate(tracked(rows, len(rows), "pictures")):
            sides = [self._drawn(str(row[end]), row[f"{end}_split"] == TEST) for end in ("first", "second")]
            moved = [str(row["flip"])] if row.get("flip") else []
            folds = [" and ".join(map(self._fold, str(row["folds"]).split("|")))] if row.get("folds") else []
            caption = [f"{row['first']} ({row['first_split']}) and {row['second']} ({row['second_split']})"]
            caption += [f"flipped or turned: {moved[0]}"] if moved else []
            caption += [*folds, *captions[number : number + 1]]
            strong = "exact copy" if row["kind"] == "exact" else f"{row['likeness']:.2f}"
            found.append(Picture(self._save(_side_by_side(sides)), strong, " · ".join(caption)))
        return found

    def _fold(self, number: str) -> str:
        """Where an image is, in words; number: as folds csv have it."""
        return "training only" if number == str(NOT_HELD_OUT) else f"{self.fold_word} {number}"

    def images(self, rows: Iterable[tuple[str, str, str]], of_test: bool = False) -> list[Picture]:
        """Training images with their masks, or test images: (image_id, strong word, caption) each."""
        return [Picture(self._save(self._drawn(name, of_test)), strong, caption) for name, strong, caption in rows]

    def group(self, image_ids: Sequence[str], strong: str) -> Picture:
        """Some training images of one group on one sheet."""
        tiles = [_fitted(self._drawn(name, False), 0.5) for name in image_ids[:_GROUP_IMAGES]]
        rows = [_side_by_side(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
        shown = ", ".join(image_ids[:_GROUP_IMAGES]) + (" …" if len(image_ids) > _GROUP_IMAGES else "")
        return Picture(self._save(_stacked(rows)), strong, shown)

    def _drawn(self, image_id: str, of_test: bool) -> np.ndarray:
        """(h, w, 3) uint8 RGB, shrunk to a picture; with masks where it is a training image whose masks can be read."""
        image = self._photos[self._place[of_test, image_id]].for_display()
        factor = min(1.0 if max(image.shape[:2]) > 64 else 3.0, _WIDTH_PX / image.shape[1], _HEIGHT_PX / image.shape[0])
        size = max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor))
        masks = None if of_test else read_masks(self.audit.competition, image_id)
        if masks is None or isinstance(masks, str):
            masks = np.zeros((0, *image.shape[:2]), np.uint8)
            return painted(image, masks.transpose(1, 2, 0), size)
        return painted(image, masks.transpose(1, 2, 0), size, self.audit.competition.ignored_in(image_id))

    def _save(self, picture: np.ndarray) -> str:
        file = f"images/{self._count:03d}.jpg"
        self._count += 1
        write_jpeg(self.folder / file, picture)
        return file


def _fitted(picture: np.ndarray, factor: float) -> np.ndarray:
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """In a row, or below each other where they are strips."""
    if all(picture.shape[1] > 3 * picture.shape[0] for picture in pictures):
        return _stacked(pictures)
    turned = _stacked([picture.transpose(1, 0, 2) for picture in pictures])
    return np.ascontiguousarray(turned.transpose(1, 0, 2))


def _stacked(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Below each other on grey, left-aligned."""
    width = max(picture.shape[1] for picture in pictures)
    height = sum(picture.shape[0] for picture in pictures) + _GAP_PX * (len(pictures) - 1)
    sheet = np.full((height, width, 3), _GAP, dtype=np.uint8)
    top = 0
    for picture in pictures:
        sheet[top : top + picture.shape[0], : picture.shape[1]] = picture
        top += picture.shape[0] + _GAP_PX
    return sheet
