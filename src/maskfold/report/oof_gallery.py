"""One pass over the OOF: the pictures of the gallery, and how many pixels got which probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maskfold.config import ReportConfig
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.class_colours import class_colour
from maskfold.drawing.painting import shade_ignored
from maskfold.drawing.pictures import (
    CHUNK_IMAGES,
    FAINTEST,
    make_folders,
    picture_path,
    picture_runs,
    picture_size,
    write_chunk,
    write_levels,
    write_photo,
)
from maskfold.drawing.script_data import write_script
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.progress import tracked
from maskfold.oof.with_truth import LabelledOof, iter_with_truth
from maskfold.pixels.geometry import without
from maskfold.pixels.object_scores import ObjectCounts, no_objects, object_counts
from maskfold.report.calibration import prob_counts
from maskfold.report.confusion import PixelCounts, no_counts, pixel_counts
from maskfold.report.error_kinds import ErrorCounts, error_pixels, image_counts, no_errors
from maskfold.report.oof_scores import OofScores
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import AnyRule


@dataclass(frozen=True)
class _Drawn:
    """What the pass found out about one image.

    size: (height, width) px of its picture; masks: for each class its runs, or 0 where truth and prediction are blank;
    errors: (classes, 4) `error_pixels`; heat: the classes whose probabilities can be seen; counts:
    (classes, 2, 256) `prob_counts`; pixels, objects: of truth and prediction.
    """

    image_id: str
    class_prob: np.ndarray | None
    size: tuple[int, int]
    masks: list[Any]
    errors: np.ndarray
    heat: list[int]
    counts: np.ndarray
    pixels: PixelCounts
    objects: ObjectCounts


class _Row(NamedTuple):
    """What is kept of a drawn image: see _Drawn; errors: a list a class, or 0 where nothing is wrong."""

    size: tuple[int, int]
    errors: Any
    heat: list[int]


@dataclass(frozen=True)
class OofPass:
    """counts: (classes, 2, 256) int64 `prob_counts` of all images; class_prob: (images, classes) or None; pixels,
    objects, errors: of truth and prediction, under the rules in use."""

    counts: np.ndarray
    class_prob: np.ndarray | None
    pixels: PixelCounts
    objects: ObjectCounts
    errors: ErrorCounts


def draw_oof(
    oof_files: Sequence[Path],
    competition: Competition,
    rules: Sequence[AnyRule],
    oof: OofScores,
    report: ReportConfig,
    folder: Path,
) -> OofPass:
    """Write, unless report.oof_gallery is off, `folder`/oof.js and the pictures and masks of every OOF image.

    oof_files: the OOF of each fold; rules: in use, one a class; oof: the scores of the same images.
    Memory grows by a few hundred bytes an image. Raises DataError when the OOF does not fit the competition.
    """
    images = chain.from_iterable(iter_with_truth(file, fold, competition) for fold, file in enumerate(oof_files))
    artist = _Artist(report, competition, rules, folder / "oof")
    drawn = map_threads(artist.draw, enumerate(images), available_cores())
    classes = len(competition.class_names)
    counts = np.zeros((classes, 2, 256), dtype=np.int64)
    pixels, objects, errors = no_counts(classes), no_objects(classes), no_errors(classes)
    class_probs: list[np.ndarray] = []
    rows: list[_Row] = []
    masks: list[Any] = []
    for number, each in enumerate(tracked(drawn, len(oof.image_ids), "pictures of OOF images")):
        assert each.image_id == oof.image_ids[number], "image_scores.csv is in the order of the OOF"
        counts += each.counts
        pixels += each.pixels
        objects += each.objects
        errors += image_counts(each.errors)
        if each.class_prob is not None:
            class_probs.append(each.class_prob)
        if report.oof_gallery:
            masks.append(each.masks)
            rows.append(_Row(each.size, _short(each.errors), each.heat))
            if len(masks) == CHUNK_IMAGES:
                write_chunk(folder / "oof", number // CHUNK_IMAGES, masks)
                masks = []
    if masks:
        write_chunk(folder / "oof", (len(rows) - 1) // CHUNK_IMAGES, masks)
    if report.oof_gallery:
        write_script(folder / "oof.js", "gallery_data", _gallery_data(len(oof_files), competition, oof, rows))
    has_class_prob = len(class_probs) == len(oof.image_ids)
    return OofPass(counts, np.stack(class_probs) if has_class_prob else None, pixels, objects, errors)


def _short(errors: np.ndarray) -> Any:
    """The errors of an image as the gallery's data holds them: most are 0."""
    return [row.tolist() if row.any() else 0 for row in errors] if errors.any() else 0


class _Artist:
    """Draws one image; what it holds is only read, so that threads may share it."""

    def __init__(self, report: ReportConfig, competition: Competition, rules: Sequence[AnyRule], folder: Path) -> None:
        self.settings, self.rules = report, rules
        self.photos = photos_of(competition.train)
        self.folder = folder
        if self.settings.oof_gallery:
            make_folders(folder, len(competition.train))

    def draw(self, job: tuple[int, LabelledOof]) -> _Drawn:
        """Count one image's probabilities, and write its pictures where there is a gallery."""
        number, image = job
        oof, truth = image.oof, image.truth
        counts = np.stack([prob_counts(*pair, image.ignored) for pair in zip(oof.prob, truth, strict=True)])
        height, width = oof.prob.shape[1:]
        size = picture_size(height, width, self.settings.picture_px)
        masks: list[Any] = []
        shown = {index: prob for index, prob in enumerate(oof.prob) if prob.max(initial=0) >= FAINTEST}
        found = without(apply_rules(oof.prob, self.rules, oof.class_prob), image.ignored)
        if self.settings.oof_gallery:
            photo = self.photos[oof.image_id].for_display()
            shade_ignored(photo, image.ignored)
            write_photo(photo, size, self._file(number, ".jpg"))
            for true, predicted in zip(truth, found, strict=True):
                runs = [picture_runs(true, size), picture_runs(predicted, size)]
                masks.append(runs if any(runs) else 0)
            if shown:
                write_levels(shown, size, self._file(number, ".js"), number)
        errors = error_pixels(truth, found, self.settings.edge_px)
        of_both = pixel_counts(truth, found), object_counts(truth, found)
        return _Drawn(oof.image_id, oof.class_prob, size, masks, errors, list(shown), counts, *of_both)

    def _file(self, number: int, suffix: str) -> Path:
        return picture_path(self.folder, number, suffix)


def _gallery_data(folds: int, competition: Competition, oof: OofScores, rows: list[_Row]) -> dict[str, Any]:
    """What gallery.js sorts and filters by; a list an image, and where it holds lists, a list a class in it."""
    return {
        "folder": "oof",
        "chunk": CHUNK_IMAGES,
        "metric": oof.metric,
        "classes": list(competition.class_names),
        "colours": [class_colour(index) for index in range(len(competition.class_names))],
        "folds": folds,
        "id": oof.image_ids,
        "fold": oof.folds.tolist(),
        "height": [row.size[0] for row in rows],
        "width": [row.size[1] for row in rows],
        "truth": oof.true.tolist(),
        "predicted": oof.predicted.tolist(),
        "score": np.round(oof.scores["adopted"], 4).tolist(),
        "errors": [row.errors for row in rows],
        "heat": [row.heat for row in rows],
    }
