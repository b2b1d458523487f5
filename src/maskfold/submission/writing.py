"""The submission file: rows in the order of the competition's sample file, decoded back before it gets its name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from maskfold.artefacts.files import whole_file, whole_folder
from maskfold.artefacts.paths import display
from maskfold.config import SubmissionConfig
from maskfold.config.submission import FOLDERS
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.pixels.rle import (
    Order,
    RleError,
    decode,
    encode,
    parse_runs,
)
from maskfold.submission.csv_file import read_csv_rows, write_csv
from maskfold.submission.form import (
    MaskKey,
    ParsedSubmission,
    SubmissionForm,
    submission_form,
)
from maskfold.submission.label_map import read_label_maps, write_label_maps
from maskfold.submission.mask_folder import read_masks, write_masks
from maskfold.submission.rle_store import RleStore


class SubmissionRow(NamedTuple):
    """The mask of one test image and class: run lengths, "" for a blank one, and its confidence, 0..1.

    object_scores: the confidence of each object, as `numbered_objects` numbers them, where rows are of objects.
    """

    image_id: str
    class_index: int
    runs: str
    score: float = 1.0
    object_scores: tuple[float, ...] = ()


def encode_image(masks: np.ndarray, order: Order) -> list[str]:
    """The run lengths of every class of one image, each decoded back and compared.

    masks: (C, H, W) uint8 in {0, 1}. Returns C texts, "" for a blank mask.
    """
    texts = []
    for mask in masks:
        text = encode(mask, order)
        assert np.array_equal(decode(text, mask.shape[0], mask.shape[1], order), mask), "does not decode to its mask"
        texts.append(text)
    return texts


def write_submission(
    rows: Iterable[SubmissionRow | tuple[str, int, str] | tuple[str, int, str, float]],
    competition: Competition,
    config: SubmissionConfig,
    path: Path,
) -> None:
    """Write the submission whole or not at all.

    rows: fields of a SubmissionRow for every test image and class, in any order. The file has the rows, order and
    columns of the sample file; without one, the order of the test images and the columns of the config. What was
    written is read back and compared before it gets its name. Raises DataError with everything that is missing,
    unknown, double or out of range.
    """
    form = submission_form(competition, config)
    runs, scores = _checked(rows, form)
    with _whole(path, form) as temporary:
        if form.sample.layout == "coco_json":
            from maskfold.submission.coco_file import write_coco  # only this layout needs pycocotools

            write_coco(temporary, runs, scores, form)
        elif form.sample.layout == "mask_folder":
            write_masks(temporary, runs, form)
        elif form.sample.layout == "label_map":
            write_label_maps(temporary, runs, form)
        else:
            write_csv(temporary, runs, form)
        _check_written(_read(temporary, form.sample.layout, form), runs, form, path)


def read_submission(path: Path, form: SubmissionForm) -> ParsedSubmission:
    """What a submission of any layout says; a folder holds masks, a suffix tells json from csv.

    Raises DataError only where there is no such file; what is wrong with it is in the ParsedSubmission.
    """
    if path.is_dir():
        return _read(path, form.sample.layout if form.sample.layout in FOLDERS else "mask_folder", form)
    if not path.is_file():
        raise DataError([f"{display(path)}: no such file; `python src/make_submission.py` writes submissions"])
    return _read(path, "coco_json" if path.suffix.lower() == ".json" else "csv", form)


def _read(path: Path, layout: str, form: SubmissionForm) -> ParsedSubmission:
    if layout == "coco_json":
        from maskfold.submission.coco_file import read_coco

        return read_coco(path, form)
    readers = {"mask_folder": read_masks, "label_map": read_label_maps}
    return readers.get(layout, read_csv_rows)(path, form)


def _whole(path: Path, form: SubmissionForm) -> AbstractContextManager[Path]:
    return whole_folder(path) if form.sample.layout in FOLDERS else whole_file(path)


def _checked(rows: Iterable[tuple], form: SubmissionForm) -> tuple[RleStore, dict[MaskKey, tuple[float, ...]]]:
    """The run lengths of every row of the form, each within its image, and the scores of the mask and its objects."""
    wanted, runs, problems = set(form.sample.rows), RleStore(), list[str]()
    scores: dict[MaskKey, tuple[float, ...]] = {}
    for row in (SubmissionRow(*fields) for fields in rows):
        key = (row.image_id, row.class_index)
        place = f"prediction for {row.image_id}, class {form.class_names[row.class_index]}"
        if key in scores:
            problems.append(f"{place}: made twice")
        elif key not in wanted:
            problems.append(f"{place}: the sample file has no such row")
        else:
            try:
                parse_runs(row.runs, math.prod(form.sizes[row.image_id]))
            except RleError as error:
                problems.append(f"{place}: {error}")
        runs[key], scores[key] = row.runs, (row.score, *row.object_scores)
    problems += [
        f"prediction for {image_id}, class {form.class_names[class_index]}: missing"
        for image_id, class_index in form.sample.rows
        if (image_id, class_index) not in scores
    ]
    if problems:
        raise DataError(problems)
    return runs, scores


def _check_written(found: ParsedSubmission, runs: Mapping[MaskKey, str], form: SubmissionForm, path: Path) -> None:
    """Compare what is read back with what was meant to be written. Raises DataError."""
    problems = [*found.problems, *found.form_problems]
    problems += [
        f"{display(path)}: {form.place(key)} reads back differently from what was written; check the disk"
        for key in form.sample.rows
        if not problems and not _same_mask(found.runs[key], runs[key], key, form)
    ]
    if problems:
        raise DataError(problems)


def _same_mask(found: str, meant: str, key: MaskKey, form: SubmissionForm) -> bool:
    if found == meant or {found, meant} == {"", form.config.empty_token}:  # a token such as "1 1" may also be a mask
        return True
    size, order = form.sizes[key[0]], form.config.pixel_order
    return np.array_equal(decode(found, *size, order), decode(meant, *size, order))
