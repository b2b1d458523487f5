"""Which rules make the predictions that labels are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from maskfold.artefacts.paths import display
from maskfold.rules.rules import DEFAULT_RULE, AnyRule
from maskfold.rules.tuned import TunedArtefact


def rules_in_use(
    postprocess_json: Path, class_names: Sequence[str], oof: Mapping[str, str]
) -> tuple[list[AnyRule], str]:
    """The rule of each class, and where they are from: tuned where that was done on this OOF, else p >= 0.5.

    oof: fold -> hash of the OOF that labels are compared with.
    """
    default: list[AnyRule] = [DEFAULT_RULE] * len(class_names)
    if not postprocess_json.is_file():
        return default, "p >= 0.5, as nothing is tuned yet"
    tuned = TunedArtefact.read(postprocess_json)
    if tuned.oof != oof or tuple(entry.class_name for entry in tuned.classes) != tuple(class_names):
        return default, f"p >= 0.5, as {display(postprocess_json)} was tuned on another OOF"
    # A class whose masks the submission leaves empty has predictions all the same, and they may show faults.
    rules = [entry.default_rule if entry.used == "empty" else entry.rule for entry in tuned.classes]
    return rules, display(postprocess_json)
