"""From what was measured to all choices of a plan, in the order in which they depend on each other."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from maskfold.config import Resize
from maskfold.config.data.every_format import LabelledData
from maskfold.data.competition import Competition
from maskfold.errors import UsageError
from maskfold.planning.choices.folds import Budget, check_groups, choose_clock, choose_folds, choose_rule, choose_views
from maskfold.planning.choices.network import choose_network
from maskfold.planning.choices.training import (
    choose_augmentation,
    choose_batch,
    choose_epochs,
    choose_loss,
    choose_rates,
    choose_sampling,
)
from maskfold.planning.clock import Clock, Work, divided, least_draws
from maskfold.planning.constants import (
    ENOUGH_DRAWS,
    ENOUGH_EPOCHS,
    FIRST_SHARE,
    LEAST_DRAWS_OF_SIZE,
    LEAST_STEPS,
    PREDICTED_PX,
    RESERVE,
    SHORT_MINUTES,
    SHORT_TRIALS,
    SPEED_SECONDS,
    SPEED_SHARE,
    TILE,
    TILE_FROM_PX,
)
from maskfold.planning.draft import GIVEN, Draft
from maskfold.planning.facts.fingerprint import Fingerprint
from maskfold.planning.input_sizes import InputSize, input_size, input_sizes
from maskfold.planning.machine import Machine
from maskfold.planning.resources import check_resources
from maskfold.planning.speed import Speed, measured_speed
from maskfold.planning.weights_at_hand import Weights

_MEASURED_PX = {"cpu": 192**2, "gpu": 384**2}


@dataclass(frozen=True)
class Situation:
    """What a plan is made for. started: time.monotonic() when the budget began."""

    facts: Fingerprint
    machine: Machine
    weights: Mapping[str, Weights]
    minutes: float
    started: float

    def budget(self) -> Budget:
        """The budget, and what is spent of it by now."""
        return Budget(60 * self.minutes, time.monotonic() - self.started)


def plan_model(draft: Draft, situation: Situation) -> list[InputSize]:
    """Choose the network, the loss and the sampling; the sizes to choose from, largest first."""
    facts, machine = situation.facts, situation.machine
    check_groups(facts)
    choose_network(draft, facts, machine, situation.minutes, situation.weights)
    choose_loss(draft, facts)
    return _given_sizes(draft, facts) or input_sizes(facts, machine.kind)


def _given_sizes(draft: Draft, facts: Fingerprint) -> list[InputSize]:
    """The one size that the user set, by a resize, a crop or both; empty if the plan may choose."""
    if "resize" not in (draft.given.get("model") or {}) and "crop_size" not in (draft.given.get("train") or {}):
        return []
    resize, crop = draft.value("model.resize"), draft.value("train.crop_size")
    form = None if resize is None else Resize.model_validate_json(json.dumps(resize))
    return [input_size(facts, form, None if crop is None else (crop[0], crop[1]), GIVEN)]


def measure(
    draft: Draft, sizes: Sequence[InputSize], situation: Situation, competition: Competition, data: LabelledData
) -> tuple[Speed, str]:
    """The speed of the planned network at a size in the middle, from which that of the others follows by their area."""
    wanted = _MEASURED_PX[situation.machine.kind]
    size = min(sizes, key=lambda each: abs(each.px - wanted))
    trial = Draft()
    trial.choices = [*draft.choices]
    trial.given = draft.given
    _choose_size(trial, size)
    config = trial.config(data=data.model_dump(mode="json"))
    seconds = min(SPEED_SECONDS, SPEED_SHARE * 60 * situation.minutes)
    return measured_speed(config, competition, situation.machine, seconds)


def plan_rest(draft: Draft, sizes: Sequence[InputSize], speed: Speed, situation: Situation) -> Clock:
    """Choose everything that depends on the speed; the clock of the plan. Raises UsageError for too short a budget."""
    facts, machine, budget = situation.facts, situation.machine, situation.budget()
    size = _enough(sizes, facts, speed, machine, budget)
    _choose_size(draft, size)
    work = choose_folds(draft, facts, size, speed, machine, budget)
    clock = divided(work, facts, size, speed, machine)
    _check_budget(clock, work, budget, speed)
    flips = choose_augmentation(draft, facts, clock.main_draws / facts.images)
    work, clock = choose_views(draft, work, facts, size, speed, machine, flips)
    batch = choose_batch(draft, clock, size, speed, machine)
    of_each = 1 - 1 / int(draft.value("folds.count", 5))
    trained = max(1, round(facts.images * of_each)) if work.folds > 1 else facts.images - work.held_out
    choose_sampling(draft, facts, size)
    choose_epochs(draft, clock, trained, batch)
    choose_rates(draft, batch, clock.main_draws / batch)
    choose_clock(draft, clock, work, trained)
    tiled = draft.value("inference.tile_size") is not None
    px = TILE**2 if tiled else size.predicted_px
    predicted = max(1, min(16, int(PREDICTED_PX[machine.kind] // px)))
    if predicted < 16:
        draft.choose("inference.batch_size", predicted, f"inputs of {px / 1e6:.1f} million pixels take much memory")
    if situation.minutes < SHORT_MINUTES and draft.value("model.classification_head"):
        draft.choose("tuning.trials", SHORT_TRIALS, "more soft gates would take time from training")
    draft.choose("tuning.rule", *choose_rule(draft, work))
    check_resources(facts, speed, size, machine, batch, work)
    return clock


def _choose_size(draft: Draft, size: InputSize) -> None:
    if size.resize is not None:
        draft.choose("model.resize", size.resize.model_dump(mode="json", exclude_none=True), size.reason)
    if size.crop is not None:
        draft.choose("train.crop_size", size.crop, size.reason if size.resize is None else "after the resize")
    if size.predicted_px > TILE_FROM_PX:
        draft.choose("inference.tile_size", (TILE, TILE), f"images of {size.predicted_px / 1e6:.0f} million pixels")


def _enough(
    sizes: Sequence[InputSize], facts: Fingerprint, speed: Speed, machine: Machine, budget: Budget
) -> InputSize:
    """The largest size at which a model sees its images often enough; the smallest if there is none.

    Sizes at which small objects become narrow count only where no other leaves a training LEAST_STEPS steps
    (docs/results.md).
    """

    def draws(size: InputSize) -> float:
        """Images that a training draws at this size."""
        held = round(0.15 * facts.images)
        work = Work(budget.seconds, budget.spent, 1, held, held, 1)
        return divided(work, facts, size, speed, machine).main_draws

    def enough(size: InputSize) -> bool:
        """Whether they are as many as a training should see."""
        wanted = max(LEAST_DRAWS_OF_SIZE, size.epochs * facts.images)
        return draws(size) >= (wanted if size.epochs > ENOUGH_EPOCHS else min(ENOUGH_DRAWS, wanted))

    keeping = [size for size in sizes if size.keeps]
    found = next((size for size in keeping if enough(size)), keeping[-1])
    if draws(found) >= least_draws(machine) or len(keeping) == len(sizes):
        return found
    narrow = next((size for size in sizes if not size.keeps and enough(size)), sizes[-1])
    return replace(narrow, reason=f"{narrow.reason}; larger images would leave fewer than {LEAST_STEPS} steps")


def _check_budget(clock: Clock, work: Work, budget: Budget, speed: Speed) -> None:
    """Raise UsageError, with the least minutes that are needed, for a budget that leaves no time to train."""
    if clock.main >= (1 - 1e-6) * clock.first:  # they may be equal
        return
    rest = clock.rest - RESERVE * clock.total
    longest = max(clock.first, FIRST_SHARE * clock.total) * (1 + work.folds)
    needed = 1.15 * (clock.predicting + rest + longest) / (1 - RESERVE) / 60
    busy = " (other programs used the cores while this was measured)" if speed.busy else ""
    raise UsageError(
        f"--minutes {budget.seconds / 60:g} are too few: a first training takes "
        f"{clock.first / 60:.1f} minutes here, prediction {clock.predicting / 60:.1f} and the rest "
        f"{clock.rest / 60:.1f}{busy}; give at least --minutes {max(needed, budget.seconds / 60 + 1):.0f}"
    )
