"""The label audit stage: labels against the predictions of models that have not seen them, ranked, on a page."""

from __future__ import annotations

import pandas as pd

from maskfold.artefacts.code_version import code_version
from maskfold.artefacts.files import whole_folder
from maskfold.artefacts.lock import one_writer
from maskfold.artefacts.paths import RunPaths, display, resolve
from maskfold.artefacts.provenance import Provenance
from maskfold.artefacts.step import Step
from maskfold.audit.labels.page import write_page
from maskfold.audit.labels.ranking import FINE, PILES, rank
from maskfold.audit.labels.rows import label_rows
from maskfold.audit.labels.rules_in_use import rules_in_use
from maskfold.audit.labels.tables import write_tables
from maskfold.config import Config
from maskfold.data.competition import Competition
from maskfold.errors import ConfigError
from maskfold.folds.visibility import scored_competition
from maskfold.oof.origin import oof_hashes


@one_writer("audit_labels")
def audit_labels(
    config: Config, competition: Competition, accept_code_changes: bool = False, pictures: int = 400
) -> None:
    """Write reports/<name>.label_audit/ unless it is up to date: index.html, labels.csv, exclude.csv and suspects.csv.

    pictures: how many of the most suspicious labels the page shows. Raises StaleError when a fold's OOF is missing,
    DataError when the OOF does not fit the competition, ConfigError when data.exclude names a file this would replace.
    """
    step, paths = Step("audit_labels", accept_code_changes), RunPaths.of(config)
    folder = paths.label_audit
    if config.data.exclude is not None and resolve(config.data.exclude).is_relative_to(folder):
        raise ConfigError(
            f"data.exclude is {config.data.exclude}, which this stage overwrites, using models trained without it; "
            f"copy the file elsewhere and name the copy, e.g. data.exclude=folds/{config.name}.exclude.csv"
        )
    oof = oof_hashes(config)
    rules, origin = rules_in_use(paths.postprocess_json, competition.class_names, oof)
    competition = scored_competition(config, competition)
    made_from = Provenance(
        "audit_labels",
        {
            "rules": [rule.model_dump() for rule in rules],
            "classes": list(competition.class_names),
            "pictures": pictures,
        },
        oof | competition.train_inputs(),
        code_version("label audit"),
    )
    page = folder / "index.html"
    if not step.due(page, made_from):
        return
    step.say(f"rules: {origin}")
    oof_files = [paths.oof_parquet(fold) for fold in range(config.folds.count)]
    ranked = rank(label_rows(oof_files, competition, rules))
    with whole_folder(folder) as part:
        write_tables(ranked, part)
        write_page(config.name, oof_files, competition, ranked, rules, pictures, part, config.folds.part_word)
        made_from.write(part / page.name)
    _print_summary(ranked)
    step.wrote(page, f"; leave labels out with --set data.exclude={display(folder)}/exclude.csv")


def _print_summary(ranked: pd.DataFrame) -> None:
    counts = ranked["pile"].value_counts()
    print("audit_labels: " + ", ".join(f"{counts.get(pile, 0)} labels {pile}" for pile in PILES))
    for reason, count in ranked.loc[ranked["pile"] != FINE, "reason"].value_counts().items():
        print(f"  {count:>6}  {reason}")
