"""The data audit stage: one static folder a run, made from the competition's files alone, and from the folds if any."""

from __future__ import annotations

import hashlib

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import file_hash, whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.audit.data.audit import audit_competition, open_tolerantly
from maskfold.audit.data.findings import findings
from maskfold.audit.data.page import write_page
from maskfold.audit.data.tables import write_tables
from maskfold.config import Config
from maskfold.execution.jobs import available_cores


@one_writer("audit_data")
def audit_data(config: Config, accept_code_changes: bool = False) -> None:
    """Write reports/<name>.data_audit/ unless it is up to date: index.html, pictures, csv files, whole or not at all.

    Raises DataError when there is no training image that can be read.
    """
    step, paths = Step("audit_data", accept_code_changes), RunPaths.of(config)
    competition, problems = open_tolerantly(config.data)
    inputs = competition.train_inputs() | competition.test_inputs()
    inputs["problems"] = hashlib.sha256("\n".join(problems).encode()).hexdigest()
    if paths.folds_csv.is_file():
        inputs["folds"] = file_hash(paths.folds_csv)
    # No place but the folder's own, which the page names.
    settings = {"name": config.name, "classes": competition.class_names, "examples": config.report.examples}
    settings |= {"seed": config.seed, "folder": str(paths.data_audit)}
    made_from = Provenance("audit_data", settings, inputs, code_version("data audit"))
    page = paths.data_audit / "index.html"
    if not step.due(page, made_from):
        return
    folds = _folds(config)
    audit = audit_competition(competition, problems, folds, config.seed, available_cores())
    with whole_folder(paths.data_audit) as part:
        write_tables(audit, part)
        fold_word = "" if folds is None else config.folds.part_word
        groups_csv = str(paths.data_audit / "groups.csv")
        write_page(audit, config.name, config.report.examples, groups_csv, fold_word, part)
        made_from.write(part / page.name)
    for finding in findings(audit):
        print(f"  {finding.weight}: {finding.what}")
    step.wrote(page, "; open it in a browser")


def _folds(config: Config) -> pd.Series | None:
    """image_id -> fold of the first cut, as text; None where there are no folds."""
    path = RunPaths.of(config).folds_csv
    if not path.is_file():
        return None
    # keep_default_na: an image may be called NA.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table.drop_duplicates("image_id").set_index("image_id")[config.folds.columns[0]]
