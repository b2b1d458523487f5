"""Writes the demo competition to disk in Severstal's files and columns, whole or not at all."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import display, resolve
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.config import Config, DemoConfig
from maskfold.data.demo.drawing import CLASS_NAMES, draw_image
from maskfold.errors import UsageError
from maskfold.execution.progress import tracked
from maskfold.pixels.rle import encode

JPEG_QUALITY = 92
COLUMNS = ("ImageId", "ClassId", "EncodedPixels")
TRUTH_CSV = "truth/test.csv"  # only score_submission.py reads it


@one_writer("make_demo_data")
def make_demo_data(config: Config, accept_code_changes: bool = False) -> None:
    """Draw the demo competition into data.root unless it is up to date; a config without a demo section has its own.

    Raises UsageError when data.root holds files that this stage did not make.
    """
    step = Step("make_demo_data", accept_code_changes)
    if config.demo is None:
        step.say(f"nothing to do: {config.name} has its own data in {config.data.root}, skipped")
        return
    root = resolve(config.data.root)
    made_from = Provenance("make_demo_data", config.demo.model_dump(), {}, code_version("demo data"))
    marker = root / "README.txt"
    if not step.due(marker, made_from, display(root)):
        return
    if root.exists() and not marker.exists():
        raise UsageError(
            f"{display(root)} holds files the demo did not make; move them away, or leave out the config's demo section"
        )
    with whole_folder(root) as part:
        _write_files(part, config.demo)
        made_from.write(part / marker.name)
    step.wrote(root, f", {config.demo.train_images} training and {config.demo.test_images} test images")


def _write_files(folder: Path, settings: DemoConfig) -> None:
    train = _write_split(folder / "train_images", settings, "train", settings.train_images)
    test = _write_split(folder / "test_images", settings, "test", settings.test_images)
    _write_csv(folder / "train.csv", [row for row in train if row[2]])  # positives only, as Severstal's second form
    _write_csv(folder / "sample_submission.csv", [(image_id, name, "") for image_id, name, _ in test])
    _write_csv(folder / TRUTH_CSV, test)
    (folder / "README.txt").write_text(
        "The maskfold demo competition, drawn by src/make_demo_data.py. Strips of steel with four kinds of defects:\n"
        "1 dark pits, 2 bright scratches, 3 rough patches, 4 dark bands. truth/test.csv is for score_submission.py.\n",
        encoding="utf-8",
    )


def _write_split(folder: Path, settings: DemoConfig, split: str, count: int) -> list[tuple[str, str, str]]:
    """Write a split's images; returns its label rows (image_id, class name, run lengths), sorted by image."""
    folder.mkdir(parents=True)
    rows = []
    for index in tracked(range(count), count, f"{split} images"):
        image = draw_image(settings, split, index)
        coded = cv2.imencode(".jpg", image.grey, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        (folder / image.image_id).write_bytes(coded.tobytes())
        rows += [(image.image_id, name, encode(mask)) for name, mask in zip(CLASS_NAMES, image.masks, strict=True)]
    return sorted(rows)


def _write_csv(path: Path, rows: list[tuple[str, str, str]]) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
