"""The gallery of test images: what the submission says of each, read back from the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.artefacts.files import file_hash, folder_fingerprint
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.images.files import read_for_display
from maskfold.drawing.pictures import (
    CHUNK_IMAGES,
    picture_path,
    picture_runs,
    picture_size,
    write_chunk,
    write_photo,
)
from maskfold.drawing.script_data import write_script
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.progress import tracked
from maskfold.pixels.rle import decode
from maskfold.report.oof_gallery import make_folders
from maskfold.submission.form import MaskKey, SubmissionForm, submission_form
from maskfold.submission.writing import read_submission


def answer_inputs(config: Config, competition: Competition) -> dict[str, str]:
    """Provenance of the gallery: the submission, if there is one, and the test images; nothing where it is left out."""
    path = RunPaths.of(config).submission(config.submission.layout)
    if not config.report.test_gallery or not path.exists():
        return {}
    digest = folder_fingerprint(sorted(path.iterdir())) if path.is_dir() else file_hash(path)
    return {f"submissions/{path.name}": digest} | competition.test_inputs()


def draw_answer(config: Config, competition: Competition, folder: Path) -> str:
    """Write `folder`/test.js and the pictures and masks of every test image; why there are none, "" when there are."""
    path = RunPaths.of(config).submission(config.submission.layout)
    if not config.report.test_gallery:
        return "left out (report.test_gallery is off)"
    if competition.test.empty:
        return "the config names no test images"
    if not path.exists():
        return f"{display(path)} is not there yet; `python src/make_submission.py` writes it"
    form = submission_form(competition, config.submission)
    found = read_submission(path, form)
    if found.problems:
        return f"{display(path)} cannot be read whole: {found.problems[0]}"
    _draw_all(config, competition, form, found.runs, folder)
    return ""


def _draw_all(
    config: Config, competition: Competition, form: SubmissionForm, runs: Mapping[MaskKey, str], folder: Path
) -> None:
    """All readable test images that the submission has rows for, in the order of the form."""
    path_of = dict(zip(competition.readable_test["image_id"], competition.readable_test["path"], strict=True))
    image_ids = [image_id for image_id in dict.fromkeys(key[0] for key in form.sample.rows) if image_id in path_of]
    classes = range(len(competition.class_names))
    make_folders(folder / "test", len(image_ids))

    def draw(job: tuple[int, str]) -> tuple[tuple[int, int], list[int], list[Any]]:
        number, image_id = job
        size = picture_size(*form.sizes[image_id], config.report.picture_px)
        write_photo(read_for_display(Path(path_of[image_id])), size, picture_path(folder / "test", number, ".jpg"))
        areas, masks = [], []
        for index in classes:
            mask = decode(runs.get((image_id, index), ""), *form.sizes[image_id], config.submission.pixel_order)
            areas.append(int(np.count_nonzero(mask)))
            masks.append([[], picture_runs(mask, size)] if areas[-1] else 0)
        return size, areas, masks

    drawn = list(
        tracked(map_threads(draw, enumerate(image_ids), available_cores()), len(image_ids), "pictures of test images")
    )
    for start in range(0, len(drawn), CHUNK_IMAGES):
        masks = [masks for _, _, masks in drawn[start : start + CHUNK_IMAGES]]
        write_chunk(folder / "test", start // CHUNK_IMAGES, masks)
    data = {
        "folder": "test",
        "chunk": CHUNK_IMAGES,
        "classes": list(competition.class_names),
        "id": image_ids,
        "height": [size[0] for size, _, _ in drawn],
        "width": [size[1] for size, _, _ in drawn],
        "predicted": [areas for _, areas, _ in drawn],
    }
    write_script(folder / "test.js", "gallery_data", data)
