"""The numbers of every label, image by image, from the OOF."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.audit.labels.evidence import image_evidence
from maskfold.audit.labels.ranking import evidence_row
from maskfold.data.competition import Competition
from maskfold.execution.jobs import available_cores, map_threads
from maskfold.execution.progress import tracked
from maskfold.oof.store import read_image_ids
from maskfold.oof.with_truth import LabelledOof, check_complete, iter_with_truth
from maskfold.rules.applying import apply_rules
from maskfold.rules.rules import AnyRule


def label_rows(oof_files: Sequence[Path], competition: Competition, rules: Sequence[AnyRule]) -> pd.DataFrame:
    """One row an image and class: image_id, class_name, fold and the numbers of `evidence_row`.

    oof_files: the OOF of each fold. Only a few maps are in memory at a time. Raises StaleError when a file is missing,
    DataError when the OOF does not fit the competition.
    """
    names = {fold: read_image_ids(file) for fold, file in enumerate(oof_files)}
    check_complete(names, competition)
    rows: list[dict[str, Any]] = []
    measure = partial(_image_rows, class_names=competition.class_names, rules=rules)
    images = chain.from_iterable(iter_with_truth(file, fold, competition) for fold, file in enumerate(oof_files))
    measured = map_threads(measure, images, available_cores())
    for own in tracked(measured, sum(map(len, names.values())), "labels"):
        rows += own
    return pd.DataFrame(rows)


def _image_rows(image: LabelledOof, class_names: Sequence[str], rules: Sequence[AnyRule]) -> list[dict[str, Any]]:
    """The rows of one image, a class each."""
    oof = image.oof
    found = image_evidence(oof.prob, image.truth, apply_rules(oof.prob, rules, oof.class_prob), image.ignored)
    head = {"image_id": oof.image_id, "fold": oof.fold}
    return [
        {**head, "class_name": name, **evidence_row(evidence, min(image.truth.shape[1:]), class_names)}
        for name, evidence in zip(class_names, found, strict=True)
    ]
