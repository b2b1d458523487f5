"""Submissions as a folder of label maps: <image>.png, whose grey values are those of the exclusive classes, else 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from maskfold.artefacts.paths import display
from maskfold.data.formats.mask_files import read_values
from maskfold.errors import DataError
from maskfold.pixels.rle import decode, encode
from maskfold.submission.form import MaskKey, ParsedSubmission, SubmissionForm
from maskfold.submission.mask_folder import image_file, strangers


def write_label_maps(folder: Path, runs: Mapping[MaskKey, str], form: SubmissionForm) -> None:
    """Write a grey png of every image into an empty folder. Raises DataError for an image whose classes overlap."""
    for image_id, keys in _keys_of_images(form).items():
        plane = np.zeros(form.sizes[image_id], dtype=np.uint8)
        for key in keys:
            mask = decode(runs[key], *form.sizes[image_id], form.config.pixel_order) > 0
            if plane[mask].any():
                raise DataError(
                    [f"{form.place(key)}: overlaps a class before it in {np.count_nonzero(plane[mask])} px"]
                )
            plane[mask] = _values(form)[key[1]]
        file = image_file(folder, folder, image_id, form)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(cv2.imencode(".png", plane)[1].tobytes())


def read_label_maps(folder: Path, form: SubmissionForm) -> ParsedSubmission:
    """Read a folder of label maps, grey or with a palette, and report every file that is missing, unknown or wrong."""
    found, files = ParsedSubmission(), set()
    for image_id, keys in _keys_of_images(form).items():
        file = image_file(folder, folder, image_id, form)
        files.add(file)
        found.runs.update(dict.fromkeys(keys, ""))
        if not file.is_file():
            found.problems.append(f"{display(file)}: no label map for {form.sample.names[image_id]}")
            continue
        try:
            plane = read_values(file, "class_index")
        except DataError as error:
            found.problems += error.problems
            continue
        problem = _problem(plane, form.sizes[image_id], _values(form))
        if problem:
            found.problems.append(f"{display(file)}: {problem}")
            continue
        for key in keys:
            found.runs[key] = encode(plane == _values(form)[key[1]], form.config.pixel_order)
    found.form_problems += [f"{display(path)}: not a label map of any test image" for path in strangers(folder, files)]
    return found


def _keys_of_images(form: SubmissionForm) -> dict[str, list[MaskKey]]:
    """image_id -> its rows, in the order of the form."""
    keys: dict[str, list[MaskKey]] = {}
    for key in form.sample.rows:
        keys.setdefault(key[0], []).append(key)
    return keys


def _values(form: SubmissionForm) -> tuple[int, ...]:
    """The value of each class."""
    return form.config.class_values or tuple(range(1, len(form.class_names) + 1))


def _problem(plane: np.ndarray, size: tuple[int, int], values: tuple[int, ...]) -> str | None:
    """What is wrong with a map that should be of `size` and hold 0 and the values of classes."""
    if plane.shape != size:
        return (
            f"found {plane.shape[0]}x{plane.shape[1]} px (height x width), expected {size[0]}x{size[1]} "
            "(submission.size changes it)"
        )
    unknown = sorted(set(np.unique(plane).tolist()) - {0, *values})
    if unknown:
        shown = ", ".join(map(str, unknown[:8]))
        return f"found the values {shown}; expected 0 and {', '.join(map(str, values))} (submission.class_values)"
    return None
