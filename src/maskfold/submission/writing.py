"""The answer file: rows in the order of the competition's sample file, decoded back before it gets its name."""

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
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.pixels.rle import (
    Order,
    RleError,
    decode,
    encode,
    parse_runs,
)
from maskfold.submission.csv_file import read_csv_answers, write_csv
from maskfold.submission.form import (
    AnswerFile,
    AnswerKey,
    Answers,
    answer_file,
)
from maskfold.submission.mask_folder import read_mask_answers, write_masks
from maskfold.submission.rle_store import RunTexts


class AnswerRow(NamedTuple):
    """The mask of one test image and class: run lengths, "" for a blank one, and how sure it is, 0..1."""

    image_id: str
    class_index: int
    runs: str
    score: float = 1.0


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
    rows: Iterable[AnswerRow | tuple[str, int, str] | tuple[str, int, str, float]],
    competition: Competition,
    config: SubmissionConfig,
    path: Path,
) -> None:
    """Write the answer whole or not at all.

    rows: fields of an AnswerRow for every test image and class, in any order. The file has the rows, order and columns
    of the sample file; without one, the order of the test images and the columns of the config. What was written is
    read back and compared before it gets its name. Raises DataError with everything that is missing, unknown, double or
    out of range.
    """
    answer = answer_file(competition, config)
    runs, scores = _checked(rows, answer)
    with _whole(path, answer) as temporary:
        if answer.form.layout == "coco_json":
            from maskfold.submission.coco_file import write_coco  # pycocotools is wanted by this layout alone

            write_coco(temporary, runs, scores, answer)
        elif answer.form.layout == "mask_folder":
            write_masks(temporary, runs, answer)
        else:
            write_csv(temporary, runs, answer)
        _check_written(_read(temporary, answer.form.layout, answer), runs, answer, path)


def read_answers(path: Path, answer: AnswerFile) -> Answers:
    """What an answer file of any layout says, told by its suffix, or by being a folder.

    Raises DataError only where there is no such file; what is wrong with it stands in the Answers.
    """
    if path.is_dir():
        return _read(path, "mask_folder", answer)
    if not path.is_file():
        raise DataError([f"{display(path)}: no such file; `python src/make_submission.py` writes submissions"])
    return _read(path, "coco_json" if path.suffix.lower() == ".json" else "csv", answer)


def _read(path: Path, layout: str, answer: AnswerFile) -> Answers:
    if layout == "coco_json":
        from maskfold.submission.coco_file import read_coco_answers

        return read_coco_answers(path, answer)
    return read_mask_answers(path, answer) if layout == "mask_folder" else read_csv_answers(path, answer)


def _whole(path: Path, answer: AnswerFile) -> AbstractContextManager[Path]:
    return whole_folder(path) if answer.form.layout == "mask_folder" else whole_file(path)


def _checked(rows: Iterable[tuple], answer: AnswerFile) -> tuple[RunTexts, dict[AnswerKey, float]]:
    """The run lengths of every row of the form, each within its image, and their scores."""
    wanted, runs, scores, problems = set(answer.form.rows), RunTexts(), dict[AnswerKey, float](), list[str]()
    for row in (AnswerRow(*fields) for fields in rows):
        key = (row.image_id, row.class_index)
        place = f"prediction for {row.image_id}, class {answer.class_names[row.class_index]}"
        if key in scores:
            problems.append(f"{place}: made twice")
        elif key not in wanted:
            problems.append(f"{place}: the sample file has no such row")
        else:
            try:
                parse_runs(row.runs, math.prod(answer.sizes[row.image_id]))
            except RleError as error:
                problems.append(f"{place}: {error}")
        runs[key], scores[key] = row.runs, row.score
    problems += [
        f"prediction for {image_id}, class {answer.class_names[class_index]}: missing"
        for image_id, class_index in answer.form.rows
        if (image_id, class_index) not in scores
    ]
    if problems:
        raise DataError(problems)
    return runs, scores


def _check_written(found: Answers, runs: Mapping[AnswerKey, str], answer: AnswerFile, path: Path) -> None:
    """Compare what a judge would read with what was meant. Raises DataError."""
    problems = [*found.problems, *found.form_problems]
    problems += [
        f"{display(path)}: {answer.place(key)} reads back differently from what was written; is the disk in order?"
        for key in answer.form.rows
        if not problems and not _same_mask(found.runs[key], runs[key], key, answer)
    ]
    if problems:
        raise DataError(problems)


def _same_mask(found: str, meant: str, key: AnswerKey, answer: AnswerFile) -> bool:
    if found == meant or {found, meant} == {"", answer.config.empty_token}:  # a token such as "1 1" may also be a mask
        return True
    size, order = answer.sizes[key[0]], answer.config.order
    return np.array_equal(decode(found, *size, order), decode(meant, *size, order))
