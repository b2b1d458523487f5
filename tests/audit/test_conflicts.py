"""Labels of copies that differ: a wrong label is a conflict, a pasted object is none, exchanged classes are named."""

import numpy as np
import pandas as pd
import pytest
from benchmarks.drawn.pasted_defects import CASES, CLASSES, WRONG, draw_pairs

from maskfold.audit.data.audit import audit_competition, open_tolerantly
from maskfold.audit.data.changed_pixels import changed_share
from maskfold.config import RleCsvData


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    root = tmp_path_factory.mktemp("pasted")
    made = draw_pairs(root, 5 * len(CASES))
    data = RleCsvData(root=str(root), class_names=CLASSES, test_images=None, sample_submission=None)
    competition, problems = open_tolerantly(data)
    return made, audit_competition(competition, problems, None, 0, 1)


def pairs(table: pd.DataFrame):
    return {frozenset(pair) for pair in zip(table["first"], table["second"], strict=True)}


def test_wrong_labels_are_conflicts_and_pasted_defects_are_none(audited):
    made, audit = audited
    assert pairs(audit.conflicts) == {names for names, case in made.items() if case in WRONG}
    assert pairs(audit.changed) == {names for names, case in made.items() if case in ("pasted", "replaced")}
    assert (audit.changed["changed"] > 0.5).all()


def test_an_exchange_of_classes_is_called_one(audited):
    made, audit = audited
    swapped = audit.conflicts[audit.conflicts["why"].str.startswith("exchanged")]
    assert pairs(swapped) == {names for names, case in made.items() if case == "exchanged"}
    for _, rows in swapped.groupby(["first", "second"]):
        names = rows["class_name"].tolist()
        assert rows["why"].tolist() == [f"exchanged with class {names[1]}", f"exchanged with class {names[0]}"]


def test_only_what_differs_more_than_elsewhere_counts_as_changed():
    rng = np.random.default_rng(0)
    image = rng.integers(100, 140, (80, 80)).astype(np.uint8)
    mask, everywhere = np.zeros((80, 80), np.uint8), np.ones((80, 80), np.uint8)
    mask[20:40, 20:40] = 1
    darker = (image * 0.8 + 10).astype(np.uint8)
    assert changed_share(image, darker, everywhere, mask, mask, 0) < 0.05
    pasted = darker.copy()
    pasted[20:40, 20:30] = 240  # half of the disputed px
    assert 0.4 < changed_share(image, pasted, everywhere, mask, mask, 0) < 0.7
    assert changed_share(image, pasted, 1 - mask, mask, mask, 0) == 0
