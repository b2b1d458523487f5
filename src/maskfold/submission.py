"""The answer file: rows in the order of the competition's sample file, decoded back before it gets its name."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from maskfold.config import SubmissionConfig
from maskfold.data.competition import Competition, DataError
from maskfold.data.sample_file import SampleFile, read_sample_file
from maskfold.paths import display
from maskfold.provenance import whole_file
from maskfold.rle import Order, RleError, decode, encode, parse_runs

AnswerRow = tuple[str, int, str]  # image_id, class index, run lengths


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


def write_submission(rows: Iterable[AnswerRow], competition: Competition, config: SubmissionConfig, path: Path) -> None:
    """Write the answer whole or not at all.

    rows: one for every test image and class, in any order. The file has the rows, order and columns of the sample file;
    without one, the order of the test images and the columns of the config. What was written is read back and compared
    before it gets its name. Raises DataError with everything that is missing, unknown, double or out of range.
    """
    form = answer_form(competition, config)
    answers = _checked_answers(rows, competition, form)
    with whole_file(path) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(form.columns)
            for image_id, class_index in form.rows:
                text = answers[image_id, class_index] or config.empty_token
                writer.writerow(_fields(form, image_id, competition.class_names[class_index], text))
        _check_written(temporary, form, competition.class_names, answers, config.empty_token)


def answer_form(competition: Competition, config: SubmissionConfig) -> SampleFile:
    """The columns and rows the answer must have: the sample file's, or without one all test images and classes."""
    if competition.sample_submission is not None:
        return read_sample_file(
            competition.sample_submission, competition.class_names, set(competition.test["image_id"])
        )
    columns = config.column_names
    rows = [(image, index) for image in competition.test["image_id"] for index in range(len(competition.class_names))]
    if config.layout == "image" and len(competition.class_names) != 1:
        raise DataError([f"submission.layout image has no room for {len(competition.class_names)} classes"])
    class_column = columns[1] if config.layout == "image_class_columns" else None
    return SampleFile(config.layout, columns, columns[0], class_column, columns[-1], tuple(rows))


def _checked_answers(
    rows: Iterable[AnswerRow], competition: Competition, form: SampleFile
) -> dict[tuple[str, int], str]:
    """(image_id, class index) -> run lengths, exactly the rows of the form, every one within its image."""
    sizes = competition.test_sizes()
    wanted, answers, problems = set(form.rows), dict[tuple[str, int], str](), list[str]()
    for image_id, class_index, text in rows:
        place = f"prediction for {image_id}, class {competition.class_names[class_index]}"
        if (image_id, class_index) in answers:
            problems.append(f"{place}: made twice")
        elif (image_id, class_index) not in wanted:
            problems.append(f"{place}: the sample file has no such row")
        else:
            try:
                parse_runs(text, math.prod(sizes[image_id]))
            except RleError as error:
                problems.append(f"{place}: {error}")
        answers[image_id, class_index] = text
    problems += [
        f"prediction for {image_id}, class {competition.class_names[class_index]}: missing"
        for image_id, class_index in form.rows
        if (image_id, class_index) not in answers
    ]
    if problems:
        raise DataError(problems)
    return answers


def _fields(form: SampleFile, image_id: str, class_name: str, text: str) -> list[str]:
    """The fields of one row, in the order of the form's columns."""
    image = f"{image_id}_{class_name}" if form.layout == "image_class_id" else image_id
    by_column = {form.image_column: image, form.rle_column: text}
    if form.class_column is not None:
        by_column[form.class_column] = class_name
    return [by_column[column] for column in form.columns]


def _check_written(
    path: Path,
    form: SampleFile,
    class_names: Sequence[str],
    answers: dict[tuple[str, int], str],
    empty_token: str,
) -> None:
    """Read the file back as a judge would and compare every row with what it should say."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = tuple(next(reader))
        count = 0
        for (image_id, class_index), found in zip(form.rows, reader, strict=True):
            text = answers[image_id, class_index] or empty_token
            count += found == _fields(form, image_id, class_names[class_index], text)
    if header != form.columns or count != len(form.rows):
        raise DataError([f"{display(path)}: reads back differently from what was written; is the disk in order?"])
