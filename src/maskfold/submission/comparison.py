"""Two submissions compared: the Dice between them, and a page of the images they differ in most."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.data.images.photo import photos_of
from maskfold.drawing.html import page_environment
from maskfold.drawing.jpeg import write_jpeg
from maskfold.drawing.overlays import overlay
from maskfold.execution.console import print_table, table_of
from maskfold.pixels.metrics import dice, mask_areas
from maskfold.pixels.rle import decode
from maskfold.submission.form import MaskKey, SubmissionForm

TEMPLATE = Path(__file__).with_name("comparison.html.j2")


def compare_submissions(
    first: Mapping[MaskKey, str], second: Mapping[MaskKey, str], form: SubmissionForm
) -> pd.DataFrame:
    """One row an image and class: image_id, class_index, first_px, second_px, different_px, dice.

    different_px: pixels that only one of them shows; dice: 1 where both are empty.
    """
    keys = list(form.sample.rows)
    areas = np.zeros((len(keys), 3), dtype=np.int64)
    for row, key in enumerate(keys):
        if first[key] or second[key]:
            areas[row] = mask_areas(*_masks(key, (first, second), form))
    intersection, first_px, second_px = areas.T
    return pd.DataFrame(
        {
            "image_id": [image_id for image_id, _ in keys],
            "class_index": [class_index for _, class_index in keys],
            "first_px": first_px,
            "second_px": second_px,
            "different_px": first_px + second_px - 2 * intersection,
            "dice": dice(intersection, first_px, second_px),
        }
    )


def class_summary(table: pd.DataFrame, class_names: tuple[str, ...]) -> pd.DataFrame:
    """One row a class: class_name, dice (mean), masks that both, only the first, only the second or neither show."""
    rows = []
    for index, name in enumerate(class_names):
        own = table[table["class_index"] == index]
        first, second = own["first_px"] > 0, own["second_px"] > 0
        rows.append(
            {
                "class_name": name,
                "dice": own["dice"].mean(),
                "both": int((first & second).sum()),
                "only_first": int((first & ~second).sum()),
                "only_second": int((~first & second).sum()),
                "neither": int((~first & ~second).sum()),
            }
        )
    return pd.DataFrame(rows)


def most_different(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The `count` rows with most pixels in one submission only, most first."""
    differing = table[table["different_px"] > 0]
    order = ["different_px", "image_id", "class_index"]
    return differing.sort_values(order, ascending=[False, True, True]).head(count)


def print_comparison(table: pd.DataFrame, form: SubmissionForm, first: Path, second: Path) -> None:
    """Print the mean Dice between two submissions, class by class."""
    shown = table_of(["class"], ["Dice between", "both", "only first", "only second", "neither"])
    summary = class_summary(table, form.class_names)
    for row in summary.itertuples():
        counts = (row.both, row.only_first, row.only_second, row.neither)
        shown.add_row(row.class_name, f"{row.dice:.4f}", *map(str, counts))
    shown.add_section()
    shown.add_row("mean Dice, sums", f"{summary['dice'].mean():.4f}", *map(str, summary.iloc[:, 2:].sum()))
    print(f"first: {display(first)}\nsecond: {display(second)}")
    print_table(shown)


def write_comparison(
    config: Config,
    competition: Competition,
    form: SubmissionForm,
    table: pd.DataFrame,
    runs: tuple[Mapping[MaskKey, str], Mapping[MaskKey, str]],
    files: tuple[Path, Path],
) -> Path:
    """Write reports/<name>.compare/, whole or not at all; returns its index.html."""
    folder = RunPaths.of(config).comparison
    with whole_folder(folder) as part:
        chosen = most_different(table, config.report.examples)
        examples = _draw(competition, form, chosen, runs, part)
        template = page_environment(TEMPLATE.parent).get_template(TEMPLATE.name)
        page = template.render(
            name=config.name,
            files=[display(file) for file in files],
            classes=class_summary(table, form.class_names).to_dict("records"),
            images=len(competition.test),
            differing=int(table.loc[table["different_px"] > 0, "image_id"].nunique()),
            examples=examples,
        )
        (part / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


def _draw(
    competition: Competition,
    form: SubmissionForm,
    chosen: pd.DataFrame,
    runs: tuple[Mapping[MaskKey, str], Mapping[MaskKey, str]],
    folder: Path,
) -> list[dict[str, object]]:
    """Draw the pictures into folder/images; file names never come from image ids."""
    (folder / "images").mkdir()
    photos = photos_of(competition.test)
    examples: list[dict[str, object]] = []
    for rank, row in enumerate(chosen.to_dict("records")):
        image = photos[row["image_id"]].for_display()
        picture = overlay(image, *_masks((row["image_id"], row["class_index"]), runs, form))
        file = f"images/{rank:02d}.jpg"
        write_jpeg(folder / file, picture)
        examples.append({**row, "file": file, "class_name": form.class_names[row["class_index"]]})
    return examples


def _masks(
    key: MaskKey, runs: tuple[Mapping[MaskKey, str], Mapping[MaskKey, str]], form: SubmissionForm
) -> list[np.ndarray]:
    """The two masks of an image and class, (H, W) uint8 each."""
    return [decode(side[key], *form.sizes[key[0]], form.config.pixel_order) for side in runs]
