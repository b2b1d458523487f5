"""A submission against the true masks of the test images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.execution.console import print_table, table_of
from maskfold.pixels.metrics import class_score, dice, mask_areas
from maskfold.pixels.rle import decode
from maskfold.submission.form import MaskKey, SubmissionForm, submission_form
from maskfold.submission.writing import read_submission


def score_submission(
    config: Config, competition: Competition, submission: Path | None = None, truth: Path | None = None
) -> pd.DataFrame:
    """One row a class: class_name, all_empty, score (both the config's metric), non_empty_dice.

    Raises DataError with all problems when either file does not fit the test images.
    """
    submission = submission or RunPaths.of(config).submission(config.submission.layout)
    truth = truth or resolve(config.data.root) / "truth" / "test.csv"
    form = submission_form(competition, config.submission)
    predicted, true = (_readable(path, form) for path in (submission, truth))
    rows = []
    for index, name in enumerate(competition.class_names):
        areas = []
        for image_id, size in form.sizes.items():
            masks = [decode(runs[image_id, index], *size, config.submission.pixel_order) for runs in (predicted, true)]
            areas.append(mask_areas(*masks))
        columns = pd.DataFrame(areas, columns=["intersection", "predicted", "true"])
        shown = columns[columns["true"] > 0]
        rows.append(
            {
                "class_name": name,
                "all_empty": class_score(
                    config.tuning.metric, 0 * columns["true"], 0 * columns["true"], columns["true"]
                ),
                "score": class_score(config.tuning.metric, *columns.to_numpy().T),
                "non_empty_dice": float(dice(*shown.to_numpy().T).mean()) if len(shown) else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def _readable(path: Path, form: SubmissionForm) -> Mapping[MaskKey, str]:
    """The run lengths of a submission or truth; its order and header do not change the score."""
    found = read_submission(path, form)
    if found.problems:
        raise DataError(found.problems)
    return found.runs


def print_scores(scores: pd.DataFrame) -> None:
    """Print the table of `score_submission` with the mean over classes below."""
    table = table_of(["class"], ["all empty", "score", "Dice where not empty"])
    for row in scores.itertuples():
        table.add_row(row.class_name, f"{row.all_empty:.4f}", f"{row.score:.4f}", f"{row.non_empty_dice:.4f}")
    means = scores[["all_empty", "score", "non_empty_dice"]].mean()
    table.add_section()
    table.add_row("mean", *[f"{value:.4f}" for value in means])
    print_table(table)
