"""Whether a competition would accept a submission, ours or not, and how it differs from another."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.artefacts.paths import RunPaths, display
from maskfold.config import Config
from maskfold.config.submission import FOLDERS
from maskfold.data.competition import Competition
from maskfold.data.formats.rle_csv import order_problems
from maskfold.errors import DataError
from maskfold.execution.console import print_table, table_of
from maskfold.execution.progress import tracked
from maskfold.submission.comparison import compare_submissions, print_comparison, write_comparison
from maskfold.submission.form import MaskKey, ParsedSubmission, SubmissionForm, submission_form
from maskfold.submission.writing import read_submission

_SHOWN = 50
_FAR = math.log(2)  # odds that differ by more than a factor of two …
_STANDARD_ERRORS = 3  # … and by more than chance allows


class Counts(NamedTuple):
    """How many of some images are not empty in a class."""

    non_empty: int
    images: int

    @property
    def share(self) -> float:
        """0..1, nan without images."""
        return self.non_empty / self.images if self.images else float("nan")


def check_submission(config: Config, competition: Competition, path: Path, against: Path | None = None) -> bool:
    """Print all that is wrong with a submission, and what is unusual; returns whether a competition would accept it.

    Without a sample file the rows are those the config asks for. Warnings are masks that are torn apart, and a share of
    non-empty masks far from that of the training images, or of the OOF predictions where there are any. With `against`
    a page shows where the two files differ. Raises DataError when there is no such file, or the other one cannot be
    read.
    """
    form = submission_form(competition, config.submission)
    found = read_submission(path, form)
    problems = sorted([*_kind_problem(path, form), *found.problems, *found.form_problems], key=_row_number)
    if found.problems:
        print(f"the share of non-empty masks is not compared: {display(path)} cannot be read whole")
    else:
        shares = share_table(config, competition, found.runs)
        _print_shares(shares, display(path))
        for warning in [*share_warnings(shares), *_order_warnings(path, form, found)]:
            print(f"warning: {warning}")
    if against is not None and found.problems:
        print(f"not compared with {display(against)}: {display(path)} cannot be read whole")
    elif against is not None:
        _compare(config, competition, form, found.runs, path, against)
    for problem in problems[:_SHOWN]:
        print(f"  {problem}")
    if len(problems) > _SHOWN:
        print(f"  … and {len(problems) - _SHOWN} more")
    result = f"refused: {len(problems)} problem{'s' if len(problems) > 1 else ''}" if problems else "accepted"
    print(f"check_submission: {display(path)}: {result}")
    return not problems


def _compare(
    config: Config,
    competition: Competition,
    form: SubmissionForm,
    runs: Mapping[MaskKey, str],
    path: Path,
    against: Path,
) -> None:
    other = read_submission(against, form)
    if other.problems:
        raise DataError(other.problems)
    table = compare_submissions(runs, other.runs, form)
    print_comparison(table, form, path, against)
    page = write_comparison(config, competition, form, table, (runs, other.runs), (path, against))
    print(f"check_submission: wrote {display(page)}; open it in a browser")


def _order_warnings(path: Path, form: SubmissionForm, found: ParsedSubmission) -> list[str]:
    """What is unusual about the run lengths in a csv: another order fits better, or starts count from 0."""
    if not form.sample.rle_column:
        return []
    masks = [(text, *form.sizes[key[0]]) for key, text in found.runs.items() if text]
    return order_problems(path, masks, form.config.order, "submission.order:")


def _kind_problem(path: Path, form: SubmissionForm) -> list[str]:
    """A json or a folder where the config asks for something else; a csv's header is compared where it is read."""
    folder = form.sample.layout if form.sample.layout in FOLDERS else "mask_folder"
    kind = folder if path.is_dir() else "coco_json" if path.suffix.lower() == ".json" else "csv"
    if kind == "csv" or form.sample.layout == kind:
        return []
    return [f"{display(path)}: found {kind}, but submission.layout is {form.sample.layout}"]


def _row_number(problem: str) -> int:
    """Where a problem stands in the file; what concerns no row comes last."""
    place = re.search(r", (?:row|result) (\d+)[:,]", problem)
    return int(place[1]) if place else 2**63


def share_table(config: Config, competition: Competition, runs: Mapping[MaskKey, str]) -> pd.DataFrame:
    """One row a class: class_name, and Counts of the file, of the training images, and of the OOF, None without one."""
    images, names = competition.train["image_id"], competition.class_names
    present = np.array([competition.masks(image).any(axis=(1, 2)) for image in tracked(images, len(images), "labels")])
    oof = _oof_counts(RunPaths.of(config).image_scores_csv)
    rows = []
    for index, name in enumerate(names):
        texts = [text for (_, class_index), text in runs.items() if class_index == index]
        rows.append(
            {
                "class_name": name,
                "file": Counts(sum(map(bool, texts)), len(texts)),
                "training": Counts(int(present[:, index].sum()), len(images)),
                "oof": oof.get(name),
            }
        )
    return pd.DataFrame(rows, dtype=object)


def _oof_counts(image_scores: Path) -> dict[str, Counts]:
    """class_name -> images that the adopted rule predicts as not empty; empty where nothing is tuned yet."""
    if not image_scores.is_file():
        return {}
    scores = pd.read_csv(image_scores, dtype={"class_name": str}, keep_default_na=False)
    groups = (scores["adopted_area"] > 0).groupby(scores["class_name"])
    return {str(name): Counts(int(group.sum()), len(group)) for name, group in groups}


def share_warnings(shares: pd.DataFrame) -> list[str]:
    """One line for each class whose share of non-empty masks is far from that of the training images or of the OOF.

    If no class is far off and yet every mask is empty, as with a few images, one line for all.
    """
    warnings = []
    for row in shares.itertuples():
        for what, expected in (("the training images", row.training), ("the OOF predictions", row.oof)):
            if expected is not None and is_far(row.file, expected):
                warnings.append(
                    f"class {row.class_name}: {row.file.share:.1%} of the masks are not empty, "
                    f"but {expected.share:.1%} of {what}"
                )
    if not warnings and not any(row.file.non_empty for row in shares.itertuples()):
        trained = sum(row.training.non_empty for row in shares.itertuples())
        return ["every mask is empty, but some training masks are not"] if trained else []
    return warnings


def is_far(found: Counts, expected: Counts) -> bool:
    """Whether the odds of two shares differ by more than a factor of two, and by more than three standard errors.

    The log odds ratio and its standard error, with half an image added to every count (Haldane, Anscombe).
    """
    cells = [n + 0.5 for count, images in (found, expected) for n in (count, images - count)]
    ratio = math.log(cells[0] * cells[3] / (cells[1] * cells[2]))
    error = math.sqrt(sum(1 / n for n in cells))
    return abs(ratio) > max(_FAR, _STANDARD_ERRORS * error)


def _print_shares(shares: pd.DataFrame, title: str) -> None:
    print(f"share of masks that are not empty in {title}")
    table = table_of(["class"], ["this file", "training", "OOF"])
    for row in shares.itertuples():
        counts = (row.file, row.training, row.oof)
        table.add_row(row.class_name, *["" if each is None else f"{each.share:.3f}" for each in counts])
    print_table(table)
