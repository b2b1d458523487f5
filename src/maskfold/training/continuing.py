"""Whether a training that has begun is the beginning of another one, so that it can go on instead of starting over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskfold.artefacts.provenance import Provenance, recorded_settings
from maskfold.artefacts.step import Step

_LENGTH = {"epochs", "then"}


def is_beginning(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a training is, up to its last epoch, the same as a longer one that is wanted.

    begun, wanted: `TrainConfig.settings`, as records hold them. It is where phases are added after the last one, and
    where the only phase grows and no epoch of it depends on its length. Not with a time limit or early
    stopping, whose end depends on the machine or on the scores.
    """
    if not _differ_in_length_only(begun, wanted):
        return False
    if wanted.get("minutes") is not None or wanted["early_stopping_patience"] is not None:
        return False
    if begun["epochs"] == wanted["epochs"]:
        return bool(wanted["then"][: len(begun["then"])] == begun["then"])
    return not begun["then"] and wanted["epochs"] > begun["epochs"] and _independent_of_length(begun)


def _independent_of_length(begun: Mapping[str, Any]) -> bool:
    """Whether no epoch's learning rate or sampling depends on how many epochs there are."""
    schedule = begun["schedule"]
    if begun["sampling"]["final_non_empty_share"] is not None:
        return False
    past_warmup = schedule["kind"] == "constant" and schedule["warmup_epochs"] < begun["epochs"]
    return past_warmup or schedule["kind"] == "plateau"


def _differ_in_length_only(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(begun.get(key) == wanted.get(key) for key in {*begun, *wanted} - _LENGTH)


def goes_on(marker: Path, made_from: Provenance, step: Step) -> bool:
    """Whether the training whose record is at `marker` is the beginning of the one that `made_from` describes."""
    begun, wanted = _training_sections(marker, made_from)
    if not begun or not is_beginning(begun, wanted):
        return False
    as_begun = replace(made_from, settings={**made_from.settings, "train": begun})
    return not step.reasons(marker, as_begun)


def longer_phase_hint(marker: Path, made_from: Provenance) -> str | None:
    """How more epochs could continue a training that starts over for them; None where that is not the reason."""
    begun, wanted = _training_sections(marker, made_from)
    if not begun or not _differ_in_length_only(begun, wanted) or begun["then"] != wanted["then"]:
        return None
    more, kind = wanted["epochs"] - begun["epochs"], wanted["schedule"]["kind"]
    if more <= 0 or kind not in ("cosine", "one_cycle"):
        return None
    added = json.dumps([*wanted["then"], {"epochs": more}])
    return (
        f"{wanted['epochs']} epochs instead of {begun['epochs']} change the learning rate of every epoch "
        f"(train.schedule.kind: {kind}), so the training starts over; to continue the finished one with a schedule of "
        f"its own, keep train.epochs={begun['epochs']} and add a phase: train.then={added}"
    )


def _training_sections(marker: Path, made_from: Provenance) -> tuple[dict[str, Any], dict[str, Any]]:
    """The training section that a record holds, empty where there is none, and that of another provenance."""
    begun = recorded_settings(marker).get("train")
    return begun or {}, json.loads(json.dumps(made_from.settings.get("train", {})))
