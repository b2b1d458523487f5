"""A submission against known answers: what a judge would say."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from maskfold.config import Config
from maskfold.data.competition import Competition, DataError
from maskfold.data.sample_file import SampleFile, read_sample_file
from maskfold.metrics import class_score, dice, mask_areas
from maskfold.paths import RunPaths, display, resolve
from maskfold.rle import RleError, decode


def score_submission(
    config: Config, competition: Competition, submission: Path | None = None, truth: Path | None = None
) -> pd.DataFrame:
    """One row a class: class_name, all_empty, score (both the config's metric), non_empty_dice.

    Raises DataError with all problems when either file does not fit the test images.
    """
    submission = submission or RunPaths.of(config).submission_csv
    truth = truth or resolve(config.data.root) / "truth" / "test.csv"
    predicted, true = (read_answers(path, competition, config.submission.empty_token) for path in (submission, truth))
    sizes = competition.test_sizes()
    rows = []
    for index, name in enumerate(competition.class_names):
        areas = []
        for image_id, size in sizes.items():
            masks = [decode(answers[image_id, index], *size, config.submission.order) for answers in (predicted, true)]
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


def read_answers(path: Path, competition: Competition, empty_token: str = "") -> dict[tuple[str, int], str]:
    """(image_id, class index) -> run lengths of a submission or truth csv, checked against the test images."""
    if not path.is_file():
        raise DataError([f"{display(path)}: no such file; `python src/make_submission.py` writes submissions"])
    form = read_sample_file(path, competition.class_names, set(competition.test["image_id"]))
    with path.open(newline="", encoding="utf-8-sig") as file:
        texts = [row[form.rle_column] or "" for row in csv.DictReader(file)]
    answers = dict(zip(form.rows, ["" if text == empty_token else text for text in texts], strict=True))
    problems = _range_problems(path, form, answers, competition)
    if problems:
        raise DataError(problems)
    return answers


def _range_problems(
    path: Path, form: SampleFile, answers: dict[tuple[str, int], str], competition: Competition
) -> list[str]:
    sizes = competition.test_sizes()
    problems = []
    for number, (image_id, class_index) in enumerate(form.rows, 2):
        try:
            decode(answers[image_id, class_index], *sizes[image_id])
        except RleError as error:
            problems.append(f"{display(path)}, row {number}: {error}")
    return problems


def print_scores(scores: pd.DataFrame) -> None:
    """Print the table of `score_submission` with the mean over classes below."""
    table = Table("class", "all empty", "score", "Dice where not empty")
    for row in scores.itertuples():
        table.add_row(row.class_name, f"{row.all_empty:.4f}", f"{row.score:.4f}", f"{row.non_empty_dice:.4f}")
    means = scores[["all_empty", "score", "non_empty_dice"]].mean()
    table.add_section()
    table.add_row("mean", *[f"{value:.4f}" for value in means])
    Console().print(table)
