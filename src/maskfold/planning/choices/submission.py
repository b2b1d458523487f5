"""What the sample submission and the labels imply about the submission; what they do not say stays at the default."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from maskfold.config import CocoData, ImageNames, RleCsvData
from maskfold.config.data.every_format import LabelledData
from maskfold.config.submission import FOLDERS, ROWS_OF_OBJECTS
from maskfold.data.competition import Competition
from maskfold.data.csv_files import read_csv
from maskfold.data.sample_order import sample_order
from maskfold.data.sample_submission import SampleFile, read_sample_file
from maskfold.errors import DataError
from maskfold.pixels.rle import RleError, parse_runs
from maskfold.planning.draft import Draft

_NOT_IMPLIED = "not implied by the data: check the competition's rules"


def choose_submission(draft: Draft, competition: Competition, data: LabelledData) -> None:
    """Choose the keys of `submission`; nothing where there are no test images."""
    if competition.test.empty:
        print("plan: no test images were found, so there will be no submission", flush=True)
        return
    shown = None
    if competition.sample_submission is not None:
        shown = _of_sample(draft, competition, competition.sample_submission)
    else:
        _of_labels(draft, competition, data)
    layout = draft.value("submission.layout")
    _choose_rows(draft, layout, data)
    is_csv = layout != "coco_json" and layout not in FOLDERS
    if shown is not None:
        draft.choose("submission.order", shown, "as the run lengths of the sample submission")
    elif isinstance(data, RleCsvData):
        draft.choose("submission.order", data.order, "as the run lengths of the labels")
    elif is_csv:
        draft.choose("submission.order", "column", f"Kaggle's usual order; {_NOT_IMPLIED}")
    if not is_csv:
        return
    token, reason = _empty_token(competition, data)
    draft.choose("submission.empty_token", token, reason)


def _of_sample(draft: Draft, competition: Competition, path: Path) -> str | None:
    """Choose what a sample submission says, and return the order that its run lengths show, if they do."""
    images, problems = competition.test_files(), DataError([f"{path}: cannot be read as a sample submission"])
    for naming in get_args(ImageNames):
        try:
            sample = read_sample_file(path, competition.class_names, images, naming)
        except DataError as error:
            problems = problems if naming == "index" else error
            continue
        draft.choose("submission.layout", sample.layout, _header(sample, path))
        if naming != "id":
            draft.choose("submission.image_names", naming, f"as {path.name} calls the images")
        if sample.repeated:
            draft.choose("submission.rows", "object", f"{path.name} has several rows of one image and class")
        return sample_order(path, sample, competition.test_sizes())
    raise problems


def _choose_rows(draft: Draft, layout: str, data: LabelledData) -> None:
    """Choose rows of objects where the labels have them, which says more than a sample that shows no object."""
    if draft.value("submission.rows") is not None:
        return
    if layout == "coco_json" and isinstance(data, CocoData):
        draft.choose("submission.rows", "object", "a COCO result is an object")
    elif layout in ROWS_OF_OBJECTS and isinstance(data, RleCsvData) and data.several_rows == "union":
        draft.choose("submission.rows", "object", f"as the labels have a row for each object; {_NOT_IMPLIED}")


def _header(sample: SampleFile, path: Path) -> str:
    columns = f": {','.join(sample.columns)}" if sample.columns else ""
    return f"{path.name}{columns}, {len(sample.rows):,} rows, which the submission repeats"


def _of_labels(draft: Draft, competition: Competition, data: LabelledData) -> None:
    columns = data.columns if isinstance(data, RleCsvData) else None
    if columns is not None and columns.rle is not None:
        three = columns.class_name is not None
        layout = "image_class_columns" if three else "image_class_id" if columns.image_class else "image"
        draft.choose("submission.layout", layout, f"no sample submission; as the labels. {_NOT_IMPLIED}")
        draft.choose("submission.columns", columns.names, "the columns of the label csv")
    elif len(competition.class_names) == 1:
        draft.choose("submission.layout", "image", f"one row an image, for one class; {_NOT_IMPLIED}")
    else:
        draft.choose("submission.layout", "image_class_columns", f"a row an image and class; {_NOT_IMPLIED}")


def _empty_token(competition: Competition, data: LabelledData) -> tuple[str, str]:
    """What the csv has for an empty mask, and why."""
    if isinstance(data, RleCsvData) and data.empty_token:
        return data.empty_token, "as in the labels"
    path = competition.sample_submission
    if path is not None and path.suffix.lower() == ".csv":
        table = read_csv(path)
        values = {fields[-1] for _, fields in table.rows}
        if len(values) == 1:
            [value] = values
            if _is_runs(value):
                return "", f"blank; {value!r} in {path.name} is a placeholder, as it is a mask itself"
            return value, f"as in every row of {path.name}" if value else f"blank, as in {path.name}"
    return "", f"blank; {_NOT_IMPLIED}"


def _is_runs(text: str) -> bool:
    try:
        return len(parse_runs(text)) > 0
    except RleError:
        return False
