"""Submissions as a folder of png masks: <image>.png, or <class>/<image>.png where there are several classes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

import cv2
import numpy as np

from maskfold.artefacts.paths import display
from maskfold.data.images.decoding import read_eight_bits
from maskfold.errors import DataError
from maskfold.pixels.rle import decode, encode
from maskfold.submission.form import MaskKey, ParsedSubmission, SubmissionForm


def mask_file(folder: Path, key: MaskKey, form: SubmissionForm) -> Path:
    """The path of the mask of an image and class."""
    image_id, class_index = key
    inside = folder if len(form.class_names) == 1 else folder / form.class_names[class_index]
    return image_file(folder, inside, image_id, form)


def image_file(folder: Path, inside: Path, image_id: str, form: SubmissionForm) -> Path:
    """The path of an image's png `inside` the folder; an id that would lead out of the folder is refused."""
    file = inside / f"{form.sample.names[image_id]}.png"
    if not file.is_relative_to(folder) or ".." in file.relative_to(folder).parts:
        raise DataError([f"test image {image_id!r} or its class climbs out of the folder of masks"])
    return file


def write_masks(folder: Path, runs: Mapping[MaskKey, str], form: SubmissionForm) -> None:
    """Write a grey png of every image and class into an empty folder: 0, and config.mask_value where the mask is on."""
    for key in form.sample.rows:
        mask = decode(runs[key], *form.sizes[key[0]], form.config.pixel_order) * np.uint8(form.config.mask_value)
        file = mask_file(folder, key, form)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(cv2.imencode(".png", mask)[1].tobytes())


def read_masks(folder: Path, form: SubmissionForm) -> ParsedSubmission:
    """Read a folder of masks, and report every file that is missing, unknown, of another size or of other values."""
    found = ParsedSubmission()
    files = {mask_file(folder, key, form): key for key in form.sample.rows}
    for file, key in files.items():
        found.runs[key] = ""
        if not file.is_file():
            found.problems.append(f"{display(file)}: no mask for {form.place(key)}")
            continue
        try:
            pixels = read_eight_bits(file)
        except DataError as error:
            found.problems += error.problems
            continue
        problem = _mask_problem(pixels, form.sizes[key[0]], form.config.mask_value)
        if problem:
            found.problems.append(f"{display(file)}: {problem}")
        else:
            found.runs[key] = encode(pixels[:, :, 0], form.config.pixel_order)
    found.form_problems += [
        f"{display(path)}: not a mask of any test image and class" for path in strangers(folder, files)
    ]
    return found


def strangers(folder: Path, files: Container[Path]) -> list[Path]:
    """The files in a folder of images that are not among those it should hold, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path not in files)


def _mask_problem(pixels: np.ndarray, size: tuple[int, int], value: int) -> str | None:
    """What is wrong with the (H, W, channels) pixels of a mask that should be of `size`, all 0 or `value`."""
    height, width, channels = pixels.shape
    if channels != 1:
        return f"found {channels} channels, expected grey"
    if (height, width) != size:
        return f"found {height}x{width} px (height x width), expected {size[0]}x{size[1]} (submission.size changes it)"
    values = np.unique(pixels).tolist()
    if not set(values) <= {0, value}:
        return (
            f"found the values {', '.join(map(str, values[:8]))}; expected 0 and {value} only (submission.mask_value)"
        )
    return None
