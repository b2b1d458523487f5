"""The gallery of test images: the masks of the submission, read back from its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maskfold.artefacts.files import file_hash, folder_fingerprint
from maskfold.artefacts.paths import display
from maskfold.commands import as_called
from maskfold.config import ReportConfig, SubmissionConfig
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.class_colours import class_colour
from maskfold.drawing.pictures import (
    CHUNK_IMAGES,
    make_folders,
    picture_path,
    picture_runs,
    picture_size,
    write_chunk,
    write_photo,
)
from maskfold.drawing.script_data import write_script
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.progress import tracked
from maskfold.pixels.rle import Order, decode
from maskfold.submission.form import MaskKey, SubmissionForm, submission_form
from maskfold.submission.writing import read_submission


class _Drawn(NamedTuple):
    """size: (height, width) px of the picture; masks: for each class its runs, or 0 where it is blank.

    areas_px, covered_px: pixels of each class, and of all classes together, in the image.
    """

    size: tuple[int, int]
    masks: list[Any]
    areas_px: list[int]
    covered_px: int


def submission_inputs(path: Path, competition: Competition, wanted: bool) -> dict[str, str]:
    """Provenance of the gallery: the submission at `path` and the test images.

    wanted: `report.test_gallery`. Empty where there is no gallery.
    """
    if not wanted or not path.exists():
        return {}
    digest = folder_fingerprint(sorted(path.iterdir())) if path.is_dir() else file_hash(path)
    return {f"submissions/{path.name}": digest} | competition.test_inputs()


def draw_submission(
    path: Path, competition: Competition, submission: SubmissionConfig, report: ReportConfig, folder: Path
) -> str:
    """Write `folder`/test.js and the pictures and masks of every test image.

    path: of the submission. Returns why there is no gallery, "" when there is one.
    """
    if not report.test_gallery:
        return "left out (report.test_gallery is off)"
    if competition.test.empty:
        return "the config names no test images"
    if not path.exists():
        return as_called(f"{display(path)} does not exist yet; `python src/make_submission.py` writes it")
    form = submission_form(competition, submission)
    found = read_submission(path, form)
    if found.problems:
        return f"{display(path)} cannot be read whole: {found.problems[0]}"
    _draw_all(competition, form, found.runs, submission.pixel_order, report.picture_px, folder)
    return ""


def _draw_all(
    competition: Competition,
    form: SubmissionForm,
    runs: Mapping[MaskKey, str],
    order: Order,
    picture_px: int,
    folder: Path,
) -> None:
    """All readable test images that the submission has rows for, in the order of the form."""
    photos = photos_of(competition.readable_test)
    image_ids = [image_id for image_id in dict.fromkeys(key[0] for key in form.sample.rows) if image_id in photos]
    classes = range(len(competition.class_names))
    make_folders(folder / "test", len(image_ids))

    def draw(job: tuple[int, str]) -> _Drawn:
        """Draw the pictures of one test image."""
        number, image_id = job
        height, width = form.sizes[image_id]
        size = picture_size(height, width, picture_px)
        write_photo(photos[image_id].for_display(), size, picture_path(folder / "test", number, ".jpg"))
        areas: list[int] = []
        masks: list[Any] = []
        covered = np.zeros((height, width), dtype=np.uint8)
        for index in classes:  # one mask at a time: images may be large and classes many
            mask = decode(runs.get((image_id, index), ""), height, width, order)
            covered |= mask
            areas.append(int(np.count_nonzero(mask)))
            masks.append([[], picture_runs(mask, size)] if areas[-1] else 0)
        return _Drawn(size, masks, areas, int(np.count_nonzero(covered)))

    found = map_threads(draw, enumerate(image_ids), available_cores())
    drawn = list(tracked(found, len(image_ids), "pictures of test images"))
    for start in range(0, len(drawn), CHUNK_IMAGES):
        chunk = drawn[start : start + CHUNK_IMAGES]
        write_chunk(folder / "test", start // CHUNK_IMAGES, [each.masks for each in chunk])
    write_script(folder / "test.js", "gallery_data", _gallery_data(competition.class_names, image_ids, drawn))


def _gallery_data(class_names: Sequence[str], image_ids: list[str], drawn: Sequence[_Drawn]) -> dict[str, Any]:
    """What gallery.js sorts and filters by, one value an image."""
    return {
        "folder": "test",
        "chunk": CHUNK_IMAGES,
        "classes": list(class_names),
        "colours": [class_colour(index) for index in range(len(class_names))],
        "id": image_ids,
        "height": [each.size[0] for each in drawn],
        "width": [each.size[1] for each in drawn],
        "predicted": [each.areas_px for each in drawn],
        "covered": [each.covered_px for each in drawn],
    }
