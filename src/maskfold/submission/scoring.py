"""A submission against the true masks of the test images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths, resolve
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.errors import DataError
from maskfold.execution.console import print_table, table_of
from maskfold.mask_metrics.metric import MaskMetric, mask_metric
from maskfold.mask_metrics.rows import AREAS, class_score
from maskfold.pixels.metrics import dice, mask_areas
from maskfold.pixels.object_scores import no_objects, object_counts
from maskfold.pixels.rle import decode
from maskfold.submission.form import MaskKey, SubmissionForm, submission_form
from maskfold.submission.writing import read_submission

_OF_OBJECTS = {"panoptic_quality": "PQ", "mean_precision": "AP of objects", "f2": "F2 of objects"}
_TITLES = {"all_empty": "all empty", "score": "score", "non_empty_dice": "Dice where not empty"} | _OF_OBJECTS


def score_submission(
    config: Config, competition: Competition, submission: Path | None = None, truth: Path | None = None
) -> pd.DataFrame:
    """One row a class: class_name, all_empty, score (both the config's metric), non_empty_dice.

    With `submission.rows: object` also panoptic_quality, mean_precision and f2, see `pixels.object_scores`.
    Raises DataError with all problems when either file does not fit the test images.
    """
    submission = submission or RunPaths.of(config).submission(config.submission.layout)
    truth = truth or resolve(config.data.root) / "truth" / "test.csv"
    form = submission_form(competition, config.submission)
    predicted, true = (_readable(path, form) for path in (submission, truth))
    rows, of_objects, of_masks = [], config.submission.rows == "object", mask_metric(config.tuning)
    for index, name in enumerate(competition.class_names):
        of_images, empty, objects = [], [], no_objects(1)
        for image_id, size in form.sizes.items():
            masks = [decode(runs[image_id, index], *size, config.submission.pixel_order) for runs in (predicted, true)]
            of_images.append(_row(masks[0], masks[1], of_masks))
            empty.append(_row(0 * masks[0], masks[1], of_masks))
            if of_objects:
                objects += object_counts(masks[1][None], masks[0][None])
        found = np.array(of_images)
        shown = found[found[:, 2] > 0]
        rows.append(
            {
                "class_name": name,
                "all_empty": class_score(config.tuning.metric, np.array(empty)),
                "score": class_score(config.tuning.metric, found),
                "non_empty_dice": float(dice(*shown[:, AREAS].T).mean()) if len(shown) else float("nan"),
                **({name: float(getattr(objects, name)[0]) for name in _OF_OBJECTS} if of_objects else {}),
            }
        )
    return pd.DataFrame(rows)


def _row(predicted: np.ndarray, true: np.ndarray, of_masks: MaskMetric | None) -> tuple[float, ...]:
    """What the score of one image and class follows from, see `mask_metrics.rows`."""
    return mask_areas(predicted, true) if of_masks is None else of_masks.row(predicted, true)


def _readable(path: Path, form: SubmissionForm) -> Mapping[MaskKey, str]:
    """The run lengths of a submission or truth; its order and header do not change the score."""
    found = read_submission(path, form)
    if found.problems:
        raise DataError(found.problems)
    return found.runs


def print_scores(scores: pd.DataFrame) -> None:
    """Print the table of `score_submission` with the mean over classes below."""
    columns = {name: title for name, title in _TITLES.items() if name in scores}
    table = table_of(["class"], list(columns.values()))
    for class_name, values in zip(scores["class_name"], scores[list(columns)].to_numpy(), strict=True):
        table.add_row(class_name, *[f"{value:.4f}" for value in values])
    means = scores[list(columns)].mean()
    table.add_section()
    table.add_row("mean", *[f"{value:.4f}" for value in means])
    print_table(table)
