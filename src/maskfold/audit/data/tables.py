"""The csv files of the audit."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from maskfold.audit.data.audit import Audit
from maskfold.audit.data.label_facts import class_table, overlap_table
from maskfold.execution.text import spreadsheet

# "/data/train.csv, row 7: bad run lengths …": a file, often a place in it, and what is wrong.
_PROBLEM = re.compile(
    r"^(?P<file>.+?)(?:, (?P<place>(?:row|annotation|image|category|byte) [^:]{1,80}))?: (?P<what>.*)$", re.S
)

FILES = {
    "problems.csv": "files and labels that cannot be used: file, place in it, problem",
    "images.csv": "every image: size, mode, bits, and the statistics of its pixels",
    "unusual.csv": "images that are blank, dark, bright, low in information, blurred, of an odd size or shape",
    "areas.csv": "every non-empty mask: area, coverage, objects, how many touch the border",
    "classes.csv": "every class: images, percentiles of its areas, natural minimum",
    "overlaps.csv": "classes that overlap",
    "pairs.csv": "copies, overlapping parts and further shots: kind, likeness, flip or turn, shift, folds",
    "conflicts.csv": "copies whose labels contradict each other",
    "changed.csv": "copies that differ in the image where their labels do: no contradiction",
    "groups.csv": "ImageId,GroupId of every training image, in the form of data.groups_csv",
    "groups_by_name.csv": "groups.csv joined with the groups that file names suggest, if they suggest more",
    "statistics.csv": "the statistics that best separate test from training images",
}


def write_tables(audit: Audit, folder: Path) -> None:
    """Write FILES into `folder`; what was not found is a header alone."""
    found = audit.separability
    statistics = pd.DataFrame(columns=["statistic", "auc", "train_median", "test_median"])
    tables = {
        "problems.csv": pd.DataFrame(problem_rows(audit.problems), columns=["file", "place", "problem"]),
        "images.csv": audit.images.drop(columns="path"),
        "unusual.csv": audit.unusual,
        "areas.csv": audit.labels.areas,
        "classes.csv": class_table(audit.labels, audit.competition.class_names),
        "overlaps.csv": overlap_table(audit.labels),
        "pairs.csv": audit.pairs,
        "conflicts.csv": audit.conflicts,
        "changed.csv": audit.changed,
        "groups.csv": audit.groups,
        "groups_by_name.csv": audit.groups.head(0) if audit.name_groups is None else audit.name_groups.groups,
        "statistics.csv": statistics if found is None else found.statistics,
    }
    for name in FILES:
        table = spreadsheet(tables[name], exact=["ImageId", "GroupId"])
        table.to_csv(folder / name, index=False, float_format="%.6g", lineterminator="\n")


def problem_rows(problems: Iterable[str]) -> list[tuple[str, str, str]]:
    """file, place and what is wrong of each problem; the file is its name alone."""
    rows = []
    for line in problems:
        match = _PROBLEM.match(line)
        if match is None:
            rows.append(("", "", line))
        else:
            rows.append((Path(match["file"]).name, match["place"] or "", match["what"]))
    return rows
