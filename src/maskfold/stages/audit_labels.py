"""The label audit stage: labels against the predictions of models that have not seen them, ranked, on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.paths import RunPaths, display, resolve
from maskfold.artefacts.provenance import Provenance
from maskfold.audit.labels.evidence import image_evidence
from maskfold.audit.labels.page import TEMPLATES, write_page
from maskfold.audit.labels.ranking import (
    EXCLUDE,
    FINE,
    PILES,
    evidence_row,
    rank,
)
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.drawing.html import page_inputs
from maskfold.errors import ConfigError
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.progress import tracked
from maskfold.folds.visibility import scored_competition
from maskfold.oof.origin import oof_hashes
from maskfold.oof.store import read_image_ids
from maskfold.oof.with_truth import JudgedImage, check_complete, iter_judged
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import DEFAULT_RULE, AnyRule
from maskfold.rules.tuned import TunedArtefact

_FIRST = ["image_id", "class_name", "fold", "score", "pile", "reason", "detail"]
_EXCLUDED = ["image_id", "score", "pile", "class_name", "reason", "detail"]


def audit_labels(
    config: Config, competition: Competition, accept_code_changes: bool = False, pictures: int = 400
) -> None:
    """Write reports/<name>.label_audit/ unless it is fresh: index.html, labels.csv, exclude.csv and suspects.csv.

    pictures: how many of the most suspicious labels the page shows. Raises StaleError when a fold's OOF is missing,
    DataError when the OOF does not fit the competition, ConfigError when data.exclude names a file this would replace.
    """
    folder = RunPaths.of(config).label_audit
    if config.data.exclude is not None and resolve(config.data.exclude).is_relative_to(folder):
        raise ConfigError(
            f"data.exclude is {config.data.exclude}, which this stage writes anew from the models trained without it; "
            f"copy the file elsewhere and name the copy, e.g. data.exclude=folds/{config.name}.exclude.csv"
        )
    oof = oof_hashes(config)
    rules, origin = rules_in_use(config, competition, oof)
    competition = scored_competition(config, competition)
    made_from = Provenance(
        "audit_labels",
        {
            "rules": [rule.model_dump() for rule in rules],
            "classes": list(competition.class_names),
            "pictures": pictures,
        },
        oof | competition.train_inputs() | page_inputs(*TEMPLATES),
        code_version("label audit"),
    )
    page = folder / "index.html"
    reasons = made_from.staleness(page, accept_code_changes)
    if not reasons:
        print(f"audit_labels: {display(page)} is fresh, skipped")
        return
    print(f"audit_labels: {'; '.join(reasons)}; rules: {origin}", flush=True)
    ranked = rank(label_rows(config, competition, rules))
    with whole_folder(folder) as part:
        write_tables(ranked, part)
        write_page(config, competition, ranked, rules, pictures, part)
        made_from.write(part / page.name)
    _print_summary(ranked)
    print(
        f"audit_labels: wrote {display(page)}; leave labels out with --set data.exclude={display(folder)}/exclude.csv"
    )


def rules_in_use(config: Config, competition: Competition, oof: dict[str, str]) -> tuple[list[AnyRule], str]:
    """The rule of each class, and where they are from: tuned where that was done on this OOF, else p >= 0.5."""
    path = RunPaths.of(config).postprocess_json
    default: list[AnyRule] = [DEFAULT_RULE] * len(competition.class_names)
    if not path.is_file():
        return default, "p >= 0.5, as nothing is tuned yet"
    tuned = TunedArtefact.read(path)
    if tuned.oof != oof or tuple(entry.class_name for entry in tuned.classes) != competition.class_names:
        return default, f"p >= 0.5, as {display(path)} was tuned on another OOF"
    # A class that is best answered empty has predictions all the same, and they may know of faults.
    rules = [entry.default_rule if entry.used == "empty" else entry.rule for entry in tuned.classes]
    return rules, display(path)


def label_rows(config: Config, competition: Competition, rules: Sequence[AnyRule]) -> pd.DataFrame:
    """One row an image and class: image_id, class_name, fold and the numbers of `evidence_row`.

    Only a few maps are in memory at a time.
    """
    paths, folds = RunPaths.of(config), range(config.folds.count)
    names = {fold: read_image_ids(paths.oof_parquet(fold)) for fold in folds}
    check_complete(names, competition)
    rows: list[dict[str, Any]] = []
    judge = partial(judged_rows, class_names=competition.class_names, rules=rules)
    for fold in folds:
        images: Iterator[JudgedImage] = iter_judged(paths.oof_parquet(fold), fold, competition)
        judged = map_threads(judge, images, available_cores())
        for own in tracked(judged, len(names[fold]), f"labels of fold {fold}"):
            rows += own
    return pd.DataFrame(rows)


def judged_rows(image: JudgedImage, class_names: Sequence[str], rules: Sequence[AnyRule]) -> list[dict[str, Any]]:
    """The rows of one image, a class each."""
    oof = image.oof
    found = image_evidence(oof.prob, image.truth, apply_rules(oof.prob, rules, oof.class_prob))
    head = {"image_id": oof.image_id, "fold": oof.fold}
    return [
        {**head, "class_name": name, **evidence_row(evidence, min(image.truth.shape[1:]), class_names)}
        for name, evidence in zip(class_names, found, strict=True)
    ]


def write_tables(ranked: pd.DataFrame, folder: Path) -> None:
    """labels.csv: all labels, the most suspicious first; exclude.csv and suspects.csv: one row an image to leave out.

    exclude.csv holds the images with a label of the pile `exclude`, suspects.csv those to fix as well; data.exclude
    takes either.
    """
    rest = [column for column in ranked.columns if column not in _FIRST]
    ranked[_FIRST + rest].to_csv(folder / "labels.csv", index=False, float_format="%.6g", lineterminator="\n")
    for name, piles in (("exclude", [EXCLUDE]), ("suspects", [EXCLUDE, *PILES[1:2]])):
        chosen = ranked[ranked["pile"].isin(piles)].drop_duplicates("image_id")
        chosen[_EXCLUDED].to_csv(folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")


def _print_summary(ranked: pd.DataFrame) -> None:
    counts = ranked["pile"].value_counts()
    print("audit_labels: " + ", ".join(f"{counts.get(pile, 0)} labels {pile}" for pile in PILES))
    for reason, count in ranked.loc[ranked["pile"] != FINE, "reason"].value_counts().items():
        print(f"  {count:>6}  {reason}")
