"""Submissions as run lengths in a csv: one row an image and class (an image where there is one class), or an object."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from maskfold.artefacts.paths import display
from maskfold.data.csv_files import Row, selected, stream_csv
from maskfold.data.sample_submission import EXPECTED, Roles, image_and_class
from maskfold.errors import DataError
from maskfold.pixels.rle import RleError, absolute_runs, parse_runs, relative_runs
from maskfold.submission.form import MaskKey, ParsedSubmission, SubmissionForm
from maskfold.submission.object_rows import ObjectParts, texts_of


def write_csv(path: Path, runs: Mapping[MaskKey, str], form: SubmissionForm) -> None:
    """Write the rows in the form's order; an empty mask has one with the empty token."""
    sample = form.sample
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(sample.columns)
        for image_id, class_index in sample.rows:
            name, class_name = sample.names[image_id], form.class_names[class_index]
            fields = {sample.image_column: f"{name}_{class_name}" if sample.layout == "image_class_id" else name}
            if sample.class_column is not None:
                fields[sample.class_column] = class_name
            key = image_id, class_index
            for text in texts_of(runs[key], key, form) or [""]:
                fields[sample.rle_column] = _in_order(text, form) or form.config.empty_token
                writer.writerow([fields[column] for column in sample.columns])


def _in_order(text: str, form: SubmissionForm) -> str:
    """Absolute run lengths as the file has them."""
    return relative_runs(text) if form.config.order == "relative" else text


def read_csv_rows(path: Path, form: SubmissionForm) -> ParsedSubmission:
    """Read a csv of any layout, and report every problem with its row; blank is always empty, as is the token."""
    found, shown = ParsedSubmission(), display(path)
    try:
        header, rows = stream_csv(path, found.problems, exact=True)
        roles = form.sample.roles_in(header)
        if roles is None:
            found.problems.append(f"{shown}, row 1: found the header {','.join(header)}; expected {EXPECTED}")
            return found
        if header != form.sample.columns:
            wanted = ",".join(form.sample.columns) or f"no csv, but submission.layout {form.sample.layout}"
            found.form_problems.append(f"{shown}, row 1: found the header {','.join(header)}; expected {wanted}")
        columns = [roles.image_column] if roles.class_column is None else [roles.image_column, roles.class_column]
        fields = selected(rows, header, [*columns, roles.rle_column])
        numbers = _read_rows(fields, roles, form, found, shown)
    except DataError as error:
        found.problems += error.problems
        return found
    found.problems += [f"{shown}: no row for {form.place(key)}" for key in form.sample.rows if key not in numbers]
    found.form_problems += _order_problem(numbers, form, shown)
    return found


def _read_rows(
    rows: Iterable[Row], roles: Roles, form: SubmissionForm, found: ParsedSubmission, shown: str
) -> dict[MaskKey, int]:
    """Keep every row of a known image and class; returns the row numbers, in the order of the file.

    rows: the name of the image, of the class where that has its own column, and the run lengths.
    """
    ids, wanted = form.ids, set(form.sample.rows)
    images = {*ids, *form.sample.names}
    numbers: dict[MaskKey, int] = {}
    parts: dict[MaskKey, ObjectParts] = {}
    for number, (*fields, text) in rows:
        where = f"{shown}, row {number}:"
        name, class_name = image_and_class(fields, roles, form.class_names, images)
        if class_name not in form.class_names:
            found.problems.append(f"{where} unknown class {class_name!r}; there are {', '.join(form.class_names)}")
            continue
        image_id = ids.get(name, name)
        if name not in ids and name in form.sample.names:
            found.form_problems.append(f"{where} {name!r} must be called {form.sample.names[name]!r} here")
        key = (image_id, form.class_names.index(class_name))
        if key not in wanted:
            known = image_id in form.sample.names
            fault = "the sample file has no such row" if known else f"there is no test image {name!r}"
            found.problems.append(f"{where} {fault}")
        elif key in numbers and key not in parts:
            found.problems.append(f"{where} {form.place(key)} is in row {numbers[key]} already")
        else:
            numbers.setdefault(key, number)
            found.runs[key] = runs = _checked_runs(text, key, form, found, where)
            if form.config.rows == "object" and (runs or key in parts):
                parts.setdefault(key, ObjectParts()).add(runs, number)
    for key, of_objects in parts.items():
        found.runs[key], problem = of_objects.united()
        if problem is not None:
            found.problems.append(f"{shown}, row {problem[0]}: {form.place(key)}, {problem[1]}")
    return numbers


def _checked_runs(text: str, key: MaskKey, form: SubmissionForm, found: ParsedSubmission, where: str) -> str:
    token, text = form.config.empty_token.strip(), text.strip()
    if text == token:
        return ""
    if not text:
        found.form_problems.append(f"{where} blank, but an empty mask is {token!r} here (submission.empty_token)")
    height, width = form.sizes[key[0]]
    try:
        absolute = absolute_runs(text) if form.config.order == "relative" else text
        parse_runs(absolute, height * width)
    except RleError as error:
        hint = f"; empty masks are {token!r} here (submission.empty_token)" if text in ("-1", "-", "0", "nan") else ""
        size = f"; masks have {height}x{width} px here (submission.size)" if form.config.size is not None else ""
        found.problems.append(f"{where} {form.place(key)}: {error}{hint or size}")
        return ""
    return absolute


def _order_problem(numbers: Mapping[MaskKey, int], form: SubmissionForm, shown: str) -> list[str]:
    """Where the rows first differ from the form's order, if they do."""
    wanted: Iterable[MaskKey] = (key for key in form.sample.rows if key in numbers)
    for (key, number), expected in zip(numbers.items(), wanted, strict=True):
        if key != expected:
            return [
                f"{shown}, row {number}: found {form.place(key)} where {form.place(expected)} is expected; the rows "
                "must have the order of the sample file"
            ]
    return []
