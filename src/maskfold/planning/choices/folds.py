"""How the labelled images are split, which views are predicted, how rules are tuned, and how the clock is divided."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from maskfold.config import CUT_BY_IMAGE
from maskfold.errors import DataError
from maskfold.network.model import STRIDE
from maskfold.planning.choices.training import first_run_rates
from maskfold.planning.clock import Clock, Work, divided, least_draws, most_draws
from maskfold.planning.constants import (
    ENOUGH_FOLDS,
    FOLD_EPOCHS,
    HELD_OUT,
    HELD_OUT_SHARES,
    LEAST_HELD_OUT,
    LEAST_STEPS,
    MOST_REPEATS,
    PARTS_IMAGES,
    RAREST_HELD_OUT,
    RATE_BATCH,
    REPEAT_UNITS,
    SCALED_SHARE,
    SMALL_SET_SHARE,
    VIEW_SCALE,
    VIEW_SHARE,
)
from maskfold.planning.draft import Draft
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.input_sizes import InputSize
from maskfold.planning.machine import Machine
from maskfold.planning.speed import Speed

_PARTS = "parts of the held-out images: rules are tuned on some and scored on the other"


@dataclass(frozen=True)
class Budget:
    """seconds: of the whole run; spent: of them, on the plan so far."""

    seconds: float
    spent: float


def choose_folds(
    draft: Draft, facts: Fingerprint, size: InputSize, speed: Speed, machine: Machine, budget: Budget
) -> Work:
    """One hold-out for short budgets, three or five folds where each fold's model sees its images often enough.

    Of few images that takes so little time that the steps of a training count as well (docs/results.md).
    """
    if "kind" in (draft.given.get("folds") or {}):
        return _work(draft, facts, budget)
    units = facts.groups or facts.images
    for count in (5, 3):
        work = Work(budget.seconds, budget.spent, count, facts.images, round(_share(facts) * facts.images), 1)
        draws = divided(work, facts, size, speed, machine).main_draws
        epochs = draws / (facts.images * (1 - 1 / count))
        if epochs >= FOLD_EPOCHS and draws >= least_draws(machine) and units >= count:
            draft.choose("folds.kind", "k_fold", f"time for {epochs:.0f} epochs of each of {count} folds")
            draft.choose("folds.count", count, "each image is scored by a model that has not seen it")
            _choose_repeats(draft, facts, size, speed, machine, budget, count)
            return _work(draft, facts, budget)
    if facts.valid:
        reason = f"the competition's own {facts.valid:,} validation images"
        draft.choose("folds.kind", "valid_folder", reason)
        draft.choose("folds.count", _parts(facts.valid, units), _PARTS)
        return _work(draft, facts, budget)
    share = _share(facts)
    of_groups = f"; all images of a group stay on one side ({facts.groups} groups)" if facts.groups else ""
    held = round(share * facts.images)
    if min(units, held) < 2:
        draft.choose("folds.kind", "k_fold", f"{facts.images} images are too few to hold some out")
        draft.choose("folds.count", 2, "each half is scored by a model of the other")
        return _work(draft, facts, budget)
    draft.choose(
        "folds.kind",
        "hold_out",
        f"three folds would have fewer than {FOLD_EPOCHS:.0f} epochs or {LEAST_STEPS} steps each{of_groups}",
    )
    draft.choose("folds.share", share, f"{held} images to tune and score on, of {facts.images:,}")
    draft.choose("folds.count", _parts(held, units), _PARTS)
    return _work(draft, facts, budget)


def _choose_repeats(
    draft: Draft, facts: Fingerprint, size: InputSize, speed: Speed, machine: Machine, budget: Budget, count: int
) -> None:
    """Further splits, where one would leave time because its trainings are at their longest."""
    trained = facts.images * (1 - 1 / count)
    if (facts.groups or facts.images) < REPEAT_UNITS * count:
        return
    for repeats in range(MOST_REPEATS, 1, -1):
        models, predicted = repeats * count, repeats * facts.images
        work = Work(budget.seconds, budget.spent, models, predicted, round(_share(facts) * facts.images), 1)
        if divided(work, facts, size, speed, machine).main_draws >= most_draws(round(trained), RATE_BATCH):
            reason = f"time for {models} models: longer trainings would only learn the images by heart"
            draft.choose("folds.repeats", repeats, reason)
            return


def _share(facts: Fingerprint) -> float:
    """The share of the images that a hold-out takes."""
    least, most = HELD_OUT_SHARES
    rarest = min((each.images for each in facts.classes if each.images), default=facts.images)
    share = min(most, max(least, HELD_OUT / facts.images, RAREST_HELD_OUT / rarest))
    return round(max(share, min(SMALL_SET_SHARE, LEAST_HELD_OUT / facts.images)), 3)


def _parts(held: int, units: int) -> int:
    """How many parts so many held-out images are cut into."""
    return max(2, min(5, held // PARTS_IMAGES, units))


def _work(draft: Draft, facts: Fingerprint, budget: Budget) -> Work:
    """What the folds in force mean."""
    kind, count = draft.value("folds.kind", "k_fold"), int(draft.value("folds.count", 5))
    if kind == "k_fold":
        repeats, first = int(draft.value("folds.repeats", 1)), round(_share(facts) * facts.images)
        return Work(budget.seconds, budget.spent, count * repeats, repeats * facts.images, first, 1)
    share = float(draft.value("folds.share", 0.2))
    held = facts.valid if kind == "valid_folder" else round(share * facts.images)
    return Work(budget.seconds, budget.spent, 1, held, held, 1)


def choose_views(
    draft: Draft,
    work: Work,
    facts: Fingerprint,
    size: InputSize,
    speed: Speed,
    machine: Machine,
    flips: tuple[str, ...],
) -> tuple[Work, Clock]:
    """Flips of test-time augmentation, and an enlarged view of each, as far as prediction stays cheap.

    Returns the work with them and its clock.
    """
    options = [(f"{flip[0]}flip", 2.0, VIEW_SHARE) for flip in ("horizontal", "vertical") if flip in flips]
    if math.sqrt(size.predicted_px) * (VIEW_SCALE - 1) > STRIDE / 2:  # else rounded to the same sides
        options.append((f"scale{VIEW_SCALE:g}", 1 + VIEW_SCALE**2, SCALED_SHARE))
    views: list[str] = []
    clock = divided(work, facts, size, speed, machine)
    for name, times, limit in options:
        more = replace(work, views=work.views * times)
        slower = divided(more, facts, size, speed, machine)
        if slower.predicting > limit * work.seconds:
            break
        views.append(name)
        work, clock = more, slower
    reason = "another view would take too much of the budget" if options else "flips are not plausible here"
    if views:
        reason = f"prediction takes {clock.predicting / work.seconds:.0%} of the budget with them"
    draft.choose("inference.tta", views, reason)
    return work, clock


def choose_rule(draft: Draft, work: Work) -> tuple[str, str]:
    """The kinds of rules that are tried, and why."""
    if draft.value("tuning.metric") not in CUT_BY_IMAGE:
        return "auto", f"a cut for each image is there for {', '.join(CUT_BY_IMAGE)}"
    if work.folds > 1 and int(draft.value("folds.count", 5)) < ENOUGH_FOLDS:
        return (
            "auto",
            "of few folds a cut for each image did not carry over from one network to another (docs/results.md)",
        )
    return "all", "fixed rules and a cut for each image, compared on parts they were not tuned on (docs/results.md)"


def choose_clock(draft: Draft, clock: Clock, work: Work, trained: int) -> None:
    """The minutes of the training of a model on so many images."""
    each = "" if work.folds == 1 else " of each model"
    epochs = clock.main_draws / trained
    draft.choose("train.minutes", round(clock.main / 60, 2), f"what is left of the time{each}: {epochs:.1f} epochs")


def first_run(draft: Draft, clock: Clock, facts: Fingerprint) -> dict[str, object]:
    """What the config of the first run changes in that of the planned one."""
    changes: dict[str, object] = {"name": f"{draft.value('name')}_first"}
    held, units = round(_share(facts) * facts.images), facts.groups or facts.images
    if draft.value("folds.kind", "k_fold") == "k_fold" and min(held, units) >= 2:
        parts = _parts(held, units)
        changes["folds"] = {"kind": "hold_out", "share": _share(facts), "count": parts, "repeats": 1}
    return changes | {"train": {"minutes": round(clock.first / 60, 2)} | first_run_rates(draft, clock)}


def check_groups(facts: Fingerprint) -> None:
    """Raise DataError for images that cannot be split."""
    if facts.images < 2:
        raise DataError(
            [f"found {facts.images} labelled image; at least 2 are needed, one to train on and one to score"]
        )
    if facts.groups == 1:
        raise DataError(
            [
                "all labelled images are of one group, so none can be held out; give other groups (data.groups_csv), "
                "or --set data.groups_csv=null if the images are independent"
            ]
        )
